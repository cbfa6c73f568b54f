#!/usr/bin/env python3
"""The graphs of one set against those of another, on the processor, in turns: encode, prefill of 96 tokens, one token after 120.

    pip install numpy onnxruntime
    compare.py PUBLISHED/onnx FASTER/onnx [--precisions int8,q4] [--edges 512,384] [--threads 2] [--rounds 9]

Both folders hold vision_encoder, embed_tokens and decoder_model_merged with the published suffixes. What they compute is held
against the first folder's fp32 graphs (relative distance of the vectors). Milliseconds are medians: from start to end, the least
of these, and of the processor in all threads together, which a busy machine changes least.
"""
import argparse, pathlib, statistics, time
import numpy as np, onnxruntime as ort

FLOAT16 = "tensor(float16)"


class Graph:
    def __init__(self, path, threads):
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs = {i.name: i for i in self.session.get_inputs()}

    def feed(self, values):
        """What of `values` the graph takes, in its own float type."""
        cast = lambda name, value: value.astype(np.float16) if self.inputs[name].type == FLOAT16 else value
        return {name: cast(name, value) for name, value in values.items() if name in self.inputs}

    def first(self, feed):
        return self.session.run(None, feed)[0]


def picture(edge):
    y, x = np.mgrid[:edge, :edge].astype(np.float32)
    waves = [np.sin(0.02 * (c + 1) * x) * np.cos(0.013 * y) for c in range(3)]
    noise = np.random.default_rng(0).standard_normal((3, edge, edge), np.float32)
    pixels = (np.stack(waves) + 0.2 * noise).astype(np.float32)[None, None]
    return {"pixel_values": pixels, "pixel_attention_mask": np.ones((1, 1, edge, edge), bool)}


def sequence(graph, new, past):
    random = np.random.default_rng(1)
    normal = lambda *shape: random.standard_normal(shape, np.float32)
    hidden = graph.inputs["inputs_embeds"].shape[2]
    values = {"inputs_embeds": 0.04 * normal(1, new, hidden), "attention_mask": np.ones((1, new + past), np.int64),
              "position_ids": np.arange(past, past + new)[None]}
    for name, value in graph.inputs.items():
        if name.startswith("past_key_values"):
            values[name] = 0.5 * normal(1, value.shape[1], past, value.shape[3])
    return values


def turns(calls, rounds):
    """Median and least duration, and median processor time, in milliseconds."""
    times = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            began, used = time.perf_counter(), time.process_time()
            call()
            times[name].append((1000 * (time.perf_counter() - began), 1000 * (time.process_time() - used)))
    median = lambda pairs, i: statistics.median(pair[i] for pair in pairs)
    return {name: (median(taken, 0), min(taken)[0], median(taken, 1)) for name, taken in times.items()}


def compare(title, graphs, values, rounds, reference):
    feeds = {name: graph.feed(values) for name, graph in graphs.items()}
    off = {}
    for name, graph in graphs.items():
        have = graph.first(feeds[name]).astype(np.float32)
        want = reference if have.shape == reference.shape else reference[:, -1:]
        off[name] = np.linalg.norm(have - want) / np.linalg.norm(want)
    run = lambda name: graphs[name].session.run(None, feeds[name])
    took = turns({name: lambda name=name: run(name) for name in graphs}, rounds)
    base = next(iter(took.values()))
    for name, values in took.items():
        median, least, used = (f"{value:8.1f} ms x{value / first:5.2f}" for value, first in zip(values, base))
        print(f"{title:13}{name:16} median {median}  least {least}  processor {used}  off {off[name]:.1e}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("published", type=pathlib.Path)
    parser.add_argument("faster", type=pathlib.Path)
    parser.add_argument("--precisions", default="int8")
    parser.add_argument("--edges", default="512")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    a = parser.parse_args()
    suffix = lambda precision: "" if precision == "fp32" else f"_{precision}"

    def load(part):
        graphs = {}
        for precision in a.precisions.split(","):
            for name, folder in (("published", a.published), ("faster", a.faster)):
                path = folder / f"{part}{suffix(precision)}.onnx"
                if path.exists():
                    graphs[f"{name} {precision}"] = Graph(path, a.threads)
        return graphs, Graph(a.published / f"{part}.onnx", a.threads)

    graphs, exact = load("vision_encoder")
    for edge in map(int, a.edges.split(",")):
        values = picture(edge)
        whole = edge == exact.inputs["pixel_values"].shape[3]
        able = {name: graph for name, graph in graphs.items() if whole or name.startswith("faster")}
        best = exact if whole else Graph(a.faster / "vision_encoder.onnx", a.threads)
        compare(f"encode {edge}", able, values, a.rounds, best.first(best.feed(values)))
    del graphs, exact, able, best
    graphs, exact = load("decoder_model_merged")
    for title, new, past, rounds in (("prefill 96", 96, 0, a.rounds), ("token at 120", 1, 120, 5 * a.rounds)):
        values = sequence(exact, new, past)
        compare(title, graphs, values, rounds, exact.first(exact.feed(values)))


if __name__ == "__main__":
    main()
