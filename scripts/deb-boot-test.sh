#!/usr/bin/env bash
# Tests the service under a real systemd: a fresh Debian 12 in a folder is booted in namespaces (systemd-nspawn) with the package
# in it, without a network. Start, status, journal, secrets, reload, crash, wrong config, upgrade, stop, purge.
#
#   scripts/deb-boot-test.sh [PACKAGE]    default: what scripts/deb.sh builds (see there for BINARY)
set -euo pipefail
cd "$(dirname "$0")/.."
NAME=deb-boot-test
. scripts/deb-root.sh
needs debootstrap:debootstrap unshare:util-linux systemd-nspawn:systemd-container nsenter:util-linux
mkdir -p target/debian
WORK=$(mktemp -d)
MACHINE=
LEADER=
trap 'stop_machine; rm -rf "$WORK"' EXIT

stop_machine() {
    [ -n "$MACHINE" ] || return 0
    # With its first process everything in it ends, and nspawn clears up behind it.
    kill -KILL "${LEADER:-$MACHINE}" 2>/dev/null || true
    wait "$MACHINE" 2>/dev/null || true
    MACHINE=
}

if [ $# -gt 0 ]; then
    PACKAGE=$1
else
    scripts/deb.sh
    PACKAGE=$(ls -t target/debian/eyewitness_*_"$(dpkg --print-architecture)".deb | head -1)
fi
[ -f "$PACKAGE" ] || die "there is no package \`$PACKAGE\`"

fresh_root
cp "$PACKAGE" "$ROOT/root/eyewitness.deb"
quiet inside apt-get update
quiet inside apt-get install -y --no-install-recommends /root/eyewitness.deb
# Ten seconds between two tries are right for a service and long for a test.
mkdir -p "$ROOT/etc/systemd/system/eyewitness.service.d"
printf '[Service]\nRestartSec=1\n' >"$ROOT/etc/systemd/system/eyewitness.service.d/test.conf"

systemd-nspawn --quiet --directory="$ROOT" --register=no --keep-unit --private-network --link-journal=no --boot --console=pipe \
    </dev/null >"$WORK/console" 2>&1 &
MACHINE=$!
for _ in $(seq 100); do
    LEADER=$(pgrep -P "$MACHINE" | head -1) && [ -S "$ROOT/run/systemd/private" -o -n "$LEADER" ] && break
    sleep 0.1
done
[ -n "$LEADER" ] || { cat "$WORK/console" >&2; die "the folder could not be booted" "this needs root and the right to make namespaces and cgroups"; }
in_machine() {
    nsenter --target "$LEADER" --mount --uts --ipc --net --pid --cgroup /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive SYSTEMD_COLORS=0 SYSTEMD_PAGER=cat "$@"
}
for _ in $(seq 300); do
    state=$(in_machine systemctl is-system-running 2>/dev/null || true)
    case $state in running | degraded) break ;; esac
    sleep 0.2
done
case $state in running | degraded) ;; *) cat "$WORK/console" >&2; die "systemd did not come up in a minute: $state" ;; esac
echo "== booted: $(in_machine systemctl --version | head -1), $state"

ctl() { in_machine systemctl "$@"; }
property() { ctl show -P "$1" eyewitness; }
is() { local found; found=$(property "$1"); [ "$found" = "$2" ] || { echo "$1 is: $found"; ctl status --no-pager eyewitness || true; return 1; }; }
journal() { in_machine journalctl --no-pager -u eyewitness "$@"; }
# soon COMMAND...: within 30 s.
soon() {
    local until=$((SECONDS + 30))
    while [ "$SECONDS" -lt "$until" ]; do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.2
    done
    "$@"
}
config() { cat >"$ROOT/etc/eyewitness/eyewitness.toml"; }
camera='[[camera]]
id = "yard"
url = "test://ball"
[camera.gate]
budget = "60/min"'
has_entries() { [ -n "$(journal -q -o cat "$@")" ]; }
# An event with words of the model has their confidence as a field.
described() { journal -q -o json | grep -q '_CONFIDENCE"'; }
logged() { local words=$1; shift; journal "$@" | grep -qF -- "$words"; }
not() { ! "$@"; }
other_process() { local now; now=$(property MainPID); [ "$now" != 0 ] && [ "$now" != "$1" ] && is ActiveState active; }
milliseconds() { echo $((($(property "$2") - $(property "$1")) / 1000)); }

