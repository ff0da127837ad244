#!/usr/bin/env python3
"""Compare `upernet forward` with golden folders, whole tensors, also full-size ones.

    check_forward.py FOLDER [FOLDER ...] [--binary target/release/upernet] [--device flex]

FOLDER is a golden folder of scripts/make_goldens.py, or a folder of such folders. Small cases hold
every tensor and must agree within 1e-4 x max(1, max|expected|); full-size cases (`full-*`) hold
strided logits, which must agree within 1e-3, and the label map, which must agree on 99.99 % of the
pixels. Exit status 1 if one case does not.

Needs numpy and safetensors (scripts/requirements.txt).
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from safetensors.numpy import load_file


def folders(paths):
    for path in map(pathlib.Path, paths):
        if (path / "config.json").exists():
            yield path
        else:
            yield from sorted(p for p in path.iterdir() if (p / "expected.safetensors").exists())


def forward(folder, binary, device):
    with tempfile.TemporaryDirectory() as out:
        output = pathlib.Path(out) / "output.safetensors"
        command = [binary, "forward", "--model", folder, "--input", folder / "input.safetensors"]
        command += ["--output", output, "--device", device, "-q"]
        subprocess.run(command, check=True)
        return load_file(output)


def compare(expected, actual):
    """(name, difference, allowed) of everything that the folder expects of inference."""
    for name, value in sorted(expected.items()):
        if name == "eval.logits_stride16":
            found = actual["logits"][:, :, ::16, ::16]
            yield name, np.abs(found - value).max(), 1e-3
        elif name == "eval.argmax":
            wrong = (actual["logits"].argmax(1) != value).mean()
            yield "share of pixels with another label", wrong, 1e-4
        elif name.startswith("eval.") and ".debug." not in name:
            found = actual[name.removeprefix("eval.")]
            assert found.shape == value.shape, (name, found.shape, value.shape)
            scale = max(1.0, np.abs(value).max())
            full = "eval.logits_stride16" in expected
            yield name, np.abs(found - value).max() / scale, 1e-3 if full else 1e-4


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--binary", default="target/release/upernet")
    parser.add_argument("--device", default="flex")
    arguments = parser.parse_args()
    failed = 0
    for folder in folders(arguments.folders):
        expected = load_file(folder / "expected.safetensors")
        try:
            actual = forward(folder, arguments.binary, arguments.device)
        except subprocess.CalledProcessError as error:
            print(f"{folder.name:24s} exit status {error.returncode}")
            failed += 1
            continue
        rows = list(compare(expected, actual))
        name, difference, allowed = max(rows, key=lambda row: row[1] / row[2])
        wrong = [row for row in rows if not row[1] <= row[2]]
        failed += bool(wrong)
        verdict = "FAILED" if wrong else "ok"
        print(f"{folder.name:24s} {verdict:6s} {len(rows)} tensors, closest {name} {difference:.2e} (allowed {allowed:.0e})")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
