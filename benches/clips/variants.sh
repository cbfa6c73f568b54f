#!/usr/bin/env bash
# Re-encodes the labelled clips the way cameras encode: several groups of pictures and frame rates, at night, large, and at a
# low bit rate. Writes the clips and a labels.json of the same form, so that whatever reads the one folder reads the other:
#
#   EYEWITNESS_CLIPS=DIR benches/clips/variants.sh OUTDIR
#   EYEWITNESS_CLIPS=OUTDIR cargo test --test clips every_visit_is_one_event -- --nocapture
#
# Needs gst-launch-1.0 with x264enc, and python3 with numpy for the night. What is there already is kept.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
from=${EYEWITNESS_CLIPS:?names the folder with labels.json and the clips}
to=${1:?usage: variants.sh OUTDIR}
mkdir -p "$to"

python3 -c 'import numpy' 2>/dev/null || { echo "variants: python3 has no numpy: python3 -m pip install numpy" >&2; exit 1; }

# encode IN OUT FPS GROUP_SECONDS KBITS WIDTH HEIGHT [night]
encode() {
    local in=$1 out=$2 fps=$3 group=$4 kbits=$5 width=$6 height=$7 night=${8:-}
    [ -s "$out" ] && return
    local raw="video/x-raw,format=I420,width=$width,height=$height,framerate=$fps/1"
    local decode=(filesrc "location=$in" ! decodebin ! videoconvert ! videoscale ! videorate ! "$raw")
    # Scene cuts would add keyframes that a camera does not send; cameras send no B-frames either, mostly.
    local encode=(x264enc speed-preset=veryfast "bitrate=$kbits" "key-int-max=$((fps * group))" bframes=0
        option-string=scenecut=0 ! h264parse ! mp4mux ! filesink "location=$out.part")
    if [ -n "$night" ]; then
        gst-launch-1.0 -q "${decode[@]}" ! fdsink fd=1 | python3 "$here/night.py" "$width" "$height" |
            gst-launch-1.0 -q fdsrc ! rawvideoparse format=i420 "width=$width" "height=$height" "framerate=$fps/1" ! "${encode[@]}"
    else
        gst-launch-1.0 -q "${decode[@]}" ! "${encode[@]}"
    fi
    mv "$out.part" "$out"
}

for clip in "$from"/*.mp4; do
    name=$(basename "$clip" .mp4)
    echo "variants: $name" >&2
    for fps in 5 12 25; do
        for group in 1 2 4 10; do
            encode "$clip" "$to/$name.${fps}fps.gop${group}s.mp4" "$fps" "$group" 1500 768 432
        done
    done
    encode "$clip" "$to/$name.12fps.night.mp4" 12 2 1500 768 432 night
    encode "$clip" "$to/$name.12fps.low-rate.mp4" 12 2 120 768 432
    encode "$clip" "$to/$name.12fps.night.low-rate.mp4" 12 4 200 768 432 night
    encode "$clip" "$to/$name.12fps.1080p.mp4" 12 2 6000 1920 1080
done

python3 - "$from/labels.json" "$to" <<'PYTHON'
import json, pathlib, sys
labels, folder = json.load(open(sys.argv[1])), pathlib.Path(sys.argv[2])
clips = {}
for path in sorted(folder.glob("*.mp4")):
    name, rate = path.name.split(".")[:2]
    label = dict(labels["clips"][name + ".mp4"])
    label["fps"] = int(rate.removesuffix("fps"))
    if "1080p" in path.name:
        label["size"] = [1920, 1080]
    clips[path.name] = label
json.dump({"about": labels["about"], "clips": clips}, open(folder / "labels.json", "w"), indent=2)
PYTHON