status_says() { ctl status --no-pager eyewitness | grep -qF -- "$1"; }
shut_in() { # PID
    local found
    found=$(in_machine grep -cE '^(NoNewPrivs:\s1|Seccomp:\s2|CapBnd:\s0+|CapEff:\s0+)$' "/proc/$1/status")
    [ "$found" -eq 4 ] || { in_machine cat "/proc/$1/status"; return 1; }
}
state_is_own() {
    local found
    found=$(in_machine stat -c '%U %a' /var/lib/eyewitness /var/cache/eyewitness | sort -u)
    [ "$found" = "eyewitness 700" ] || { echo "$found"; return 1; }
}

echo "== the config is still the example"
check "the start is skipped without a failure" ctl start eyewitness
check "nothing runs" is ActiveState inactive
check "nothing has failed" not ctl is-failed eyewitness
check "the journal says why" logged "still the example"

echo "== a camera"
config <<<"$camera"
check "it starts" ctl start eyewitness
check "it runs" is ActiveState active
echo "        systemctl start to READY: $(milliseconds InactiveExitTimestampMonotonic ActiveEnterTimestampMonotonic) ms; of that run: $(milliseconds ExecMainStartTimestampMonotonic ActiveEnterTimestampMonotonic) ms"
check "status in words" soon status_says "1 of 1 camera online"
check "it sees and describes, with GStreamer and ONNX Runtime in the sandbox" soon described
check "the watchdog is fed" not is WatchdogTimestampMonotonic 0
check "journal: the field EYEWITNESS_CAMERA" soon has_entries EYEWITNESS_CAMERA=yard
check "journal: nothing was refused" not logged "Operation not permitted"
main=$(property MainPID)
check "no privileges, no capabilities, filtered calls" shut_in "$main"
check "its files are its own" state_is_own
check "ONNX Runtime leaves no identifier and no reports" not in_machine test -e /var/cache/eyewitness/Microsoft
echo "        resident $(($(in_machine awk '/^VmRSS/ { print $2 }' "/proc/$main/status") / 1024)) MiB, threads $(in_machine awk '/^Threads/ { print $2 }' "/proc/$main/status")"

echo "== reload"
config <<<"$camera
fps = \"many\""
check "a wrong config makes the reload fail" not ctl reload eyewitness
check "the journal says why" logged '`fps`'
check "the daemon goes on" is MainPID "$main"
check "and is active" is ActiveState active
config <<<"$camera
[[camera]]
id = \"gate\"
url = \"test://ball\""
check "a right one is taken" ctl reload eyewitness
check "by the same process" is MainPID "$main"
check "the new camera is there" soon logged gate
check "it is active again" soon is ActiveState active

echo "== crash"
main=$(property MainPID)
ctl kill --signal=KILL --kill-whom=main eyewitness
check "it comes back after SIGKILL" soon other_process "$main"

echo "== secrets"
mqtt='[mqtt]
url = "mqtt://127.0.0.1:1"
username = "eyewitness"
password_file = "/run/credentials/eyewitness.service/secret_mqtt"'
config <<<"$mqtt
$camera"
install -m 600 /dev/stdin "$ROOT/etc/eyewitness/credentials/mqtt" <<<hush-hush
check "a file in the folder is a credential" ctl restart eyewitness
check "the password is in no process's arguments or environment" not in_machine grep -aq hush-hush "/proc/$(property MainPID)/environ" "/proc/$(property MainPID)/cmdline"
rm "$ROOT/etc/eyewitness/credentials/mqtt"
check "without the file the start fails" not ctl restart eyewitness
check "and says which" logged "secret_mqtt"
sleep 3
check "and is not tried again" is NRestarts 0
check "it has failed, by the check" is Result exit-code

echo "== a wrong config without the check before"
printf '[Service]\nExecStartPre=\n' >"$ROOT/etc/systemd/system/eyewitness.service.d/no-check.conf"
ctl daemon-reload
config <<<"nonsense"
check "the start fails" not ctl restart eyewitness
sleep 3
check "and is not tried again" is NRestarts 0
check "exit status 78" is ExecMainStatus 78
rm "$ROOT/etc/systemd/system/eyewitness.service.d/no-check.conf"
ctl daemon-reload

echo "== stop"
config <<<"$camera"
check "it starts again" ctl start eyewitness
stopping=$(date +%s%3N)
check "it stops" ctl stop eyewitness
echo "        stop: $(($(date +%s%3N) - stopping)) ms"
check "cleanly" is Result success

echo "== install and purge while it runs"
check "it starts" ctl start eyewitness
main=$(property MainPID)
check "the package is installed over it" in_machine dpkg -i --force-confold /root/eyewitness.deb
check "and the service restarted" soon other_process "$main"
check "purged" in_machine apt-get purge -y eyewitness
check "nothing runs" not in_machine pgrep -x eyewitness

stop_machine
rm -rf --one-file-system "$ROOT"
summary
