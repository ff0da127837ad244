#!/usr/bin/env python3
"""Checks a model folder that this project saved against the folder that it was loaded from.

    .venv/bin/python scripts/check_saved_folder.py SAVED ORIGINAL [--size H W]

Both are loaded by transformers. It fails unless
- SAVED has every tensor that transformers asks for, and none that it does not know,
- every tensor has the same bits in both (16-bit files are widened to f32 first),
- the logits of a random, odd-sized batch are the same, bit for bit,
- the two configurations describe the same network and the same labels.
"""

import argparse
import os
import re
import sys
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import torch
from transformers import UperNetForSemanticSegmentation

# transformers 5 builds a final norm for Swin that the network never uses; no published file has it.
UNUSED = re.compile(r"^backbone\.swin\.layernorm\.(weight|bias)$")
# What a writer may choose freely, or what only says who wrote the file.
WITHOUT_MEANING = {
    "_name_or_path",
    "architectures",
    "dtype",
    "torch_dtype",
    "transformers_version",
    "_attn_implementation_autoset",
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("saved", type=Path)
    parser.add_argument("original", type=Path)
    parser.add_argument("--size", type=int, nargs=2, metavar=("H", "W"))
    options = parser.parse_args()
    torch.set_num_threads(2)

    saved, faults = load(options.saved)
    original, _ = load(options.original)
    faults += compare_configs(saved.config, original.config)
    faults += compare_tensors(saved, original)
    if not faults:
        faults += compare_logits(saved, original, options.size)
    for fault in faults:
        print("FAULT", fault)
    print(f"{options.saved}:", f"{len(faults)} faults" if faults else "same as the original")
    return 1 if faults else 0


def load(folder: Path):
    """The model in f32, and what is wrong with the file's keys."""
    model, report = UperNetForSemanticSegmentation.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    faults = []
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        for key in sorted(map(str, report.get(what) or ())):
            expected = what == "missing_keys" and UNUSED.match(key)
            print(f"{folder.name}: {what} {key}{' (expected)' if expected else ''}")
            if not expected:
                faults.append(f"{what}: {key}")
    return model.eval(), faults


def compare_configs(saved, original) -> list[str]:
    first, second = _meaning(saved.to_dict()), _meaning(original.to_dict())
    keys = sorted({*first, *second})
    return [
        f"config {key}: saved {first.get(key)!r}, original {second.get(key)!r}"
        for key in keys
        if first.get(key) != second.get(key)
    ]


def _meaning(fields, prefix=""):
    """All fields that describe the network, flat, lists and tuples alike."""
    flat = {}
    for key, value in fields.items():
        if key in WITHOUT_MEANING:
            continue
        if isinstance(value, dict) and key == "backbone_config":
            flat.update(_meaning(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = list(value) if isinstance(value, tuple) else value
    return flat


def compare_tensors(saved, original) -> list[str]:
    first, second = saved.state_dict(), original.state_dict()
    if first.keys() != second.keys():
        return [f"tensor in one model only: {key}" for key in sorted(first.keys() ^ second.keys())]
    used = [key for key in first if not UNUSED.match(key)]
    same_bits = {key: torch.equal(first[key], second[key]) for key in used}
    print(f"{sum(same_bits.values())} of {len(same_bits)} tensors equal")
    return [f"tensor differs: {key}" for key, same in same_bits.items() if not same]


def compare_logits(saved, original, size) -> list[str]:
    backbone = original.config.backbone_config
    if size is None and getattr(backbone, "use_absolute_embeddings", False):
        # Learned positions fit one input size only.
        size = (backbone.image_size, backbone.image_size)
    height, width = size or (97, 131)
    pixels = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        first, second = saved(pixels).logits, original(pixels).logits
    difference = (first - second).abs().max().item()
    print(f"logits {list(first.shape)}: largest difference {difference}")
    return [] if torch.equal(first, second) else [f"logits differ by up to {difference}"]


if __name__ == "__main__":
    sys.exit(main())
