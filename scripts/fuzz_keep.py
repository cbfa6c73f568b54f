"""Adds to a fuzz target's corpus the inputs that reach most of what its files do not reach yet, per byte, up to a budget.

fuzz_keep.py BINARY CORPUS FOUND: the corpora are checked in and run with every `cargo test`, so they are small. What the fuzzer itself
goes on from (FOUND) is not kept.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# Of what was found, per target: with the examples, which have names, all corpora together stay below 300 KB.
MOST_BYTES = 12_000
MOST_FILES = 120
LONGEST = 2048


def reached(binary, files):
    """The edges that each file reaches, as libFuzzer's merge writes them down."""
    with tempfile.TemporaryDirectory() as folder:
        into, control = Path(folder, "into"), Path(folder, "control")
        into.mkdir()
        source = Path(folder, "source")
        source.mkdir()
        for number, file in enumerate(files):
            shutil.copy(file, source / f"{number:06}")
        command = [binary, "-merge=1", "-use_counters=0", f"-merge_control_file={control}", "-rss_limit_mb=1024", "-timeout=10"]
        subprocess.run([*command, into, source], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        lines = control.read_text().split("\n")
    count = int(lines[0])
    names = [Path(line).name for line in lines[2 : 2 + count]]
    edges = {}
    for line in lines[2 + count :]:
        kind, _, rest = line.partition(" ")
        if kind == "COV":
            index, *found = rest.split()
            edges[files[int(names[int(index)])]] = set(found)
    return edges


def main(binary, corpus, found):
    corpus = Path(corpus)
    kept = sorted(corpus.iterdir())
    fresh = sorted(file for file in Path(found).iterdir() if file.stat().st_size <= LONGEST)
    edges = reached(binary, kept + fresh)
    covered = set().union(*(edges.get(file, set()) for file in kept)) if kept else set()
    everything = set().union(*edges.values())
    earlier = [file for file in kept if re.fullmatch("[0-9a-f]{40}", file.name)]
    size, count = sum(file.stat().st_size for file in earlier), len(earlier)
    left = {file: edges[file] - covered for file in fresh if file in edges}
    while count < MOST_FILES:
        left = {file: new for file, new in left.items() if new and size + file.stat().st_size <= MOST_BYTES}
        if not left:
            break
        best = max(left, key=lambda file: len(left[file]) / (file.stat().st_size + 64))
        new = left.pop(best)
        shutil.copy(best, corpus / best.name)
        size, count, covered = size + best.stat().st_size, count + 1, covered | new
        left = {file: edges - new for file, edges in left.items()}
    files = list(corpus.iterdir())
    size = sum(file.stat().st_size for file in files)
    print(f"{corpus.name}: {len(files)} files, {size} bytes, {len(covered)} of {len(everything)} edges")


main(*sys.argv[1:])
