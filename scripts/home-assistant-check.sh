#!/usr/bin/env bash
# Checks what Home Assistant makes of us, against a real one: installs it into a Debian 13 in a folder (it wants Python 3.13),
# gives it a broker, runs the daemon on clips as cameras, and looks at what it shows.
#
#   scripts/home-assistant-check.sh              all checks (scripts/home_assistant/check.py)
#   scripts/home-assistant-check.sh --pictures   makes the pictures of docs/home-assistant.md instead (needs chromium)
#
# EYEWITNESS_CLIPS     the folder with the recorded clips
# EYEWITNESS_BINARY    the daemon; default: target/release/eyewitness
# HOME_ASSISTANT       the folder it is installed into, once (1.5 GB); default: target/home-assistant
# MIRROR               where Debian comes from; default: where this machine's packages come from
set -euo pipefail
cd "$(dirname "$0")/.."
VERSION=2026.2.3
FOLDER=${HOME_ASSISTANT:-target/home-assistant}
ROOT=$FOLDER/root
# What the check needs Home Assistant to do; what else it needs follows from their manifests.
INTEGRATIONS="mqtt frontend automation script persistent_notification config history logbook recorder system_log logger"
# Its pages ask for the services of all of these, whether they are used or not.
PAGES="ai_task alarm_control_panel assist_satellite calendar camera climate cover fan humidifier light lock media_player notify
    remote siren todo update vacuum water_heater"

say() { printf 'home-assistant-check: %s\n' "$*" >&2; }
die() { say "$1"; shift; for line in "$@"; do printf '  help: %s\n' "$line" >&2; done; exit 1; }
# quiet WORDS COMMAND...: its output is shown only if it fails.
quiet() {
    local words=$1 log=$FOLDER/install.log
    shift
    "$@" >"$log" 2>&1 || { tail -20 "$log" >&2; die "$words failed"; }
}

[ "$(id -u)" -eq 0 ] || die "this installs packages into a folder and needs root" "sudo -E $0"
for tool in debootstrap:debootstrap unshare:util-linux mosquitto:mosquitto python3:python3; do
    command -v "${tool%:*}" >/dev/null || die "\`${tool%:*}\` is missing" "apt-get install ${tool#*:}"
done
[ -f "${EYEWITNESS_CLIPS:-}/car-detection.mp4" ] || die "EYEWITNESS_CLIPS names no folder with the recorded clips"

# inside COMMAND...: in the root, with namespaces of its own, so that nothing stays mounted and nothing goes on running.
inside() {
    unshare --mount --pid --fork --kill-child bash -c '
        set -e
        root=$1; shift
        mount -t proc proc "$root/proc"
        mount --bind /dev "$root/dev"
        exec chroot "$root" /usr/bin/env -i PATH=/opt/home-assistant/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
            PIP_CERT=/etc/ssl/certs/ca-certificates.crt "$@"
    ' inside "$ROOT" "$@"
}

# What pip is told on this machine about where packages are, but no paths: they are not there inside.
pip_settings() {
    local name
    for name in PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_TRUSTED_HOST PIP_DEFAULT_TIMEOUT http_proxy https_proxy no_proxy; do
        [ -z "${!name:-}" ] || printf '%s=%s\n' "$name" "${!name}"
    done
}

install() {
    local mirror=${MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 2>/dev/null | head -1)}
    local settings
    mapfile -t settings < <(pip_settings)
    say "installing Home Assistant $VERSION into $FOLDER (a few minutes and 1.5 GB, once)"
    rm -rf --one-file-system "$ROOT" "$FOLDER/python"
    mkdir -p "$ROOT"
    quiet "debootstrap" debootstrap --variant=minbase --include=python3-venv,python3-dev,g++,ca-certificates,tzdata,libturbojpeg0 \
        trixie "$ROOT" ${mirror:+"$mirror"}
    cp /etc/resolv.conf "$ROOT/etc/resolv.conf"
    # Whom this machine trusts is trusted inside, too.
    cp /etc/ssl/certs/ca-certificates.crt "$ROOT/etc/ssl/certs/ca-certificates.crt"
    quiet "making its Python" inside python3 -m venv /opt/home-assistant
    quiet "installing Home Assistant" inside env "${settings[@]}" pip install "homeassistant==$VERSION"
    # Otherwise it would fetch these by itself at its first start.
    cp scripts/home_assistant/requirements.py "$ROOT/root/requirements.py"
    # shellcheck disable=SC2086
    inside python /root/requirements.py $INTEGRATIONS $PAGES >"$ROOT/root/requirements.txt"
    quiet "installing what it needs" inside env "${settings[@]}" pip install -r /root/requirements.txt
    quiet "installing what the check needs" python3 -m pip install --disable-pip-version-check --target "$FOLDER/python" \
        aiohttp==3.13.3 paho-mqtt==2.1.0
    touch "$FOLDER/.made-$VERSION"
}

mkdir -p "$FOLDER"
[ -e "$FOLDER/.made-$VERSION" ] || install

WHAT=check
[ "${1:-}" != --pictures ] || { WHAT=pictures; shift; }
export HOME_ASSISTANT_ROOT=$ROOT EYEWITNESS_BINARY=${EYEWITNESS_BINARY:-$PWD/target/release/eyewitness}
PYTHONPATH=$FOLDER/python exec python3 "scripts/home_assistant/$WHAT.py" "$@"
