#!/usr/bin/env bash
# Builds the Debian package: target/debian/eyewitness_VERSION_ARCH.deb, with the ONNX Runtime library and the default model in it.
# The same sources on the same machine give the same file, byte for byte.
#
#   scripts/deb.sh                        for this machine
#   ARCH=arm64 scripts/deb.sh             for another architecture, where a cross toolchain is installed; else says what to do
#   BINARY=FILE scripts/deb.sh            takes a program that was built already
#   DEB_VERSION=0.1.0-2 scripts/deb.sh    default: the version of Cargo.toml, with -1
#   COMPRESSION=gzip scripts/deb.sh       larger and sooner there, for tests
#   DEB_MAINTAINER='Name <address>'       who answers for the package
set -euo pipefail
cd "$(dirname "$0")/.."
umask 022

say() { printf '%s\n' "$*" >&2; }
die() { say "deb: $1"; shift; for line in "$@"; do say "  help: $line"; done; exit 1; }

for tool in dpkg-deb:dpkg dpkg-shlibdeps:dpkg-dev strip:binutils python3:python3 xz:xz-utils; do
    command -v "${tool%:*}" >/dev/null || die "\`${tool%:*}\` is missing" "apt-get install ${tool#*:}"
done

HOST=$(dpkg --print-architecture)
ARCH=${ARCH:-$HOST}
case $ARCH in
amd64) TRIPLE=x86_64-linux-gnu ;;
arm64) TRIPLE=aarch64-linux-gnu ;;
*) die "there is no pinned ONNX Runtime library for \`$ARCH\`" "ARCH is amd64 or arm64" ;;
esac
TARGET=${TRIPLE%%-*}-unknown-linux-gnu
MACHINE=${TRIPLE%%-*}

UPSTREAM=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
VERSION=${DEB_VERSION:-$UPSTREAM-1}
MAINTAINER=${DEB_MAINTAINER:-The Eyewitness authors <eyewitness@localhost>}
# The time of the last change, not of the build.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.toml)}
export SOURCE_DATE_EPOCH

# What a cross build needs and this machine lacks, one line each.
missing() {
    command -v "$TRIPLE-gcc" >/dev/null || echo "apt-get install gcc-$TRIPLE"
    dpkg --print-foreign-architectures | grep -qx "$ARCH" || echo "dpkg --add-architecture $ARCH && apt-get update"
    dpkg-query -W -f='${db:Status-Status}' "libgstreamer-plugins-base1.0-dev:$ARCH" 2>/dev/null | grep -qx installed \
        || echo "apt-get install libgstreamer1.0-dev:$ARCH libgstreamer-plugins-base1.0-dev:$ARCH"
    [ -d "$(rustc --print sysroot)/lib/rustlib/$TARGET" ] || echo "rustup target add $TARGET"
}

# The program into PROGRAM, and into HELPER one that runs here and prints manual and completions.
build() {
    if [ -n "${BINARY:-}" ]; then
        [ -x "$BINARY" ] || die "BINARY: \`$BINARY\` is no program"
        PROGRAM=$BINARY
    elif [ "$ARCH" = "$HOST" ]; then
        cargo build --release --locked
        PROGRAM=target/release/eyewitness
    else
        local lacking
        lacking=$(missing)
        if [ -n "$lacking" ]; then
            mapfile -t lacking <<<"$lacking"
            die "this $HOST machine cannot build for $ARCH" \
                "on a machine with $ARCH, \`make deb\` builds the package without any of this" \
                "or, for a cross build here:" "${lacking[@]/#/  }"
        fi
        export PKG_CONFIG_ALLOW_CROSS=1 PKG_CONFIG_LIBDIR="/usr/lib/$TRIPLE/pkgconfig:/usr/share/pkgconfig"
        export "CARGO_TARGET_$(tr 'a-z-' 'A-Z_' <<<"$TARGET")_LINKER=$TRIPLE-gcc" "CC_${TARGET//-/_}=$TRIPLE-gcc"
        cargo build --release --locked --target "$TARGET"
        PROGRAM=target/$TARGET/release/eyewitness
    fi
    if [ "$ARCH" = "$HOST" ]; then
        HELPER=$PROGRAM
    else
        # Its words are the same on every architecture.
        cargo build --locked
        HELPER=target/debug/eyewitness
    fi
}

# lay MODE SOURCE TARGET: one file of the package.
lay() { install -D -m "$1" "$2" "$ROOT/$3"; }
# pack TARGET: stdin, compressed without time and name.
pack() { mkdir -p "$ROOT/$(dirname "$1")"; gzip -9n >"$ROOT/$1"; }

