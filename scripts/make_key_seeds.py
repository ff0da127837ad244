#!/usr/bin/env python3
"""Writes the keys and shapes of weight files as seeds for the fuzz target `keys`.

    scripts/make_key_seeds.py fuzz/corpus/keys testdata/dialects/* testdata/goldens/*/model.safetensors

A seed has a tensor on each line: its key, then the lengths of its axes, with tabs between. Needs scripts/requirements.txt.
"""

import argparse
import sys
from pathlib import Path

import torch
from safetensors import safe_open


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for path in options.files:
        lines = ["\t".join([key, *map(str, shape)]) for key, shape in shapes(path)]
        name = "-".join(path.with_suffix("").parts[-2:])
        (options.out / name).write_text("\n".join(lines))
    return 0


def shapes(path):
    if path.suffix == ".safetensors":
        with safe_open(path, "numpy") as file:
            return [(key, file.get_slice(key).get_shape()) for key in file.keys()]
    content = torch.load(path, weights_only=True)
    tensors = content.get("state_dict", content.get("model", content))
    return [(key, tensor.shape) for key, tensor in tensors.items()]


if __name__ == "__main__":
    sys.exit(main())
