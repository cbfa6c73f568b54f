#!/usr/bin/env python3
"""Time to the first token of Eyewitness and of its peers: same weights, same 1080p picture, same question, same number of threads, in
turns in one run.

    make bench-peers ARGS="--model DIR"      (installs the peers into .cache/peers, builds, runs this)

DIR is a set like the published SmolVLM-256M-Instruct: the JSON files, model.safetensors, onnx/*.onnx. Every peer loads its model
once in a process of its own and describes the picture when it is its turn; nothing else of the comparison runs then. What counts
is from the picture in memory (1080p: NV12 for Eyewitness, which is what cameras give; RGB for the others) to the id of the first token,
with the peer's own picture work and prompt. A bare loop gets ready tensors. Medians of each turn; ratios are medians of the turns' ratios.
A peer that cannot be measured is named with the reason.
"""
import argparse, json, os, pathlib, statistics, subprocess, sys, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "peers"))
import install
from ours import ROOT, build, ours, ours_cpu

HERE = install.HERE
# What ours may be at most, as a share of a peer's time. 1.0 says: not slower.
BOUNDS = {"transformers tiles": 1 / 40, "transformers one": 0.30, "llama.cpp one": 0.40, "usls one": 1.0}


class Peer:
    """A worker process (peers/worker.py) and what it has measured."""

    def __init__(self, name, cases, command, options):
        self.name, self.cases, self.runs, self.cpu = name, cases, options.runs, options.cpu
        self.log = install.CACHE / f"{name.replace(' ', '-')}.log"
        threads = {f"{library}_NUM_THREADS": str(options.threads) for library in ("OMP", "MKL", "OPENBLAS", "RAYON")}
        self.process = subprocess.Popen([*options.prefix, *map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        stderr=self.log.open("w"), env=install.environment() | threads)
        self.label = self.answer()["ready"]

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            said = [text for text in self.log.read_text(errors="replace").splitlines() if text.strip()]
            raise RuntimeError(f"{said[-1] if said else 'it ended without a word'} ({self.log})")
        return json.loads(line)

    def describe(self, case):
        """Seconds of each run of this turn. Many tiles take long enough to be measured once a turn."""
        runs, before = 1 if case == "tiles" else self.runs, self.spent()
        print(case, runs, file=self.process.stdin, flush=True)
        seconds = self.answer()["seconds"]
        return [(self.spent() - before) / runs] if self.cpu else seconds

    def spent(self):
        """Processor time of all its threads so far, seconds."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def picture():
    """The same as in benches/describe.rs: a fixture of the default model, blown up to what a camera sends."""
    path = install.CACHE / "picture.rgb"
    code = """
import sys, numpy as np, PIL.Image
small = np.asarray(PIL.Image.open(sys.argv[1]).convert("RGB"))
rows, columns = (np.arange(n) * m // n for n, m in zip((1080, 1920), small.shape))
open(sys.argv[2], "wb").write(small[rows][:, columns].tobytes())
"""
    subprocess.run([sys.executable, "-c", code, ROOT / "models/tiny/fixtures/chelsea.png", path], env=install.environment(), check=True)
    return path


def gguf(folder):
    """The set's weights in llama.cpp's format, Q8_0, written once by its own script."""
    weights = (folder / "model.safetensors").stat()
    target = install.CACHE / f"gguf/{folder.name}-{weights.st_size}-{weights.st_mtime_ns}"
    files = target / "model.gguf", target / "mmproj.gguf"
    run = "import os, runpy, sys; sys.setdlopenflags(os.RTLD_LAZY); sys.path.insert(0, sys.argv[1]); sys.argv = sys.argv[2:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    for file, options in zip(files, ([], ["--mmproj"])):
        if not file.exists():
            target.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(".part.gguf")
            script = install.LLAMA / "convert_hf_to_gguf.py"
            install.run(sys.executable, "-c", run, install.LLAMA, script, folder, *options, "--outtype", "q8_0", "--outfile", part, env=install.environment())
            part.rename(file)
    return files


def candidates(options):
    """(name, cases, what must be installed, function that makes the command)"""
    folder, image, threads, python = options.model, options.picture, options.threads, sys.executable

    def transformers():
        (folder / "model.safetensors").stat()
        return [python, HERE / "with_transformers.py", folder, image, threads]

    def usls(precision):
        from_suffixes = {"fp32": "", "int8": "_int8"}
        return [install.USLS, folder, from_suffixes.get(precision, f"_{precision}"), image, threads]

    yield "transformers", ["tiles", "one"], ["transformers"], transformers
    yield "llama.cpp", ["one"], ["llama_cpp", "transformers"], lambda: [python, HERE / "with_llama_cpp.py", *gguf(folder), image, threads]
    for precision in options.precision:
        yield f"usls {precision}", ["one"], ["usls", "onnxruntime"], lambda precision=precision: usls(precision)
    for precision in options.precision:
        bare = [HERE / "with_bare_loop.py", options.ours or folder, precision, threads]
        yield f"bare loop {precision}", ["one"], ["onnxruntime"], lambda bare=bare: [python, *bare]


def idle_share(seconds=1.0):
    """Of all cores, over so long."""
    read = lambda: [int(word) for word in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    before = read()
    time.sleep(seconds)
    spent = [after - before for after, before in zip(read(), before)]
    return (spent[3] + spent[4]) / max(1, sum(spent))


def await_quiet(seconds):
    """Until others leave the machine alone, for at most so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and idle_share() < 0.85:
        time.sleep(1)


def start(options, skipped):
    peers = []
    for name, cases, needs, command in candidates(options):
        if options.peers and not any(name.startswith(peer) for peer in options.peers):
            continue
        try:
            absent = next(filter(None, map(install.missing, needs)), None)
            if absent:
                raise RuntimeError(absent)
            peers.append(Peer(name, cases, command(), options))
            print(f"{name}: {peers[-1].label}", flush=True)
        except (RuntimeError, OSError) as error:
            skipped[name] = str(error)
    return peers


def measure(peers, options, skipped):
    """{row: [ms of each turn]}; the rows of ours are "ours PRECISION"."""
    times = {}
    add = lambda row, seconds: times.setdefault(row, []).append(1000 * statistics.median(seconds))
    for turn in range(options.turns):
        await_quiet(options.wait)
        for peer in peers:
            for case in peer.cases:
                add(f"{peer.name} {case}", peer.describe(case))
        for precision in options.precision:
            if (row := f"ours {precision}") in skipped:
                continue
            try:
                add(row, [our_first_token(options, precision) / 1000])
            except RuntimeError as error:
                skipped[row] = str(error)
        said = "  ".join(f"{row} {values[-1]:.0f}" for row, values in times.items() if len(values) == turn + 1)
        print(f"turn {turn + 1}, load {os.getloadavg()[0]:.1f}, ms: {said}", flush=True)
    return times


def our_first_token(options, precision):
    what = (options.ours or options.model, precision, options.threads)
    return ours_cpu(*what, options.prefix) if options.cpu else ours(*what, options.runs, options.prefix).first


def report(times, options):
    columns = [row for row in times if row.startswith("ours ")]
    clock = "processor time to it" if options.cpu else "median of turns"
    print(f"\n{f'first token, {clock}':35} {'ms':>9} {'least':>9}   " + "".join(f"{'/'.join((column, 'it')):>16}" for column in columns) + "   bound")
    for row, values in times.items():
        middle = statistics.median(values)
        ratios = {column: statistics.median(one / other for one, other in zip(times[column], values)) for column in columns}
        bound = next((bound for start, bound in BOUNDS.items() if row.split()[0] == start.split()[0] and row.split()[-1] == start.split()[-1]), None)
        cells = "".join(f"{ratio:>16.3f}" for ratio in ratios.values())
        verdict = ""
        if bound is not None and columns:
            # A peer that runs graphs of the set is held against ours with the same.
            same = [column for column in columns if column.split()[1] in row.split()] or columns
            kept = [column.removeprefix("ours ") for column in same if ratios[column] <= bound]
            verdict = f"{bound:.3f}: {'kept with ' + ', '.join(kept) if kept else 'NOT kept'}"
        name = row.replace(" tiles", ", 13 tiles").replace(" one", ", one tile")
        print(f"{name:35} {middle:9.1f} {min(values):9.1f}   {cells}   {verdict}")


def arguments():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--model", type=pathlib.Path, required=True, help="the set: weights for all")
    args.add_argument("--ours", type=pathlib.Path, help="another folder with graphs of the same weights for Eyewitness and the bare loop")
    args.add_argument("--precision", default="fp32,int8", type=lambda words: words.split(","), help="of ours, usls and the bare loop (default: fp32,int8)")
    args.add_argument("--peers", default="", type=lambda words: list(filter(None, words.split(","))), help="only these (transformers,llama.cpp,usls,bare)")
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--runs", type=int, default=3, help="of each in a turn")
    args.add_argument("--turns", type=int, default=5)
    args.add_argument("--wait", type=float, default=60, help="seconds, at most, that a turn waits for others to leave the machine alone (default: 60)")
    args.add_argument("--cpu", action="store_true", help="processor time instead of the clock's, for a machine that never falls quiet; with --threads 1, "
                                                         "since more threads spend it waiting for each other")
    args.add_argument("--json", type=pathlib.Path, help="write all figures there")
    options = args.parse_args()
    options.model = options.model.resolve()
    if not (options.model / "config.json").is_file():
        args.error(f"`{options.model}` has no config.json: --model wants a folder like the published SmolVLM-256M-Instruct")
    cores = sorted(os.sched_getaffinity(0))[:options.threads]
    options.prefix = ["taskset", "-c", ",".join(map(str, cores))]
    return options


def main():
    options = arguments()
    build()
    options.picture = picture()
    skipped = {}
    print(f"{options.model.name}, {options.threads} threads, {options.turns} turns of {options.runs} runs, load {os.getloadavg()[0]:.1f} before")
    if os.getloadavg()[0] > 0.5 * os.cpu_count():
        print("the machine is busy: peers whose threads wait for each other at every step lose more by that than Eyewitness does", flush=True)
    peers = start(options, skipped)
    times = measure(peers, options, skipped)
    for peer in peers:
        peer.close()
    report({row: values for row, values in times.items() if len(values) == options.turns}, options)
    for name, reason in skipped.items():
        print(f"skipped: {name}: {reason}")
    print("load averages over 1, 5 and 15 minutes at the end: {:.1f} {:.1f} {:.1f}".format(*os.getloadavg()))
    if options.json:
        options.json.write_text(json.dumps({"ms": times, "skipped": skipped, "threads": options.threads, "load": os.getloadavg()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
