#!/usr/bin/env python3
"""Times one photo through PyTorch, ONNX Runtime, OpenVINO and this project, as a Markdown table.

    .venv/bin/python scripts/compare_peers.py MODEL PHOTO [--precision f32|bf16]
        [--binary target/release/upernet] [--size 512x512] [--threads 2] [--rounds 5] [--passes 4]

MODEL is a folder with model.safetensors or similar, config.json and preprocessor_config.json
(scripts/make_full_checkpoint.py makes the published sizes). Same weights, same photo, same threads
on the same cores; the peers take turns, A B C A B C, and each turn is a new process that segments
the photo `--passes` times. Every peer has its best settings: see scripts/peer_workers.py.

Columns: the first forward pass of a process and the later ones; what the later ones are in those of
this project; the whole process (start, loading, all passes); its peak resident memory; the largest
difference of its logits from PyTorch's in f32, and the share of pixels with the same class. Medians
over the rounds. A peer's pass goes from pixel values to logits of their size, this project's from
pixel values to the mask. Logits that disagree end the comparison. Run it on an otherwise idle
machine: a build beside it makes every number worthless.
"""

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from bench_process import load_average, machine, run

WORKERS = Path(__file__).with_name("peer_workers.py")
OURS = "upernet"
# The peers of a precision; all are compared with the first of f32.
PEERS = {
    "f32": [
        "torch",
        "torch-last",
        "onnxruntime",
        "onnxruntime-export",
        "openvino",
        "openvino-export",
    ],
    "bf16": ["torch-bf16", "torch-bf16-last", "openvino-bf16", "openvino-bf16-export"],
}
TITLES = {
    "torch": "PyTorch eager",
    "torch-last": "PyTorch eager, channels last",
    "torch-bf16": "PyTorch eager, bf16",
    "torch-bf16-last": "PyTorch eager, bf16, channels last",
    "onnxruntime": "ONNX Runtime",
    "onnxruntime-export": "ONNX Runtime, our file",
    "openvino": "OpenVINO",
    "openvino-export": "OpenVINO, our file",
    "openvino-bf16": "OpenVINO, bf16",
    "openvino-bf16-export": "OpenVINO, bf16, our file",
    OURS: "this project",
}
# Of logits: the largest difference, relative to max(1, largest magnitude), and the least share of
# pixels with the same class. With untrained weights many classes are nearly equal, so rounding to
# 8 significant bits makes another of them the best at one pixel in some fifty.
ALLOWED = {"f32": (1e-3, 0.9999), "bf16": (3e-2, 0.97)}
STAGES = ("backbone", "head", "postprocess")
# Peers that read what `upernet export onnx` writes; the others of their kind read PyTorch's export.
EXPORT = "-export"


@dataclass
class Turns:
    """What the processes of one peer took: seconds, seconds, seconds, seconds, bytes."""

    first: list[float] = field(default_factory=list)
    later: list[float] = field(default_factory=list)
    load: list[float] = field(default_factory=list)
    process: list[float] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)

    def add(self, passes, load, taken):
        self.first.append(passes[0])
        self.later.extend(passes[1:] or passes)
        self.load.append(load)
        self.process.append(taken.seconds)
        self.peak.append(taken.peak_bytes)


@dataclass
class Case:
    """What is timed, and on what."""

    model: Path
    photo: Path
    size: tuple[int, int] = (512, 512)
    batch: int = 1
    threads: int = 2
    precision: str = "f32"
    binary: Path = Path("target/release/upernet")
    memory_limit: int | None = None
    time_limit: float | None = None

    def prepare(self, folder: Path, peers):
        """Writes what the peers read: photo.png, input.safetensors, model.onnx, ours.onnx."""
        shape = [self.batch, *self.size]
        self.work("input", self.model, self.photo, folder, *shape)
        readers = [peer for peer in peers if peer.startswith(("onnx", "openvino"))]
        if any(not peer.endswith(EXPORT) for peer in readers):
            self.work("export", self.model, folder / "model.onnx", *shape, self.threads)
        if any(peer.endswith(EXPORT) for peer in readers):
            height, width = self.size
            words = ["--model", self.model, "--out", folder / "ours.onnx", "-q"]
            # A larger one is more than a file of protobuf can hold.
            words += ["--size", f"{height}x{width}", "--external-data"]
            run([self.binary, "export", "onnx", *words], self.threads)

    def work(self, *words) -> dict:
        """Runs a worker that is not measured."""
        return json.loads(run([sys.executable, WORKERS, *words], self.threads).output.splitlines()[-1])

    def time(self, peer, folder: Path, passes, budget=1e9, logits=None):
        """One process of a peer: seconds of each pass, answer, what the process took."""
        if peer == OURS:
            return self.time_ours(folder, passes)
        reader, onnx = read_by(peer, folder)
        words = ["time", reader, self.model, onnx, folder / "input.safetensors"]
        words += [self.threads, passes, budget, *([logits] if logits else [])]
        command = [sys.executable, WORKERS, *words]
        taken = run(command, self.threads, self.memory_limit, self.time_limit)
        answer = json.loads(taken.output.splitlines()[-1])
        return answer["seconds"], answer, taken

    def time_ours(self, folder: Path, passes):
        height, width = self.size
        command = [self.binary, "bench", "--model", self.model, "--image", folder / "photo.png"]
        command += ["--size", f"{height}x{width}", "--batch", self.batch, "--runs", passes]
        command += ["--warmup", 0, "--threads", self.threads, "--precision", self.precision]
        command += ["--device", "flex", "--json", "-q"]
        taken = run(command, self.threads, self.memory_limit, self.time_limit)
        answer = json.loads(taken.output)
        if answer["precision"] != self.precision:
            raise SystemExit(f"this project has no {self.precision} on this processor")
        seconds = [sum(each[stage] for stage in STAGES) for each in answer["results"][0]["each"]]
        return seconds, answer, taken

    def our_logits(self, folder: Path) -> Path:
        output = folder / "output.safetensors"
        command = [self.binary, "forward", "--model", self.model, "--output", output, "--force"]
        command += ["--input", folder / "input.safetensors", "--precision", self.precision]
        run([*command, "--threads", self.threads, "--device", "flex", "-q"], self.threads)
        return output

    def check(self, reference: Path, logits: Path, peer, precision) -> dict:
        """How far logits are from the reference's; too far is the end."""
        found = self.work("agree", reference, logits)
        difference, equal = ALLOWED[precision]
        relative = found["difference"] / max(1.0, found["magnitude"])
        if not (relative <= difference and found["equal"] >= equal):
            raise SystemExit(
                f"{TITLES[peer]} does not agree with PyTorch in f32 on {self.model.name}, "
                f"{self.size}, batch {self.batch}: difference {relative:.2e} of the largest "
                f"magnitude (allowed {difference}), {100 * found['equal']:.4f} % equal pixels "
                f"(allowed {100 * equal} %)"
            )
        return found


