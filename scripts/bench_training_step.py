#!/usr/bin/env python3
"""Times one full training step (forward, backward, AdamW) in PyTorch and in this project.

    .venv/bin/python scripts/bench_training_step.py MODEL --ours COMMAND
        [--batch 2] [--size 512x512] [--threads 2] [--steps 4] [--rounds 5]

Both start from MODEL's weights, both train on the same pixels and labels, auxiliary head and its
loss included, in f32 and in training mode: `transformers` has the loss that this project has. AdamW
with a learning rate of 6e-5, betas 0.9 and 0.999, epsilon 1e-8, weight decay 0.01. A step goes from
pixel values and labels to changed weights, gradients set to none before it.

COMMAND is split at spaces; {model}, {input}, {threads} and {steps} in it are replaced. {input} is a
safetensors file with pixel_values f32 [N, 3, H, W] and labels i64 [N, H, W]. The last line it prints
is to be JSON: {"seconds": [one for each step], "losses": [one for each step]}. Losses that are not
PyTorch's within 1 % end the comparison. The first step of a process is not counted.
"""

import argparse
import json
import shlex
import statistics
import sys
import tempfile
from pathlib import Path

from bench_process import load_average, machine, run

OURS, PYTORCH = "upernet", "torch"
TITLES = {PYTORCH: "PyTorch eager", OURS: "this project"}
LOSS_TOLERANCE = 1e-2
# Settings of AdamW, for both.
ADAMW = {"lr": 6e-5, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01}


def write_input(model, path, batch, height, width):
    """Noise with a few large shapes in the labels, and a border that does not count."""
    import numpy as np
    from safetensors.numpy import save_file

    random = np.random.default_rng(7)
    classes = len(json.loads((Path(model) / "config.json").read_text())["id2label"])
    pixels = random.standard_normal((batch, 3, height, width), dtype=np.float32)
    cells = random.integers(0, classes, (batch, height // 32 + 1, width // 32 + 1))
    labels = cells.repeat(32, axis=1).repeat(32, axis=2)[:, :height, :width].astype(np.int64)
    labels[:, :4] = 255
    save_file({"pixel_values": pixels, "labels": np.ascontiguousarray(labels)}, path)


def train_with_torch(model, path, threads, steps):
    import time

    import torch
    from safetensors.torch import load_file
    from transformers import UperNetForSemanticSegmentation

    torch.set_num_threads(threads)
    network = UperNetForSemanticSegmentation.from_pretrained(model).train()
    optimizer = torch.optim.AdamW(network.parameters(), **ADAMW)
    tensors = load_file(path)
    seconds, losses = [], []
    for _ in range(steps):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = network(pixel_values=tensors["pixel_values"], labels=tensors["labels"]).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds, "losses": losses, "versions": {"torch": torch.__version__}}


def compare(model, ours, batch, size, threads, steps, rounds, log) -> dict:
    """Times both in turns; `ours` is the command, and None leaves this project out."""
    result = {"load_average": load_average(), "model": Path(model).name, "batch": batch}
    result.update(size=list(size), threads=threads, rounds=rounds, versions={})
    peers = {PYTORCH: {"seconds": [], "peak": []}}
    if ours:
        peers[OURS] = {"seconds": [], "peak": []}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "input.safetensors"
        worker = [sys.executable, __file__]
        run([*worker, "--write", path, model, "--batch", batch, "--size", "{}x{}".format(*size)], 1)
        commands = {PYTORCH: [*worker, "--work", path, model, "--threads", threads, "--steps", steps]}
        if ours:
            words = {"model": model, "input": path, "threads": threads, "steps": steps}
            commands[OURS] = [word.format(**words) for word in shlex.split(ours)]
        for number in range(rounds):
            losses = {}
            for peer, taken in peers.items():
                ended = run(commands[peer], threads)
                answer = json.loads(ended.output.splitlines()[-1])
                losses[peer] = answer["losses"]
                taken["seconds"] += answer["seconds"][1:] or answer["seconds"]
                taken["peak"].append(ended.peak_bytes)
                result["versions"].update(answer.get("versions", {}))
                log(f"training {number + 1} {peer}: {answer['seconds']}, losses {answer['losses']}")
            check(losses)
    return {**result, "peers": peers}


def check(losses):
    expected = losses[PYTORCH]
    for peer, found in losses.items():
        pairs = list(zip(expected, found, strict=True))
        if not all(abs(f - e) <= LOSS_TOLERANCE * abs(e) for e, f in pairs):
            raise SystemExit(f"{TITLES[peer]} has the losses {found}, PyTorch {expected}")


def table(result) -> str:
    lines = [
        f"| {result['model']} | step, s | in PyTorch's | peak memory, MiB |",
        "|---|---|---|---|",
    ]
    base = statistics.median(result["peers"][PYTORCH]["seconds"])
    for peer, taken in result["peers"].items():
        step = statistics.median(taken["seconds"])
        peak = statistics.median(taken["peak"]) / 2**20
        lines.append(f"| {TITLES[peer]} | {step:.3f} | {step / base:.2f} | {peak:.0f} |")
    height, width = result["size"]
    named = ", ".join(f"{name} {version}" for name, version in sorted(result["versions"].items()))
    lines += [
        "",
        f"Forward, backward and AdamW, f32, batch {result['batch']}, {height} x {width}, auxiliary "
        f"head included, {result['threads']} threads, medians of {result['rounds']} rounds in turn; "
        f"{named}; load average before: {result['load_average']:.2f}.",
    ]
    return "\n".join(lines)


def size(text) -> tuple[int, int]:
    height, width = map(int, text.split("x"))
    return height, width


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--ours", metavar="COMMAND", help="without it, PyTorch alone")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--size", type=size, default=(512, 512))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("--work", metavar="FILE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write_input(options.model, options.write, options.batch, *options.size)
    elif options.work:
        answer = train_with_torch(options.model, options.work, options.threads, options.steps)
        print(json.dumps(answer))
    else:
        settings = [options.batch, options.size, options.threads, options.steps, options.rounds]
        log = lambda line: print(line, file=sys.stderr, flush=True)
        print(table(compare(options.model, options.ours, *settings, log)))
        print(f"\n{machine()}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
