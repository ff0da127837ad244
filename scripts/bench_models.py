"""Every published size, and a small model of each family that none was published of: one image, time
and memory beside PyTorch and ONNX Runtime."""

import statistics

import compare_peers
from bench_process import load_average
from compare_peers import OURS, Case

# Names of scripts/make_full_checkpoint.py, without their `upernet-`.
PUBLISHED = [
    *(f"convnext-{size}" for size in ("tiny", "small", "base", "large", "xlarge")),
    *(f"swin-{size}" for size in ("tiny", "small", "base", "large")),
]
FAMILIES = ["swinv2-tiny", "convnextv2-tiny", "dinov3-convnext-tiny", "resnet-50", "pvt-v2-b2"]
FAMILIES += ["beit-base", "dinov2-small", "dinov3-vit-small"]
EXPORT = "onnxruntime-export"
ROUNDS, PASSES = 2, 3


def compare(made, options, log) -> dict:
    """`made` gives the folder of a model."""
    results = []
    load = load_average()
    for name in [*PUBLISHED, *FAMILIES]:
        case = Case(made(name), options.photo, threads=options.threads, binary=options.binary)
        results.append(compare_peers.compare(case, ROUNDS, PASSES, log, ["torch", EXPORT]))
    return {"results": results, "load_average": load}


def table(found) -> str:
    lines = [
        "| one image of 512 x 512, f32 | PyTorch eager, s | ONNX Runtime, our file, s "
        "| this project, s | PyTorch, MiB | ONNX Runtime, MiB | this project, MiB "
        "| largest difference from PyTorch | equal pixels, % |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for result in found["results"]:
        peers = result["peers"]
        columns = ("torch", EXPORT, OURS)
        seconds = [f"{statistics.median(peers[peer]['later']):.2f}" for peer in columns]
        memory = [f"{statistics.median(peers[peer]['peak']) / 2**20:.0f}" for peer in columns]
        agreed = peers[OURS]["agreed"]
        cells = [
            result["model"].removeprefix("upernet-"),
            *seconds,
            *memory,
            f"{agreed['difference']:.1e}",
            f"{100 * agreed['equal']:.4f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    result = found["results"][0]
    named = ", ".join(f"{name} {version}" for name, version in sorted(result["versions"].items()))
    lines += [
        "",
        f"Batch 1, {result['threads']} threads, {ROUNDS} rounds in turn of {PASSES} passes, "
        f"medians of the later passes; {named}; load average before: {found['load_average']:.2f}.",
    ]
    return "\n".join(lines)
