"""Eyewitness's own side of the comparisons: the one place that knows which command measures it."""
import collections, os, pathlib, re, resource, subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Where `make` has it, unless something else is said.
os.environ.setdefault("ORT_DYLIB_PATH", str(ROOT / ".cache/onnxruntime/libonnxruntime.so"))
Ours = collections.namedtuple("Ours", "first whole outside tokens most_tokens")


def ours(model, precision, threads, rounds, prefix=()):
    """Medians in ms of `rounds` descriptions of a 1080p NV12 picture in memory: to the first token, to the last, outside
    ONNX Runtime. `prefix` is put before the command, as in ("taskset", "-c", "0,1")."""
    command = ["cargo", "bench", "--locked", "--quiet", "--bench", "describe", "--", "--rounds", str(rounds)]
    command += ["--model", str(pathlib.Path(model).resolve()), "--precision", precision, "--threads", str(threads)]
    done = subprocess.run([*prefix, *command], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        said = re.findall(r"^Error: .+|^error.+", done.stderr, re.M) or [f"`{' '.join(command)}` ended with {done.returncode}"]
        raise RuntimeError(said[0])
    median = lambda name: float(re.search(rf"^{name} +median +([0-9.]+) ms", done.stdout, re.M)[1])
    tokens = int(re.search(r", (\d+) tokens$", done.stdout, re.M)[1])
    return Ours(median("first token"), median("whole description"), median("outside ONNX Runtime"), tokens, 48)


def ours_cpu(model, precision, threads, prefix=()):
    """Processor time in ms to the first token, of all threads: what six more descriptions cost a whole process, and of that
    the first token's share."""
    def spent(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        us = ours(model, precision, threads, rounds, prefix)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return us, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # Each warms up once, and then as often as it measures.
    (_, few), (us, many) = spent(1), spent(4)
    return 1000 * (many - few) / 6 * us.first / us.whole


def build():
    """Before anything is measured."""
    subprocess.run(["cargo", "bench", "--locked", "--quiet", "--bench", "describe", "--no-run"], cwd=ROOT, check=True)