fill() {
    lay 755 "$PROGRAM" usr/bin/eyewitness
    # Its symbols serve nobody where cores are off (see the unit) and backtraces are not printed.
    local strip=strip
    [ "$ARCH" = "$HOST" ] || strip=$TRIPLE-strip
    "$strip" --strip-unneeded --remove-section=.comment --remove-section=.note "$ROOT/usr/bin/eyewitness"
    lay 644 "$RUNTIME/libonnxruntime.so" usr/lib/eyewitness/libonnxruntime.so

    local file
    for file in README.md chat_template.jinja config.json generation_config.json preprocessor_config.json \
        processor_config.json special_tokens_map.json tokenizer.json tokenizer_config.json onnx/{decoder_model_merged,embed_tokens,vision_encoder}_quantized.onnx; do
        lay 644 "models/tiny/$file" "usr/share/eyewitness/models/tiny/$file"
    done
    # Without the pictures of the tests, which are not needed to run it.
    grep -v /fixtures/ models/tiny/SHA256SUMS >"$ROOT/usr/share/eyewitness/models/tiny/SHA256SUMS"

    lay 640 config/eyewitness.toml etc/eyewitness/eyewitness.toml
    lay 600 packaging/debian/environment etc/eyewitness/environment
    install -d -m 700 "$ROOT/etc/eyewitness/credentials"
    chmod 750 "$ROOT/etc/eyewitness"
    # The unit compares the config with this one.
    lay 644 config/eyewitness.toml usr/share/eyewitness/eyewitness.toml

    lay 644 systemd/eyewitness.service usr/lib/systemd/system/eyewitness.service
    lay 644 systemd/credentials.conf usr/lib/systemd/system/eyewitness.service.d/credentials.conf
    lay 644 systemd/jetson.conf usr/share/doc/eyewitness/examples/jetson.conf

    "$HELPER" man program | pack usr/share/man/man1/eyewitness.1.gz
    "$HELPER" man config | pack usr/share/man/man5/eyewitness.toml.5.gz
    local shell place
    for shell in bash:bash-completion/completions/eyewitness zsh:zsh/vendor-completions/_eyewitness fish:fish/vendor_completions.d/eyewitness.fish; do
        place=$ROOT/usr/share/${shell#*:}
        mkdir -p "$(dirname "$place")"
        "$HELPER" completions "${shell%%:*}" >"$place"
    done

    local doc=usr/share/doc/eyewitness
    lay 644 packaging/debian/copyright "$doc/copyright"
    ln -s ../../eyewitness/eyewitness.toml "$ROOT/$doc/eyewitness.toml"
    for file in install models mqtt replay troubleshooting; do lay 644 "docs/$file.md" "$doc/$file.md"; done
    pack "$doc/changelog.gz" <CHANGELOG.md
    {
        printf 'eyewitness (%s) stable; urgency=medium\n\n  * See changelog.gz for what has changed.\n\n -- %s  %s\n' \
            "$VERSION" "$MAINTAINER" "$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")"
    } | pack "$doc/changelog.Debian.gz"
    cargo metadata --format-version 1 --locked --filter-platform "$TARGET" \
        | python3 packaging/licences.py eyewitness | pack "$doc/third-party-licences.txt.gz"
    pack "$doc/onnxruntime-third-party-notices.txt.gz" <"$RUNTIME/ThirdPartyNotices.txt"
    lay 644 packaging/debian/lintian-overrides usr/share/lintian/overrides/eyewitness
}

# The packages whose libraries the program and the library are linked with.
libraries() {
    mkdir -p "$WORK/debian"
    printf 'Source: eyewitness\n\nPackage: eyewitness\nArchitecture: any\n' >"$WORK/debian/control"
    local program library
    program=$(realpath "$ROOT/usr/bin/eyewitness")
    library=$(realpath "$ROOT/usr/lib/eyewitness/libonnxruntime.so")
    # It warns that the package is not laid out as debhelper does.
    (cd "$WORK" && DEB_HOST_ARCH=$ARCH dpkg-shlibdeps -O "$program" "$library" 2>shlibdeps.log) | sed -n 's/^shlibs:Depends=//p' \
        || { cat "$WORK/shlibdeps.log" >&2; return 1; }
}

control() {
    local depends size
    depends=$(libraries)
    [ -n "$depends" ] || die "dpkg-shlibdeps found no dependency" "run it by hand on $ROOT/usr/bin/eyewitness"
    size=$(du -k -s --apparent-size "$ROOT" | cut -f1)
    install -d -m 755 "$ROOT/DEBIAN"
    sed -e "s|@VERSION@|$VERSION|" -e "s|@ARCH@|$ARCH|" -e "s|@MAINTAINER@|$MAINTAINER|" -e "s|@SIZE@|$size|" \
        -e "s|@SHLIBS@|$depends|" \
        packaging/debian/control.in >"$ROOT/DEBIAN/control"
    printf '/etc/eyewitness/%s\n' environment eyewitness.toml >"$ROOT/DEBIAN/conffiles"
    install -m 755 packaging/debian/{postinst,prerm,postrm} "$ROOT/DEBIAN/"
    (cd "$ROOT" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$ROOT/DEBIAN/md5sums"
}

build
RUNTIME_ARCH=$MACHINE scripts/setup.sh runtime
RUNTIME=.cache/onnxruntime
[ "$MACHINE" = "$(uname -m)" ] || RUNTIME=.cache/onnxruntime-$MACHINE

mkdir -p target/debian
WORK=$(mktemp -d target/debian/work.XXXXXX)
trap 'rm -rf "$WORK"' EXIT
ROOT=$WORK/root
mkdir -m 755 "$ROOT"
fill
control
find "$ROOT" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
OUT=target/debian/eyewitness_${VERSION}_$ARCH.deb
# xz, which every dpkg reads. It saves little on the model and much on the program and the library.
dpkg-deb --root-owner-group "-Z${COMPRESSION:-xz}" --build "$ROOT" "$OUT" >/dev/null
say "deb: $OUT, $(($(stat -c %s "$OUT") / 1048576)) MiB, SHA-256 $(sha256sum "$OUT" | cut -d' ' -f1)"
