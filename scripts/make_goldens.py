#!/usr/bin/env python3
"""Writes golden (reference) folders from PyTorch and Hugging Face transformers.

    python -m venv .venv && .venv/bin/pip install -r scripts/requirements.txt
    .venv/bin/python scripts/make_goldens.py --trimmed testdata/goldens
                                   # what the tests use by default; made anew, byte for byte
    make_goldens.py OUT [CASE ...] # no CASE: every small case and the image side
    make_goldens.py --list

`testdata/goldens` was made with Python 3.11, torch 2.15.0, transformers 5.23.0, torchvision 0.29.2,
numpy 2.4.6, safetensors 0.8.0 and Pillow 13.0.0 (also in its manifest.json). Other versions, and
processors with other vector units, may move the last bits of the expected tensors; weights and
inputs stay the same. The tables run under transformers 4.57 too, but for swin-absolute.

The tables of cases are in goldens/cases.py and goldens/published.py, the format of a folder in goldens/record.py. A tensor's
value follows from the case's name and the tensor's, so the trimmed cases share the small ones'
seeds and differ from them in width and size. `--salt TEXT` gives all of them other values.
"""

import argparse
import json
import os
import platform
import sys
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import numpy
import PIL
import safetensors
import torch
import torchvision
import transformers

from goldens.cases import SMALL, TRIMMED
from goldens.dialects import STATES
from goldens.images import write_postprocess, write_preprocess
from goldens.published import FULL
from goldens.record import write_case, write_json

IMAGE_SIDE = {"preprocess": write_preprocess, "postprocess": write_postprocess}
SHOWN = ("eval_loss", "train_loss", "reload_max_abs_diff")


def main() -> int:
    options = parse_arguments()
    table = TRIMMED if options.trimmed else {**SMALL, **FULL}
    if options.list or options.out is None:
        print("small:  ", *SMALL, *IMAGE_SIDE)
        print("trimmed:", *TRIMMED, *IMAGE_SIDE)
        print("full:   ", *FULL)
        return 0
    default = [*(TRIMMED if options.trimmed else SMALL), *IMAGE_SIDE]
    names = options.cases or default
    unknown = [name for name in names if name not in {**table, **IMAGE_SIDE}]
    if unknown:
        print("unknown case:", *unknown, "(see --list)", file=sys.stderr)
        return 2
    # The order of summation, and with it the last bit, depends on the number of threads.
    torch.set_num_threads(2)
    manifest = open_manifest(options.out)
    for name in names:
        write_one(name, table, manifest, options)
    manifest["total_bytes"] = sum(entry["bytes"] for entry in manifest["cases"].values())
    write_json(manifest, options.out / "manifest.json")
    print(f"total {manifest['total_bytes'] / 1e6:.3f} MB")
    return 0


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", nargs="?", type=Path)
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--list", action="store_true", help="print the names of all cases")
    parser.add_argument("--trimmed", action="store_true", help="the cases of testdata/goldens")
    parser.add_argument("--salt", default="", help="put in front of every seed")
    parser.add_argument("--dialect", action="append", choices=list(STATES))
    parser.add_argument("--no-train", action="store_true", help="no loss or gradient goldens")
    parser.add_argument("--no-f64", action="store_true", help="no comparison with f64")
    parser.add_argument("--verify", action="store_true", help="reload what was written, compare")
    options = parser.parse_args()
    options.dialect = options.dialect or ["hub"]
    options.verify = options.verify or options.trimmed
    return options


def write_one(name, table, manifest, options):
    out = options.out / name
    if name in IMAGE_SIDE:
        info = IMAGE_SIDE[name](out)
    elif name == "swin-absolute" and transformers.__version__.startswith("4."):
        print(name, "skipped: transformers 4 cannot run it")
        return
    else:
        info = write_case(name, table[name](), out, options.salt + name, options)
    files = {path.name: path.stat().st_size for path in sorted(out.iterdir())}
    manifest["cases"][name] = {"files": files, "bytes": sum(files.values())}
    shown = {key: info[key] for key in SHOWN if key in info}
    print(f"{name:22s} {sum(files.values()) / 1e6:7.2f} MB  {shown}", flush=True)


def open_manifest(out: Path) -> dict:
    """The manifest that is there, or a new one, with the versions of this run."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "manifest.json"
    manifest = json.loads(path.read_text()) if path.exists() else {"cases": {}}
    manifest["versions"] = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "numpy": numpy.__version__,
        "safetensors": safetensors.__version__,
        "pillow": PIL.__version__,
        "torchvision": torchvision.__version__,
    }
    manifest["platform"] = platform.platform()
    manifest["script"] = Path(__file__).name
    return manifest


if __name__ == "__main__":
    sys.exit(main())
