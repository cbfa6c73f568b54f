#!/usr/bin/env python3
"""Holds a description against a bare loop over the same three sessions: no picture work, no prompt, no threads in between.

    make bench-compare                                                     (fetches the pinned onnxruntime package, builds, runs this)
    make bench-compare ARGS="--model DIR --precision fp32 --threads 2"     (any set, any of its precisions)

Both sides run in turns on the same machine, with the same graphs, the same number of threads and of tokens; medians of each
turn, then the median of the turns' ratios. Ratios travel between machines, milliseconds do not.
"""
import argparse, json, pathlib, statistics, sys, time

import numpy as np
import onnxruntime as ort

from ours import ROOT, ours

PARTS = ("vision_encoder", "embed_tokens", "decoder_model_merged")
# In the order in which Eyewitness takes them.
SUFFIXES = {"int8": ("_int8", "_uint8", "_quantized"), "fp32": ("",)}
KINDS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(int64)": np.int64, "tensor(bool)": np.bool_}


def graphs(folder, precision):
    """The three files of a set in this precision, which is also the suffix of its files where nothing else is said."""
    found = []
    for part in PARTS:
        names = [folder / "onnx" / f"{part}{suffix}.onnx" for suffix in SUFFIXES.get(precision, (f"_{precision}",))]
        found.append(next((name for name in names if name.is_file()), None))
        if found[-1] is None:
            raise FileNotFoundError(f"precision `{precision}` has no {' or '.join(map(str, names))}")
    return found


class BareLoop:
    """Encoder, embedding and decoder of a set, with as little around them as Python allows."""

    def __init__(self, folder, precision, threads):
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        load = lambda file: ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        self.vision, self.embed, self.decoder = (load(file) for file in graphs(folder, precision))
        config = json.loads((folder / "config.json").read_text())
        text = config["text_config"]
        self.layers, self.heads, self.width = text["num_hidden_layers"], text["num_key_value_heads"], text["head_dim"]
        slots = json.loads((folder / "processor_config.json").read_text())["image_seq_len"]
        side = json.loads((folder / "preprocessor_config.json").read_text())["max_image_size"]["longest_edge"]
        self.kinds = {put.name: KINDS[put.type] for put in self.vision.get_inputs() + self.decoder.get_inputs()}
        self.past = [put.name for put in self.decoder.get_inputs() if put.name.startswith("past_key_values")]
        assert len(self.past) == 2 * self.layers, f"the decoder has {len(self.past)} inputs for {self.layers} layers' keys and values"
        picture = {"pixel_values": np.zeros((1, 1, 3, side, side)), "pixel_attention_mask": np.ones((1, 1, side, side))}
        self.picture = self.fitting(picture)
        # Which words stand around the picture does not matter for the time: 14 tokens, as in "Describe the scene."
        self.ids = np.array([[1] * 5 + [config["image_token_id"]] * slots + [1] * 9], np.int64)
        self.slots = self.ids == config["image_token_id"]

    def fitting(self, tensors):
        return {name: tensor.astype(self.kinds[name], copy=False) for name, tensor in tensors.items() if name in self.kinds}

    def step(self, embeds, past, position):
        n = embeds.shape[1]
        words = {"inputs_embeds": embeds, "attention_mask": np.ones((1, position + n), np.int64), "position_ids": np.arange(position, position + n)[None]}
        outputs = self.decoder.run(None, self.fitting(words) | dict(zip(self.past, past)))
        return int(outputs[0][0, -1].argmax()), outputs[1:]

    def describe(self, tokens):
        """Seconds to the first token and in all."""
        began = time.perf_counter()
        features = self.vision.run(None, self.picture)[0]
        embeds = self.embed.run(None, {"input_ids": self.ids})[0]
        embeds[self.slots] = features.reshape(-1, features.shape[-1])
        empty = [np.zeros((1, self.heads, 0, self.width), self.kinds[name]) for name in self.past]
        token, past = self.step(embeds, empty, 0)
        first = time.perf_counter() - began
        for position in range(tokens - 1):
            embeds = self.embed.run(None, {"input_ids": np.array([[token]], np.int64)})[0]
            token, past = self.step(embeds, past, self.ids.shape[1] + position)
        return first, time.perf_counter() - began


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--model", type=pathlib.Path, default=ROOT / "models/tiny")
    args.add_argument("--precision", default="int8")
    args.add_argument("--threads", type=int, default=1)
    args.add_argument("--rounds", type=int, default=100)
    args.add_argument("--turns", type=int, default=7)
    args = args.parse_args()
    bare = BareLoop(args.model, args.precision, args.threads)
    ratios, host = [], []
    print("turn   first token: ours  bare ratio   whole: ours  bare ratio   per token: ours  bare ratio   outside ONNX Runtime   (ms)")
    for turn in range(args.turns):
        us = ours(args.model, args.precision, args.threads, args.rounds)
        # The stop token is a step of ours too, where it comes before the last that is allowed.
        steps = us.tokens + (us.tokens < us.most_tokens)
        runs = [bare.describe(steps) for _ in range(args.rounds + min(5, args.rounds))][min(5, args.rounds):]
        first, whole = (1000 * statistics.median(column) for column in zip(*runs))
        pairs = ((us.first, first), (us.whole, whole), ((us.whole - us.first) / max(1, steps - 1), (whole - first) / max(1, steps - 1)))
        ratios.append([one / other for one, other in pairs])
        host.append(us.outside)
        sides = "   ".join(f"{one:{width}.1f} {other:5.1f} {one / other:5.2f}" for (one, other), width in zip(pairs, (17, 11, 15)))
        print(f"{turn + 1:4}   {sides}   {us.outside:20.2f}")
        sys.stdout.flush()
    first, whole, step = (statistics.median(column) for column in zip(*ratios))
    print(f"median ratio: first token {first:.2f}, whole description {whole:.2f}, each further token {step:.2f}; outside ONNX Runtime {statistics.median(host):.2f} ms")


if __name__ == "__main__":
    main()
