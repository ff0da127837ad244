#!/usr/bin/env python3
"""Makes a full-size checkpoint folder with random but fixed weights, for timing and memory.

    .venv/bin/python scripts/make_full_checkpoint.py upernet-convnext-tiny OUT

NAME is that of a published checkpoint of openmmlab (swin or convnext, tiny to xlarge), or of a
backbone that none was published of (upernet-swinv2-tiny, upernet-resnet-50). The folder has its shapes, 150 classes and hub-style files, but none of its training.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from goldens.dialects import UNUSED
from goldens.images import preprocessor_settings
from goldens.published import FULL
from goldens.record import own_fields, write_settings, write_weights
from goldens.weights import build

NAMES = {case_name.replace("full-", "upernet-"): case_name for case_name in FULL}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=sorted(NAMES))
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    make_full_checkpoint(options.name, options.out)
    return 0


def make_full_checkpoint(name: str, out: Path):
    spec = FULL[NAMES[name]]()
    built = build(NAMES[name], spec)
    out.mkdir(parents=True, exist_ok=True)
    write_weights(built, "hub", out)
    (out / "model.safetensors").chmod(0o644)
    write_settings(built.config, out, preprocessor_settings(spec.size), own_fields(spec))
    named = built.model.named_parameters()
    parameters = sum(value.numel() for key, value in named if not UNUSED.match(key))
    print(f"{out}: {parameters:,} parameters")


if __name__ == "__main__":
    sys.exit(main())
