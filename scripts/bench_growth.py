"""How time and memory grow with the image, the batch and the threads, beside ONNX Runtime's; and
how long it takes from the start of a process to its first mask."""

import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from bench_process import Exceeded, load_average, run
from compare_peers import OURS, TITLES, WORKERS, Case, read_by

# On the file of `upernet export onnx`, which it runs faster than PyTorch's.
PEER = "onnxruntime-export"
BATCHES = (1, 2, 4)
THREADS = (1, 2)
# The most passes of a cell, fewer once they take this many seconds together. The first pass counts
# where there is no other.
PASSES, BUDGET_SECONDS = 5, 12.0
# Cells whose logits are compared too: larger ones take gigabytes on disk.
LARGEST_COMPARED = 2 * 512 * 512
STARTS = ["torch", PEER, OURS]


def growth(case: Case, sizes, log) -> dict:
    """Times every cell; `case` says model, photo, binary and limits."""
    cells, result = [], {"load_average": load_average()}
    for side in sizes:
        for batch in BATCHES:
            case = replace(case, size=(side, side), batch=batch, threads=max(THREADS))
            cells += of_shape(case, log)
    result.update(
        model=case.model.name,
        memory_limit=case.memory_limit,
        time_limit=case.time_limit,
        cells=cells,
    )
    return result


def of_shape(case: Case, log) -> list[dict]:
    """The cells of one size and batch: one export serves all thread counts."""
    cells = []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        case.prepare(folder, [PEER])
        if case.batch * case.size[0] * case.size[1] <= LARGEST_COMPARED:
            reference = folder / "reference.npy"
            free = replace(case, memory_limit=None, time_limit=None)
            free.time(PEER, folder, 1, logits=reference)
            free.check(reference, free.our_logits(folder), OURS, case.precision)
        for threads in THREADS:
            one = replace(case, threads=threads)
            cell = {"side": case.size[0], "batch": case.batch, "threads": threads}
            passes = PASSES
            for peer in (PEER, OURS):
                cell[peer] = measured(one, peer, folder, passes)
                # As many of ours as the peer had time for.
                passes = cell[peer].get("passes", passes)
            log(f"growth {cell}")
            cells.append(cell)
    return cells


def measured(case: Case, peer, folder: Path, passes) -> dict:
    try:
        seconds, _, taken = case.time(peer, folder, passes, BUDGET_SECONDS)
    except Exceeded as exceeded:
        return {"exceeded": str(exceeded)}
    return {
        "seconds": statistics.median(seconds[1:] or seconds),
        "peak": taken.peak_bytes,
        "passes": len(seconds),
    }


def growth_table(result) -> str:
    lines = [
        "| pixels | batch | threads | ONNX Runtime, our file, s | this project, s | ratio "
        "| ONNX Runtime, MiB | this project, MiB | ratio |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for cell in result["cells"]:
        theirs, ours = cell[PEER], cell[OURS]
        cells = [f"{cell['side']} x {cell['side']}", str(cell["batch"]), str(cell["threads"])]
        cells += of_measure(theirs, ours, "seconds", lambda seconds: f"{seconds:.3f}")
        cells += of_measure(theirs, ours, "peak", lambda peak: f"{peak / 2**20:.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    limits = []
    if result["memory_limit"]:
        limits.append(f"a process may have {result['memory_limit'] / 2**30:.0f} GiB resident")
    if result["time_limit"]:
        limits.append(f"run for {result['time_limit']:.0f} s")
    said = f" Limits: {', and '.join(limits)}." if limits else ""
    lines += [
        "",
        f"{result['model']}, f32; a cell is the median of the passes after the first of one "
        f"process, or the first where {BUDGET_SECONDS:.0f} s are over by then; the two take "
        f"turns.{said} Load average before: {result['load_average']:.2f}.",
    ]
    return "\n".join(lines)


def of_measure(theirs, ours, name, text) -> list[str]:
    """Two cells and their ratio."""
    cells = [text(side[name]) if name in side else side["exceeded"] for side in (theirs, ours)]
    both = name in theirs and name in ours
    return [*cells, f"{theirs[name] / ours[name]:.2f}" if both else ""]


def startup(case: Case, rounds, log) -> dict:
    """From the start of a process to a mask on disk; files are in the system's cache."""
    result = {"load_average": load_average(), "model": case.model.name, "rounds": rounds}
    taken = {peer: {"seconds": [], "peak": []} for peer in STARTS}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        case.prepare(folder, [PEER])
        # The first turn fills the cache and does not count.
        for number in range(rounds + 1):
            for peer in STARTS:
                ended = run(first_mask(case, peer, folder), case.threads)
                log(f"startup {number} {peer}: {ended.seconds:.3f} s")
                if number > 0:
                    taken[peer]["seconds"].append(ended.seconds)
                    taken[peer]["peak"].append(ended.peak_bytes)
    return {**result, "threads": case.threads, "peers": taken}


def first_mask(case: Case, peer, folder: Path) -> list:
    photo = folder / "photo.png"
    if peer == OURS:
        command = [case.binary, "segment", photo, "--model", case.model, "--out", folder / "out"]
        return [*command, "--threads", case.threads, "--device", "flex", "--force", "-q"]
    reader, onnx = read_by(peer, folder)
    words = ["mask", reader, case.model, onnx, photo, folder / "mask.png"]
    return [sys.executable, WORKERS, *words, case.threads]


def startup_table(result) -> str:
    ours = statistics.median(result["peers"][OURS]["seconds"])
    lines = [
        f"| {result['model']} | start to first mask, s | in ours | peak memory, MiB |",
        "|---|---|---|---|",
    ]
    for peer, taken in result["peers"].items():
        seconds = statistics.median(taken["seconds"])
        peak = statistics.median(taken["peak"]) / 2**20
        lines.append(f"| {TITLES[peer]} | {seconds:.2f} | {seconds / ours:.2f} | {peak:.0f} |")
    lines += [
        "",
        f"512 x 512, f32, {result['threads']} threads, medians of {result['rounds']} rounds in "
        f"turn, files in the system's cache; load average before: {result['load_average']:.2f}.",
    ]
    return "\n".join(lines)
