"""The three sessions of a set in a loop with nothing else (see ../bare_loop.py).
    with_bare_loop.py SET PRECISION THREADS"""
import pathlib, sys

import worker

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))


def load():
    folder, precision, threads = sys.argv[1:]
    import bare_loop

    loop = bare_loop.BareLoop(pathlib.Path(folder), precision, int(threads))

    def first_token():
        loop.describe(1)
        return 0

    first_token()
    return f"bare loop in Python, onnxruntime {bare_loop.ort.__version__}, {precision}, no picture work", {"one": first_token}


worker.serve(load)
