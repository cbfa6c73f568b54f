#!/usr/bin/env python3
"""Installs Eyewitness's peers from their registries into .cache/peers: what is pinned here, and nothing twice. A peer that cannot
be installed is left out, with the reason in .cache/peers/NAME.missing. Wants a C++ compiler, binutils, cargo and about 4 GB.

    install.py [transformers|llama_cpp|usls|onnxruntime ...]
"""
import os, pathlib, re, shutil, subprocess, sys, tarfile, tempfile

HERE = pathlib.Path(__file__).resolve().parent
CACHE = HERE.parents[2] / ".cache/peers"
PYTHON = CACHE / "python"
LLAMA = CACHE / "llama.cpp"
USLS = CACHE / "with-usls"

EVERYBODY = ["numpy==2.2.6", "pillow==13.0.0"]
TRANSFORMERS = ["transformers==4.57.6", "sentencepiece==0.2.3", "filelock", "typing-extensions", "sympy", "networkx", "jinja2", "fsspec", "setuptools"]
# Of CUDA's ten libraries, 2 GB, the two small ones that are called at the start; see `stand_ins`.
TORCH = ["torch==2.15.0", "nvidia-cuda-runtime==13.2.86", "nvidia-cuda-cupti==13.2.86"]
LLAMA_CPP = "llama_cpp_python==0.3.36"
ONNXRUNTIME = "onnxruntime==1.32.0"


def say(text):
    print(f"bench-peers: {text}", file=sys.stderr, flush=True)


def run(*command, **options):
    """Builds are polite: they run at nice 10. What a failing command said is in the error."""
    done = subprocess.run(["nice", "-n", "10", *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"`{' '.join(map(str, command))}` failed:\n{done.stdout.strip()[-2000:]}")


def pip(*words, **options):
    run(sys.executable, "-m", "pip", *words, "--quiet", "--disable-pip-version-check", **options)


def packages(*words):
    pip("install", "--target", PYTHON, "--upgrade", *words)


def transformers():
    say("fetching transformers and torch (0.5 GB, 1.3 GB unpacked)")
    packages(*EVERYBODY, *TRANSFORMERS)
    packages("--no-deps", *TORCH)
    stand_ins(PYTHON / "torch/lib")
    run(sys.executable, "-c", "import os, sys; sys.setdlopenflags(os.RTLD_LAZY); import torch; torch.zeros(2) @ torch.zeros(2)", env=environment())


def stand_ins(folder):
    """torch's libraries want CUDA's to be there, and on a CPU never call them: where one is missing, an empty library of its name
    will do, if functions are looked up when they are called first (RTLD_LAZY, see with_transformers.py)."""
    libraries = sorted(folder.glob("*.so"))
    wanted = {name for file in libraries for name in re.findall(r"NEEDED.*\[(.+)\]", read("readelf", "-d", file))}
    there = {file.name for file in PYTHON.rglob("*.so*")}
    for name in sorted(wanted - there):
        if re.match(r"lib(cu|nccl|nv)", name) and name != "libcuda.so.1":
            with tempfile.TemporaryDirectory() as scratch:
                compile_stand_in(folder / name, pathlib.Path(scratch), libraries)


def compile_stand_in(target, scratch, libraries):
    source, options = "", []
    if target.name.startswith("libnvshmem_host"):
        # One whose variables are wanted at once, with their version.
        names = {name for file in libraries for name in re.findall(r" U (nvshmem\w+)@NVSHMEM\n", read("nm", "-D", "--undefined-only", file))}
        source = "".join(f"char {name}[64];\n" for name in sorted(names))
        (scratch / "versions").write_text("NVSHMEM { global: *; };\n")
        options = [f"-Wl,--version-script={scratch / 'versions'}"]
    (scratch / "empty.c").write_text(source)
    run("cc", "-shared", "-fPIC", "-o", target, f"-Wl,-soname,{target.name}", *options, scratch / "empty.c")


def read(*command):
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout


def llama_cpp():
    say("fetching and compiling llama.cpp from the source package of llama-cpp-python (5 to 15 minutes)")
    packages(*EVERYBODY, "diskcache", "jinja2", "typing-extensions")
    with tempfile.TemporaryDirectory() as scratch:
        pip("download", "--no-deps", "--no-binary", "llama-cpp-python", "--dest", scratch, LLAMA_CPP)
        [source] = pathlib.Path(scratch).glob("*.tar.gz")
        parallel = {"CMAKE_BUILD_PARALLEL_LEVEL": str(len(os.sched_getaffinity(0)))}
        pip("install", "--no-deps", "--target", PYTHON, "--upgrade", source, env=os.environ | parallel)
        shutil.rmtree(LLAMA, ignore_errors=True)
        unpack_converter(source)


def unpack_converter(source):
    """What turns safetensors into llama.cpp's own format: convert_hf_to_gguf.py and what it imports."""
    inside = re.compile(r"[^/]+/vendor/llama\.cpp/((?:convert_hf_to_gguf\.py|conversion/|gguf-py/gguf/).*)")
    with tarfile.open(source) as archive:
        for member in archive:
            if (match := inside.fullmatch(member.name)) and member.isfile():
                file = LLAMA / match[1]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(archive.extractfile(member).read())


def usls():
    say("fetching and compiling usls (5 to 10 minutes)")
    target = CACHE / "usls-target"
    run("cargo", "build", "--release", "--manifest-path", HERE / "usls/Cargo.toml", "--target-dir", target, "--locked")
    shutil.copy(target / "release/with-usls", USLS)
    shutil.rmtree(target)


def onnxruntime():
    say("fetching onnxruntime (for a bare loop over a set's graphs)")
    packages(*EVERYBODY, ONNXRUNTIME)


PEERS = {peer.__name__: peer for peer in (transformers, llama_cpp, usls, onnxruntime)}


def environment():
    return os.environ | {"PYTHONPATH": str(PYTHON)}


def missing(name):
    """Why a peer is not there; None if it is."""
    if (CACHE / f"{name}.installed").exists():
        return None
    note = CACHE / f"{name}.missing"
    return note.read_text().strip() if note.exists() else "not installed (make bench-peers installs it)"


def install(name):
    stamp = CACHE / f"{name}.installed"
    # What is pinned here is what there is: another text of this file installs anew.
    if stamp.exists() and stamp.read_text() == pins(name):
        return
    stamp.unlink(missing_ok=True)
    note = CACHE / f"{name}.missing"
    note.unlink(missing_ok=True)
    try:
        PEERS[name]()
        stamp.write_text(pins(name))
    except (RuntimeError, OSError, ValueError) as error:
        say(f"{name} is left out: {error}")
        note.write_text(str(error))


def pins(name):
    known = {
        "transformers": [*EVERYBODY, *TRANSFORMERS, *TORCH],
        "llama_cpp": [*EVERYBODY, LLAMA_CPP],
        "usls": [(HERE / "usls/Cargo.lock").read_text(), (HERE / "usls/src/main.rs").read_text()],
        "onnxruntime": [*EVERYBODY, ONNXRUNTIME],
    }
    return "\n".join(known[name])


def main():
    names = sys.argv[1:] or list(PEERS)
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        sys.exit(f"bench-peers: unknown peer `{unknown[0]}`; there are {', '.join(PEERS)}")
    CACHE.mkdir(parents=True, exist_ok=True)
    for name in names:
        install(name)


if __name__ == "__main__":
    main()
