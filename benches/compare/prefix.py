#!/usr/bin/env python3
"""What it saves that the beginning of all prompts goes through the decoder once: the default model's whole prompt in one run against the
same without its first five tokens, behind their kept keys and values, in turns; one thread, random embeddings.

    make .cache/python && PYTHONPATH=.cache/python python3 benches/compare/prefix.py
"""
import pathlib, statistics, time

import numpy as np
import onnxruntime as ort

SET = pathlib.Path(__file__).resolve().parents[2] / "models/tiny"
LAYERS, HEADS, WIDTH, HIDDEN = 8, 3, 64, 576
PROMPT, BEGINNING = 95, 5
random = np.random.default_rng(0)


def run(session, tokens, past, kept):
    """Seconds, and the keys and values."""
    inputs = {f"past_key_values.{i // 2}.{('key', 'value')[i % 2]}": tensor for i, tensor in enumerate(kept)}
    inputs["inputs_embeds"] = random.standard_normal((1, tokens, HIDDEN), np.float32) * 0.3
    inputs["attention_mask"] = np.ones((1, past + tokens), np.int64)
    inputs["position_ids"] = np.arange(past, past + tokens)[None]
    began = time.perf_counter()
    outputs = session.run(None, inputs)
    return time.perf_counter() - began, outputs[1:]


def main():
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(SET / "onnx/decoder_model_merged_quantized.onnx", options, providers=["CPUExecutionProvider"])
    nothing = [np.zeros((1, HEADS, 0, WIDTH), np.float32)] * (2 * LAYERS)
    _, beginning = run(session, BEGINNING, 0, nothing)
    turns = [(run(session, PROMPT, 0, nothing)[0], run(session, PROMPT - BEGINNING, BEGINNING, beginning)[0]) for _ in range(70)][10:]
    whole, rest = (1000 * statistics.median(column) for column in zip(*turns))
    print(f"{PROMPT} tokens: {whole:.2f} ms; {PROMPT - BEGINNING} behind {BEGINNING} kept ones: {rest:.2f} ms, {100 * (1 - rest / whole):.1f} % less "
          f"(their share of the tokens: {100 * BEGINNING / PROMPT:.1f} %)")


if __name__ == "__main__":
    main()
