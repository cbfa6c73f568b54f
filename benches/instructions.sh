#!/usr/bin/env bash
# Instructions that the gate takes for one 1080p frame, counted by valgrind's callgrind; fails where they are more than the
# bounds below. `make gate-instructions` runs it. Lower the bounds when the gate gets cheaper; raise them only for a reason.
set -euo pipefail

# A tenth above what was counted with Rust 1.95 on x86-64 (2,009,000 and 3,443,000, of which 370,000 watch over the camera itself: tamper): compilers differ a little.
idle_most=${GATE_IDLE_MOST:-2210000}
walk_most=${GATE_WALK_MOST:-3790000}

command -v valgrind >/dev/null || { echo "gate-instructions: valgrind is missing (Debian: apt-get install valgrind)" >&2; exit 1; }
cargo=${CARGO:-cargo}
binary=$("$cargo" bench --locked --bench gate_instructions --no-run --message-format=json |
    sed -n 's/.*"name":"gate_instructions".*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)

# count SCENE FRAMES
count() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$binary" "$1" "$2" 2>&1 | sed -n 's/.*Collected : \([0-9]*\)$/\1/p'
}

# per_frame SCENE MOST
per_frame() {
    local few many each
    few=$(count "$1" 40)
    many=$(count "$1" 140)
    each=$(((many - few) / 100))
    echo "$1: $each instructions per 1080p frame (at most $2)"
    [ "$each" -le "$2" ]
}

failed=0
per_frame idle "$idle_most" || failed=1
per_frame walk "$walk_most" || failed=1
exit "$failed"
