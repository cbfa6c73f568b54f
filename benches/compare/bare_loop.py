#!/usr/bin/env python3
"""Holds a description against a bare loop over the same three sessions: no picture work, no prompt, no threads in between.

    make bench-compare            (fetches the pinned onnxruntime package, builds, runs this)

Both sides run in turns on the same machine, one thread each, the same number of tokens; medians of each turn, then the
median of the turns' ratios. Ratios travel between machines, milliseconds do not.
"""
import argparse, json, pathlib, re, statistics, subprocess, sys, time

import numpy as np
import onnxruntime as ort

ROOT = pathlib.Path(__file__).resolve().parents[2]


class BareLoop:
    """Encoder, embedding and decoder of a set, with as little around them as Python allows."""

    def __init__(self, folder, suffix, threads):
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        load = lambda part: ort.InferenceSession(folder / "onnx" / f"{part}{suffix}.onnx", options, providers=["CPUExecutionProvider"])
        self.vision, self.embed, self.decoder = load("vision_encoder"), load("embed_tokens"), load("decoder_model_merged")
        config = json.loads((folder / "config.json").read_text())
        text = config["text_config"]
        self.layers, self.heads, self.width = text["num_hidden_layers"], text["num_key_value_heads"], text["head_dim"]
        slots = json.loads((folder / "processor_config.json").read_text())["image_seq_len"]
        side = json.loads((folder / "preprocessor_config.json").read_text())["max_image_size"]["longest_edge"]
        self.pixels = np.zeros((1, 1, 3, side, side), np.float32)
        self.mask = np.ones((1, 1, side, side), bool)
        # Which words stand around the picture does not matter for the time: 14 tokens, as in "Describe the scene."
        self.ids = np.array([[1] * 5 + [config["image_token_id"]] * slots + [1] * 9], np.int64)
        self.slots = self.ids == config["image_token_id"]

    def step(self, embeds, past, position):
        n = embeds.shape[1]
        inputs = {f"past_key_values.{i // 2}.{('key', 'value')[i % 2]}": tensor for i, tensor in enumerate(past)}
        inputs["inputs_embeds"] = embeds
        inputs["attention_mask"] = np.ones((1, position + n), np.int64)
        inputs["position_ids"] = np.arange(position, position + n)[None]
        outputs = self.decoder.run(None, inputs)
        return int(outputs[0][0, -1].argmax()), outputs[1:]

    def describe(self, tokens):
        """Seconds to the first token and in all."""
        began = time.perf_counter()
        features = self.vision.run(None, {"pixel_values": self.pixels, "pixel_attention_mask": self.mask})[0]
        embeds = self.embed.run(None, {"input_ids": self.ids})[0]
        embeds[self.slots] = features.reshape(-1, features.shape[-1])
        empty = [np.zeros((1, self.heads, 0, self.width), np.float32)] * (2 * self.layers)
        token, past = self.step(embeds, empty, 0)
        first = time.perf_counter() - began
        for position in range(tokens - 1):
            embeds = self.embed.run(None, {"input_ids": np.array([[token]], np.int64)})[0]
            token, past = self.step(embeds, past, self.ids.shape[1] + position)
        return first, time.perf_counter() - began


def ours(rounds, model):
    command = ["cargo", "bench", "--locked", "--quiet", "--bench", "describe", "--", "--rounds", str(rounds), "--model", str(model)]
    text = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    median = lambda name: float(re.search(rf"^{name} +median +([0-9.]+) ms", text, re.M)[1])
    tokens = int(re.search(r", (\d+) tokens$", text, re.M)[1])
    return median("first token"), median("whole description"), median("outside ONNX Runtime"), tokens


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--model", type=pathlib.Path, default=ROOT / "models/tiny")
    args.add_argument("--suffix", default="_quantized")
    args.add_argument("--rounds", type=int, default=100)
    args.add_argument("--turns", type=int, default=7)
    args = args.parse_args()
    bare = BareLoop(args.model, args.suffix, threads=1)
    ratios, host = [], []
    print("turn   first token: ours  bare ratio   whole: ours  bare ratio   outside ONNX Runtime   (ms)")
    for turn in range(args.turns):
        first, whole, outside, tokens = ours(args.rounds, args.model)
        # The stop token is a step of ours too.
        runs = [bare.describe(tokens + 1) for _ in range(args.rounds + 5)][5:]
        bare_first, bare_whole = (1000 * statistics.median(column) for column in zip(*runs))
        ratios.append((first / bare_first, whole / bare_whole))
        host.append(outside)
        print(f"{turn + 1:4}   {first:17.1f} {bare_first:5.1f} {ratios[-1][0]:5.2f}   {whole:11.1f} {bare_whole:5.1f} {ratios[-1][1]:5.2f}   {outside:20.2f}")
        sys.stdout.flush()
    first, whole = (statistics.median(column) for column in zip(*ratios))
    print(f"median ratio: first token {first:.2f}, whole description {whole:.2f}; outside ONNX Runtime {statistics.median(host):.2f} ms")


if __name__ == "__main__":
    main()
