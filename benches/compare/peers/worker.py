"""What the peers' processes have in common: load, say so, then describe on request. Requests are lines `CASE RUNS` on standard
input; answers are JSON lines on what was standard output (libraries that print to it print to standard error here)."""
import json, os, sys, time

SIZE = (1920, 1080)
PROMPT = "Describe the scene."


def serve(load):
    """`load()` returns a label and {case: function}, each of which goes from the picture to the first token's id."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(what):
        print(json.dumps(what), file=answers, flush=True)

    label, cases = load()
    answer({"ready": label})
    for line in sys.stdin:
        case, runs = line.split()
        seconds, token = [], None
        for _ in range(int(runs)):
            began = time.perf_counter()
            token = cases[case]()
            seconds.append(time.perf_counter() - began)
        answer({"seconds": seconds, "token": int(token)})


def pixels(path):
    """The picture as bytes, RGB, row by row."""
    with open(path, "rb") as file:
        data = file.read()
    assert len(data) == 3 * SIZE[0] * SIZE[1], f"{path} holds {len(data)} bytes"
    return data
