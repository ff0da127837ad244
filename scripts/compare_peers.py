#!/usr/bin/env python3
"""Times one photo through PyTorch, ONNX Runtime and this project, as a Markdown table.

    .venv/bin/python scripts/compare_peers.py MODEL PHOTO
        [--binary target/release/upernet] [--threads 2] [--rounds 5] [--passes 3] [--openvino]

MODEL is a folder with model.safetensors or similar, config.json and preprocessor_config.json
(scripts/make_full_checkpoint.py makes the published sizes). Same weights, same photo (resized once
to the model's input), f32, the same number of threads on the same cores; the peers take turns,
A B C A B C, and each turn is a new process that segments the photo `--passes` times.

Columns: the first forward pass of a process, the later ones, the whole process (start, loading, all
passes, writing of masks), its peak resident memory, and how many pixels of its mask are PyTorch's.
Medians over the rounds; the ratio is to PyTorch's later passes. A pass ends with logits at the
input's size for the peers, and where `FORWARD_FIELD` says it ends for this project. Run it on an
otherwise idle machine: a build beside it makes every number worthless.
"""

# Only small imports: a child inherits this process's peak memory as the lower bound of its own.
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

WORKERS = Path(__file__).with_name("peer_workers.py")
OURS = "upernet"
# Where `upernet segment --json` says how long the model took on an image, in seconds: a "seconds"
# object with a "forward" number, once for each image.
FORWARD_FIELD = ("seconds", "forward")
TITLES = {
    "torch": "PyTorch eager",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    OURS: "this project",
}


@dataclass
class Turns:
    """What the processes of one peer took: seconds, seconds, seconds, bytes."""

    first: list[float] = field(default_factory=list)
    later: list[float] = field(default_factory=list)
    process: list[float] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)


def main() -> int:
    options = parse_arguments()
    peers = ["torch", "onnxruntime", *(["openvino"] if options.openvino else [])]
    if options.binary.exists():
        peers.append(OURS)
    else:
        print(f"{options.binary} is not there: peers only", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        worker = [sys.executable, str(WORKERS)]
        prepare = ["prepare", options.model, options.photo, folder, options.threads, options.passes]
        measure([*worker, *map(str, prepare)], options.threads)
        turns, versions = {peer: Turns() for peer in peers}, {}
        for number in range(options.rounds):
            for peer in peers:
                if peer == OURS:
                    forward, found = run_ours(options, folder, turns[peer])
                else:
                    command = [*worker, peer, str(options.model), str(folder), str(options.threads)]
                    forward, found = run_worker(command, options.threads, turns[peer])
                versions.update(found)
                turns[peer].first.append(forward[0])
                turns[peer].later.extend(forward[1:] or forward)
                print(f"round {number + 1} {peer}: {forward}", file=sys.stderr)
        print_table(options, turns, agreement(folder, peers), versions)
    return 0


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--binary", type=Path, default=Path("target/release/upernet"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--openvino", action="store_true", help="a further peer")
    return parser.parse_args()


def run_worker(command, threads, turns):
    output = measure(command, threads, turns)
    answer = json.loads(output.splitlines()[-1])
    return answer["forward"], answer["versions"]


def run_ours(options, folder, turns):
    photos = sorted(map(str, folder.glob("photo_*.png")))
    out = folder / OURS
    command = [str(options.binary), "segment", *photos, "--model", str(options.model)]
    command += ["--out", str(out), "--json", "--force", "-q"]
    answer = json.loads(measure(command, options.threads, turns))
    forward = list(found_seconds(answer))
    if len(forward) != len(photos):
        raise SystemExit(f"{len(photos)} photos, {len(forward)} times {'.'.join(FORWARD_FIELD)}")
    for position, photo in enumerate(photos):
        mask = Image.open(out / Path(photo).name)
        Image.fromarray(np.asarray(mask)).save(folder / f"{OURS}_{position}.png")
    version = subprocess.run([options.binary, "--version"], capture_output=True, text=True)
    return forward, {OURS: version.stdout.split()[-1]}


def found_seconds(answer):
    """Every FORWARD_FIELD in a JSON answer, in order, wherever it is."""
    outer, inner = FORWARD_FIELD
    if isinstance(answer, dict):
        if isinstance(answer.get(outer), dict) and inner in answer[outer]:
            yield answer[outer][inner]
        answer = list(answer.values())
    if isinstance(answer, list):
        for part in answer:
            yield from found_seconds(part)


def measure(command, threads, turns=None) -> str:
    """Runs a command on `threads` cores, notes its time and memory, returns what it printed."""
    cores = sorted(os.sched_getaffinity(0))[:threads]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "RAYON_NUM_THREADS": str(threads),
    }
    with tempfile.TemporaryFile() as printed:
        start = time.perf_counter()
        child = subprocess.Popen(
            command,
            stdout=printed,
            env=environment,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        # wait4 and not getrusage(RUSAGE_CHILDREN): that is the peak of all children so far.
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        output = printed.read().decode()
    if child.returncode != 0:
        raise SystemExit(f"exit {child.returncode}: {' '.join(command)}\n{output}")
    if turns is not None:
        turns.process.append(seconds)
        turns.peak.append(usage.ru_maxrss * 1024)
    return output


def agreement(folder, peers) -> dict[str, float]:
    """Share of pixels, in percent, at which a peer's mask is PyTorch's."""
    reference = np.asarray(Image.open(folder / "torch_0.png"))
    return {
        peer: 100 * (np.asarray(Image.open(folder / f"{peer}_0.png")) == reference).mean()
        for peer in peers
    }


def print_table(options, turns, agreed, versions):
    passes = options.passes
    base = statistics.median(turns["torch"].later)
    print(f"| {options.model.name} | first pass, s | later passes, s | ratio", end=" ")
    print(f"| process of {passes} passes, s | peak memory, MiB | equal pixels, % |")
    print("|---|---|---|---|---|---|---|")
    for peer, taken in turns.items():
        later = statistics.median(taken.later)
        cells = [
            TITLES[peer],
            f"{statistics.median(taken.first):.3f}",
            f"{later:.3f}",
            f"{later / base:.2f}",
            f"{statistics.median(taken.process):.2f}",
            f"{statistics.median(taken.peak) / 2**20:.0f}",
            f"{agreed[peer]:.4f}",
        ]
        print("|", " | ".join(cells), "|")
    print()
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    print(f"{processor()}; {options.threads} threads; {options.rounds} rounds; {named};", end=" ")
    print(f"Python {platform.python_version()}, {platform.system()} {platform.release()}.")


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{names[0]}, {os.cpu_count()} cores, {memory:.0f} GiB"


if __name__ == "__main__":
    sys.exit(main())