def read_by(peer, folder: Path) -> tuple[str, Path]:
    """The worker of a peer, and the ONNX file that it reads if it reads one."""
    onnx = folder / ("ours.onnx" if peer.endswith(EXPORT) else "model.onnx")
    return peer.removesuffix(EXPORT), onnx


def compare(case: Case, rounds, passes, log=print, peers=None) -> dict:
    """Checks that all peers of a precision, or those named, agree, then times them in turns."""
    peers = [*(peers or PEERS[case.precision]), OURS]
    turns, versions, agreed = {peer: Turns() for peer in peers}, {}, {}
    result = {"load_average": load_average()}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        case.prepare(folder, peers)
        reference, other = folder / "reference.npy", folder / "other.npy"
        case.time("torch", folder, 1, logits=reference)
        for peer in peers:
            if peer == OURS:
                logits = case.our_logits(folder)
            else:
                case.time(peer, folder, 1, logits=(logits := other))
            agreed[peer] = case.check(reference, logits, peer, case.precision)
            log(f"{peer}: {agreed[peer]}")
        for number in range(rounds):
            for peer in peers:
                seconds, answer, taken = case.time(peer, folder, passes)
                load = answer["load_seconds"] if peer == OURS else answer["load"]
                turns[peer].add(seconds, load, taken)
                known = {"upernet": answer["version"]} if peer == OURS else answer["versions"]
                versions.update(known)
                log(f"round {number + 1} {peer}: {[round(value, 3) for value in seconds]}")
    result.update(
        model=case.model.name,
        precision=case.precision,
        size=list(case.size),
        threads=case.threads,
        rounds=rounds,
        passes=passes,
        versions=versions,
        peers={peer: {**vars(turns[peer]), "agreed": agreed[peer]} for peer in peers},
    )
    return result


def table(result) -> str:
    """The result of compare as Markdown."""
    passes = result["passes"]
    ours = statistics.median(result["peers"][OURS]["later"])
    lines = [
        f"| {result['model']}, {result['precision']} | first pass, s | later passes, s "
        f"| in ours | process of {passes} passes, s | peak memory, MiB "
        "| largest difference | equal pixels, % |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for peer, taken in result["peers"].items():
        later, agreed = statistics.median(taken["later"]), taken["agreed"]
        cells = [
            TITLES[peer],
            f"{statistics.median(taken['first']):.3f}",
            f"{later:.3f}",
            f"{later / ours:.2f}",
            f"{statistics.median(taken['process']):.2f}",
            f"{statistics.median(taken['peak']) / 2**20:.0f}",
            f"{agreed['difference']:.1e}",
            f"{100 * agreed['equal']:.4f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    height, width = result["size"]
    named = ", ".join(f"{name} {version}" for name, version in sorted(result["versions"].items()))
    lines += [
        "",
        f"{height} x {width}, batch 1, {result['threads']} threads, {result['rounds']} rounds in "
        f"turn; {named}; load average before: {result['load_average']:.2f}.",
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
    parser.add_argument("photo", type=Path)
    parser.add_argument("--precision", choices=sorted(PEERS), default="f32")
    parser.add_argument("--binary", type=Path, default=Path("target/release/upernet"))
    parser.add_argument("--size", type=size, default=(512, 512))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--passes", type=int, default=4)
    options = parser.parse_args()
    case = Case(
        options.model,
        options.photo,
        size=options.size,
        threads=options.threads,
        precision=options.precision,
        binary=options.binary,
    )
    log = lambda line: print(line, file=sys.stderr, flush=True)
    print(table(compare(case, options.rounds, options.passes, log)))
    print(f"\n{machine()}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
