#!/usr/bin/env python3
"""Measures everything in docs/performance.md that is beside another program, and writes it there.

    cargo xtask bench-peers [--python EXISTING] [OPTION...]
    .venv/bin/python scripts/bench_peers.py [OPTION...]

Sections: f32 and bf16 (one image, all peers), growth (sizes, batches, threads), startup (a process's
start to its first mask), training (one step), models (every published size). Each is kept in the results file as soon as it is
measured, so `--only` measures one anew and leaves the others; `--render` writes the page from what
is kept. The page's text is its own: what this program writes stands between
`<!-- bench-peers SECTION -->` and `<!-- end of bench-peers SECTION -->`.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import bench_growth
import bench_models
import bench_training_step
import compare_peers
from bench_process import load_average, machine
from compare_peers import Case

SECTIONS = ("f32", "bf16", "growth", "startup", "training", "models")
WORK = Path("target/bench-peers")
GIBIBYTE = 2**30
# Above it somebody else is computing, and the numbers say little.
IDLE = 0.3


def main() -> int:
    options = parse_arguments()
    kept = json.loads(options.results.read_text()) if options.results.exists() else {}
    if not options.render:
        models = [made(name) for name in options.models]
        for section in options.only:
            warn_if_busy(section)
            found = measure(section, models, options)
            if found is None:
                continue
            kept[section] = {"machine": machine(), "date": time.strftime("%Y-%m-%d"), **found}
            options.results.parent.mkdir(parents=True, exist_ok=True)
            options.results.write_text(json.dumps(kept, indent=1))
    page = options.page.read_text()
    for section, found in kept.items():
        page = replaced(page, section, rendered(section, found))
    options.page.write_text(page)
    return 0


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words = lambda text: text.split(",")
    parser.add_argument("--models", type=words, default=["convnext-tiny", "swin-tiny"])
    parser.add_argument("--only", type=words, default=list(SECTIONS), help="sections")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--passes", type=int, default=4, help="of each process")
    parser.add_argument("--threads", type=int, default=2)
    sizes = lambda text: [int(side) for side in text.split(",")]
    parser.add_argument("--sizes", type=sizes, default=[256, 512, 1024, 2048], help="of growth")
    parser.add_argument("--quick", action="store_true", help="512 alone, and fewer rounds")
    parser.add_argument("--memory-limit", type=float, default=20, help="of a process, in GiB")
    parser.add_argument("--time-limit", type=float, default=900, help="of a process, in seconds")
    parser.add_argument("--training-command", help="see scripts/bench_training_step.py")
    parser.add_argument("--binary", type=Path, default=Path("target/release/upernet"))
    parser.add_argument("--photo", type=Path, default=Path("docs/images/photo.jpg"))
    parser.add_argument("--results", type=Path, default=WORK / "results.json")
    parser.add_argument("--page", type=Path, default=Path("docs/performance.md"))
    parser.add_argument("--render", action="store_true", help="measure nothing")
    options = parser.parse_args()
    if unknown := set(options.only) - set(SECTIONS):
        parser.error(f"no section is called {', '.join(sorted(unknown))}: {', '.join(SECTIONS)}")
    if options.quick:
        options.sizes, options.rounds, options.passes = [512], min(options.rounds, 2), 3
    return options


def made(name) -> Path:
    """The folder of a model of a published size; made if it is not there."""
    folder = WORK / "models" / f"upernet-{name}"
    if not (folder / "model.safetensors").exists():
        maker = Path(__file__).with_name("make_full_checkpoint.py")
        subprocess.run([sys.executable, maker, folder.name, folder], check=True)
    return folder


def measure(section, models, options) -> dict | None:
    case = Case(
        models[0],
        options.photo,
        threads=options.threads,
        binary=options.binary,
        memory_limit=int(options.memory_limit * GIBIBYTE),
        time_limit=options.time_limit,
    )
    rounds = options.rounds
    if section in ("f32", "bf16"):
        if section == "bf16" and "bf16" not in machine():
            log("this processor has no products of bf16: that section stays as it is")
            return None
        results = []
        for model in models:
            # No limits: looking at a process takes a little of its time.
            one = Case(
                model,
                options.photo,
                threads=options.threads,
                precision=section,
                binary=options.binary,
            )
            results.append(compare_peers.compare(one, rounds, options.passes, log))
        return {"results": results}
    if section == "growth":
        return bench_growth.growth(case, options.sizes, log)
    if section == "startup":
        return bench_growth.startup(case, rounds, log)
    if section == "models":
        return bench_models.compare(made, options, log)
    if not options.training_command:
        log("no --training-command: that section stays as it is")
        return None
    settings = [2, (512, 512), options.threads, options.passes, rounds]
    return bench_training_step.compare(models[0], options.training_command, *settings, log)


def rendered(section, found) -> str:
    if section in ("f32", "bf16"):
        text = "\n\n".join(map(compare_peers.table, found["results"]))
    elif section == "growth":
        text = bench_growth.growth_table(found)
    elif section == "startup":
        text = bench_growth.startup_table(found)
    elif section == "models":
        text = bench_models.table(found)
    else:
        text = bench_training_step.table(found)
    return f"{text}\n\nMeasured on {found['date']}: {found['machine']}."


def replaced(page, section, text) -> str:
    """The page with another text between the section's markers."""
    start, end = f"<!-- bench-peers {section} -->", f"<!-- end of bench-peers {section} -->"
    before, found, rest = page.partition(start)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        raise SystemExit(f"the page lacks {start} or {end}")
    return f"{before}{start}\n{text}\n{end}{after}"


def warn_if_busy(section):
    load = load_average()
    if load > IDLE:
        log(f"{section}: the machine is not idle, its load average is {load:.2f}")


def log(line):
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
