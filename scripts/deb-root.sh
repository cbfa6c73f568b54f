# Sourced by deb-test.sh and deb-boot-test.sh: a fresh Debian 12 in a folder, and words for what is checked in it.

ROOT=target/debian/root-$NAME
BASE=target/debian/base
ARCHIVES=${ARCHIVES:-target/debian/archives}
# Empty: where debootstrap fetches Debian from by itself.
MIRROR=${MIRROR:-}

say() { printf '%s\n' "$*" >&2; }
die() { say "$NAME: $1"; shift; for line in "$@"; do say "  help: $line"; done; exit 1; }

needs() {
    [ "$(id -u)" -eq 0 ] || die "this installs packages into a folder and needs root" "sudo $0"
    local tool
    for tool in "$@"; do
        command -v "${tool%:*}" >/dev/null || die "\`${tool%:*}\` is missing" "apt-get install ${tool#*:}"
    done
}

CHECKS=0
FAILURES=0
# check WORDS COMMAND...: whether the command succeeds.
check() {
    local words=$1
    shift
    CHECKS=$((CHECKS + 1))
    if "$@" >"$WORK/said" 2>&1; then
        printf 'ok      %s\n' "$words"
    else
        FAILURES=$((FAILURES + 1))
        printf 'failed  %s\n' "$words"
        sed 's/^/        /' "$WORK/said"
    fi
}
summary() {
    printf '%s checks, %s failed, %s s\n' "$CHECKS" "$FAILURES" "$SECONDS"
    [ "$FAILURES" -eq 0 ]
}

# A copy of a minimal Debian 12, which is made once and kept.
fresh_root() {
    if [ ! -e "$BASE/.made" ]; then
        say "$NAME: making a minimal Debian 12 in $BASE (90 MB${MIRROR:+ from $MIRROR}, once)"
        rm -rf "$BASE"
        mkdir -p "$BASE"
        debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,man-db,ca-certificates,adduser \
            bookworm "$BASE" ${MIRROR:+"$MIRROR"} >"$WORK/debootstrap" 2>&1 \
            || { tail -5 "$WORK/debootstrap" >&2; die "debootstrap failed" "is Debian's mirror reachable? MIRROR=... names another"; }
        touch "$BASE/.made"
    fi
    rm -rf --one-file-system "$ROOT"
    cp -a "$BASE" "$ROOT"
    mkdir -p "$ARCHIVES/partial"
    # Manual pages and documents are wanted here, and no service is to be started by packages.
    rm -f "$ROOT"/etc/dpkg/dpkg.cfg.d/*
    cp /etc/resolv.conf "$ROOT/etc/resolv.conf"
}

# inside COMMAND...: in the root, with namespaces of its own, so that nothing stays mounted.
inside() {
    unshare --mount --pid --fork --kill-child bash -c '
        set -e
        root=$1; shift
        mount -t proc proc "$root/proc"
        mount --bind /dev "$root/dev"
        mount --bind "$archives" "$root/var/cache/apt/archives"
        exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp/home LANG=C.UTF-8 \
            DEBIAN_FRONTEND=noninteractive http_proxy="${http_proxy:-}" "$@"
    ' inside "$ROOT" "$@"
}
export archives=$ARCHIVES

quiet() { "$@" >"$WORK/quiet" 2>&1 || { tail -20 "$WORK/quiet" >&2; die "\`$*\` failed"; }; }
