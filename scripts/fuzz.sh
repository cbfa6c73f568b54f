#!/usr/bin/env bash
# Runs the fuzz targets (fuzz/), some at a time, each for so many seconds, and says what they found.
#   FUZZ_SECONDS=600  for each target     TARGETS="config onnx"  only these     JOBS=2  at a time
# `scripts/fuzz.sh keep` adds to the checked-in corpora what the runs found and no file in them reaches yet.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"

need() {
    echo "fuzz-targets: $1" >&2
    exit 1
}
command -v rustup >/dev/null || need "rustup is missing: libFuzzer needs a nightly compiler, which rustup installs"
rustup run nightly rustc --version >/dev/null 2>&1 || need "a nightly compiler is missing: \`rustup toolchain install nightly --profile minimal\`"
cargo +nightly fuzz --version >/dev/null 2>&1 || need "cargo-fuzz is missing: \`cargo install cargo-fuzz --locked\` builds it (a minute or two)"

seconds=${FUZZ_SECONDS:-600}
read -r -a targets <<<"${TARGETS:-$(cargo +nightly fuzz list | tr '\n' ' ')}"
host=$(rustc -vV | sed -n 's/^host: //p')
binaries=target/$host/release

# Longest input: large enough for a whole file of each kind, no larger than what is mutated well.
length() {
    case $1 in
    model | journal) echo 16384 ;;
    onnx) echo 12288 ;;
    config | picture | weights) echo 8192 ;;
    *) echo 4096 ;;
    esac
}

one() {
    local target=$1 status=0 words=()
    mkdir -p "found/$target" "artifacts/$target"
    [ -f "dict/$target.dict" ] && words=("-dict=dict/$target.dict")
    # New inputs go into the first folder; those that are checked in stay as they are.
    nice -n 19 "$binaries/$target" -max_total_time="$seconds" -max_len="$(length "$target")" -rss_limit_mb=1024 -timeout=10 \
        -print_final_stats=1 -artifact_prefix="artifacts/$target/" "${words[@]}" "found/$target" "corpus/$target" >"found/$target.log" 2>&1 || status=$?
    local runs
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "found/$target.log")
    local seen
    seen=$(grep -oE 'cov: [0-9]+' "found/$target.log" | tail -1)
    if [ "$status" -eq 0 ]; then
        echo "$target: nothing found in ${runs:-?} runs (${seen:-no coverage} of edges)"
    else
        echo "$target: FOUND something after ${runs:-?} runs: see fuzz/found/$target.log; \`cargo +nightly fuzz run $target fuzz/artifacts/$target/...\` shows it again"
        return 1
    fi
}

keep() {
    for target in "${targets[@]}"; do
        if [ -d "found/$target" ]; then
            python3 ../scripts/fuzz_keep.py "$binaries/$target" "corpus/$target" "found/$target"
        fi
    done
}

cargo +nightly fuzz build
if [ "${1:-}" = keep ]; then
    keep
    exit
fi
echo "fuzz-targets: ${#targets[@]} targets, $seconds s each, ${JOBS:-2} at a time" >&2
failed=0
for target in "${targets[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "${JOBS:-2}" ]; do wait -n || failed=1; done
    one "$target" &
done
while [ -n "$(jobs -rp)" ]; do wait -n || failed=1; done
exit "$failed"
