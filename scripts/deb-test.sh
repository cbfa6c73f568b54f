#!/usr/bin/env bash
# Tests the package in a fresh Debian 12 in a folder: installed with its dependencies, used, upgraded, removed, purged.
#
#   scripts/deb-test.sh [PACKAGE]         default: what scripts/deb.sh builds (see there for BINARY)
#   MIRROR=URL scripts/deb-test.sh        a Debian mirror nearer to you
set -euo pipefail
cd "$(dirname "$0")/.."
NAME=deb-test
. scripts/deb-root.sh
needs debootstrap:debootstrap unshare:util-linux dpkg-deb:dpkg
mkdir -p target/debian
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

# The package, and the same with a higher version and another example config.
if [ $# -gt 0 ]; then
    FIRST=$1
else
    scripts/deb.sh
    FIRST=$(ls -t target/debian/eyewitness_*_"$(dpkg --print-architecture)".deb | head -1)
fi
[ -f "$FIRST" ] || die "there is no package \`$FIRST\`"
NEXT=$WORK/next.deb
quiet dpkg-deb -R "$FIRST" "$WORK/next"
sed -i 's/^Version: .*/&+next1/' "$WORK/next/DEBIAN/control"
for file in etc/eyewitness/eyewitness.toml usr/share/eyewitness/eyewitness.toml; do
    sed -i '1s/$/ (next)/' "$WORK/next/$file"
done
quiet dpkg-deb --root-owner-group -Zgzip -z1 --build "$WORK/next" "$NEXT"

fresh_root
quiet inside apt-get update
# All but the package, so that what it leaves behind can be told.
needed=$(dpkg-deb -f "$FIRST" Depends Recommends | sed 's/^[A-Za-z]*: //' | paste -sd,)
quiet inside apt-get satisfy -y --no-install-recommends "$needed"
quiet inside mandb -q

# Everything but logs, caches, the package manager's own records, and what adduser keeps of the day before.
files() {
    (cd "$ROOT" && find . -xdev \( -path ./proc -o -path ./dev -o -path ./var/log -o -path ./var/cache -o -path ./var/lib/dpkg -o -path ./tmp -o -path ./run \
        -o -path ./var/lib/apt -o -path ./var/lib/systemd/deb-systemd-helper-enabled \) -prune -o -printf '%p %y %u:%g %m %l\n' \
        | grep -vE '^\./etc/(passwd|group|shadow|gshadow|subuid|subgid)- |^\./(var|tmp|root|etc|run)(/lib)? d ' | LC_ALL=C sort)
    sha256sum "$ROOT"/etc/{passwd,group,shadow,gshadow}
}
files >"$WORK/before"

cp "$FIRST" "$ROOT/tmp/first.deb"
cp "$NEXT" "$ROOT/tmp/next.deb"
cp models/tiny/fixtures/chelsea.png "$ROOT/tmp/cat.png"

# has_inside PATH TYPE OWNER MODE
has_inside() {
    local found
    found=$(inside stat -c '%F %U:%G %a' "/$1" | sed 's/regular empty file/regular file/')
    [ "$found" = "$2 $3 $4" ] || { echo "it is: $found"; return 1; }
}
says() { # WORDS COMMAND...
    local words=$1 said
    shift
    said=$("$@" 2>&1) || { echo "$said"; return 1; }
    grep -qF -- "$words" <<<"$said" || { echo "\`$words\` is not in: $said"; return 1; }
}
fails_with() { # STATUS WORDS COMMAND...
    local status=$1 words=$2 said code=0
    shift 2
    said=$("$@" 2>&1) || code=$?
    [ "$code" -eq "$status" ] && grep -qF -- "$words" <<<"$said" || { echo "status $code: $said"; return 1; }
}
not() { ! "$@"; }
silent() { # COMMAND...: succeeds without a word
    local said
    said=$("$@" 2>&1 >/dev/null) && [ -z "$said" ] || { echo "$said"; return 1; }
}
unit_is_understood() {
    local said
    said=$(inside systemd-analyze verify eyewitness.service 2>&1) || { echo "$said"; return 1; }
    # The only thing that is said of it, by systemd before 253.
    said=$(grep eyewitness <<<"$said" | grep -v 'Failed to parse service type, ignoring: notify-reload' || true)
    [ -z "$said" ] || { echo "$said"; return 1; }
}
gone() { local path; for path in "$@"; do [ ! -e "$ROOT/$path" ] || { ls -la "$ROOT/$path"; return 1; }; done; }

echo "== install"
check "apt installs it" inside apt-get install -y --no-install-recommends /tmp/first.deb
check "--version" says "eyewitness $(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)" inside eyewitness --version
check "man eyewitness, man eyewitness.toml" says eyewitness.1 inside man -w eyewitness
check "the page of the config is found" says eyewitness.toml.5 inside man -w 5 eyewitness.toml
check "man renders both without warnings" silent inside man --warnings eyewitness eyewitness.toml
check "completions are where shells look" inside test -s /usr/share/bash-completion/completions/eyewitness -a -s /usr/share/zsh/vendor-completions/_eyewitness -a -s /usr/share/fish/vendor_completions.d/eyewitness.fish
check "bash reads its completion" inside bash -nc '. /usr/share/bash-completion/completions/eyewitness'
check "the user exists, without a shell" says /usr/sbin/nologin inside getent passwd eyewitness
check "the user is in group video" says video inside id -Gn eyewitness
check "config: root:eyewitness 0640" has_inside etc/eyewitness/eyewitness.toml "regular file" root:eyewitness 640
check "config folder: root:eyewitness 0750" has_inside etc/eyewitness directory root:eyewitness 750
check "environment: root 0600" has_inside etc/eyewitness/environment "regular file" root:root 600
check "credentials: root 0700" has_inside etc/eyewitness/credentials directory root:root 700
check "state: eyewitness 0700" has_inside var/lib/eyewitness directory eyewitness:eyewitness 700
check "cache: eyewitness 0700" has_inside var/cache/eyewitness directory eyewitness:eyewitness 700
check "program: root 0755" has_inside usr/bin/eyewitness "regular file" root:root 755
check "the unit is enabled" says enabled inside systemctl is-enabled eyewitness.service
check "systemd understands the unit" unit_is_understood
check "its exposure is at most 2.0" inside systemd-analyze security --offline=true --threshold=20 eyewitness.service
check "the config as installed is refused by name, not started blindly" fails_with 78 FRONT_DOOR inside eyewitness check
check "with its variable it is right" says "ok      model: tiny" inside env FRONT_DOOR=x eyewitness check -c /etc/eyewitness/eyewitness.toml
check "secrets have the names that systemd gives them" inside grep -q '/run/credentials/eyewitness.service/secret_mqtt' /etc/eyewitness/eyewitness.toml
check "describe, with the library and the model of the package" says cat inside env FRONT_DOOR=x eyewitness describe /tmp/cat.png
printf '[[camera]]\nid = "yard"\nurl = "test://"\n' >"$ROOT/tmp/yard.toml"
check "the library is the package's" says "library=/usr/lib/eyewitness/libonnxruntime.so" inside sh -c 'timeout 5 eyewitness run -c /tmp/yard.toml || true'
check "ONNX Runtime leaves no identifier and no reports" not test -e "$ROOT/tmp/home/.cache/Microsoft"
check "the service's user may read the config and nothing of the secrets" inside setpriv --reuid eyewitness --regid eyewitness --clear-groups sh -c 'cat /etc/eyewitness/eyewitness.toml >/dev/null && ! cat /etc/eyewitness/environment 2>/dev/null && ! ls /etc/eyewitness/credentials 2>/dev/null'

echo "== upgrade, with a changed config"
# At a terminal dpkg asks; this is the answer that it proposes.
keep="-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold"
printf '[[camera]]\nid = "yard"\nurl = "test://"\n' >"$ROOT/etc/eyewitness/eyewitness.toml"
cp "$ROOT/etc/eyewitness/eyewitness.toml" "$WORK/mine.toml"
echo kept >"$ROOT/var/lib/eyewitness/state"
check "apt upgrades it" inside apt-get install -y --no-install-recommends $keep /tmp/next.deb
check "the new version is there" says +next1 inside dpkg-query -W -f='${Version}' eyewitness
check "the changed config was kept" cmp "$WORK/mine.toml" "$ROOT/etc/eyewitness/eyewitness.toml"
check "the new example lies beside it" grep -q '(next)' "$ROOT/etc/eyewitness/eyewitness.toml.dpkg-dist"
check "its owner and mode too" has_inside etc/eyewitness/eyewitness.toml "regular file" root:eyewitness 640
check "it is right" says "1 camera" inside eyewitness check
check "the unit is still enabled" says enabled inside systemctl is-enabled eyewitness.service

echo "== remove"
check "apt removes it" inside apt-get remove -y eyewitness
check "program, library, model and unit are gone" gone usr/bin/eyewitness usr/lib/eyewitness usr/share/eyewitness usr/lib/systemd/system/eyewitness.service usr/lib/systemd/system/eyewitness.service.d
check "the config stays" cmp "$WORK/mine.toml" "$ROOT/etc/eyewitness/eyewitness.toml"
check "the state stays" grep -q kept "$ROOT/var/lib/eyewitness/state"
check "the user stays" inside getent passwd eyewitness

echo "== install again, remove again, purge"
check "apt installs it again" inside apt-get install -y --no-install-recommends $keep /tmp/next.deb
check "with the config of before" cmp "$WORK/mine.toml" "$ROOT/etc/eyewitness/eyewitness.toml"
check "and enabled" says enabled inside systemctl is-enabled eyewitness.service
check "apt purges it" inside apt-get purge -y eyewitness
files >"$WORK/after"
check "nothing is left" diff "$WORK/before" "$WORK/after"
check "not even the user" not inside getent passwd eyewitness

rm -rf --one-file-system "$ROOT"
summary
