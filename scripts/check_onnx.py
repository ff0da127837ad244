#!/usr/bin/env python3
"""Check `upernet export onnx`: onnx.checker, ONNX Runtime and OpenVINO beside what is expected.

    check_onnx.py FOLDER [FOLDER ...] [--binary target/release/upernet] [--full NAME ...]

FOLDER is a golden folder of scripts/make_goldens.py, or a folder of such folders: each is exported
for the size of its input and for any size, checked with onnx.checker (shape inference included) and
run, at its own batch, with one image alone, and with a batch of three. Logits must agree with the
folder's within 1e-4 x max(1, max|expected|). The file for any size is run at two more sizes, beside
transformers. `--full upernet-swin-tiny` makes a checkpoint of that published size with random weights
and compares with transformers at 512 x 512 instead.

A folder whose backbone the command refuses by name is listed as such; that is no failure. Exit
status 1 if one case fails. Needs scripts/requirements.txt.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import numpy as np
import onnx
import onnxruntime
from check_forward import folders
from safetensors.numpy import load_file

ALLOWED = 1e-4
REFUSED = 4
# Operators whose meaning depends on the runtime, or which few runtimes have for every size.
UNWANTED = {"GlobalAveragePool", "AveragePool", "BatchNormalization", "InstanceNormalization"}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*")
    parser.add_argument("--binary", default="target/release/upernet")
    parser.add_argument("--full", action="append", default=[], metavar="NAME")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    failed = 0
    for folder in folders(options.folders):
        failed += not check(folder, options, golden_cases)
    for name in options.full:
        with tempfile.TemporaryDirectory() as made:
            folder = pathlib.Path(made) / name
            maker = pathlib.Path(__file__).with_name("make_full_checkpoint.py")
            subprocess.run([sys.executable, maker, name, folder], check=True)
            failed += not check(folder, options, full_cases)
    return 1 if failed else 0


def check(folder, options, cases) -> bool:
    """Whether every export of a folder gives what is expected; one line for each."""
    runs, others = cases(folder)
    height, width = runs[0][0].shape[2:]
    passed = True
    size = ["--size", f"{height}x{width}"]
    for kind, arguments, more in [
        ("fixed", size, list),
        ("any size", ["--dynamic-size"], others),
        ("beside", [*size, "--external-data"], list),
    ]:
        with tempfile.TemporaryDirectory() as out:
            path = pathlib.Path(out) / "model.onnx"
            command = [options.binary, "export", "onnx", "--model", folder, "--out", path]
            done = subprocess.run(command + arguments + ["-q"], capture_output=True, text=True)
            label = f"{folder.name:22s} {kind:8s}"
            if done.returncode == REFUSED:
                print(f"{label} refused: {done.stderr.strip()}")
                continue
            if done.returncode:
                print(f"{label} FAILED: exit status {done.returncode}: {done.stderr.strip()}")
                passed = False
                continue
            wrong, note = compare(path, runs + more(), options.threads)
            passed &= not wrong
            print(f"{label} {'FAILED' if wrong else 'ok'}: {note}", flush=True)
    return passed


def compare(path, runs, threads):
    """Whether something is wrong with an exported file, and what was found."""
    onnx.checker.check_model(path, full_check=True)
    model = onnx.load(path, load_external_data=False)
    unwanted = UNWANTED & {node.op_type for node in model.graph.node}
    notes = [f"{len(model.graph.node)} nodes"] + [f"has {name}" for name in sorted(unwanted)]
    wrong = bool(unwanted)
    for name, open_runtime in [("ONNX Runtime", open_onnxruntime), ("OpenVINO", open_openvino)]:
        run = open_runtime(path, threads)
        worst, seconds = 0.0, []
        for pixels, expected in runs:
            start = time.perf_counter()
            found = run(pixels)
            seconds.append(time.perf_counter() - start)
            assert found.shape == expected.shape, (found.shape, expected.shape)
            worst = max(worst, np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))
        # Not a number is no agreement.
        wrong |= not worst <= ALLOWED
        notes.append(f"{name} {worst:.1e} ({seconds[0]:.2f} s)")
    return wrong, ", ".join(notes)


def golden_cases(folder):
    """(pixels, logits) of a golden folder: at its own batch, alone, and three at once; then at sizes
    that divide by nothing."""
    pixels = load_file(folder / "input.safetensors")["pixel_values"]
    logits = load_file(folder / "expected.safetensors")["eval.logits"]
    three = [0, len(pixels) - 1, 0]
    runs = [(pixels, logits), (pixels[:1], logits[:1]), (pixels[three], logits[three])]
    _, channels, height, width = pixels.shape
    sizes = [(channels, height + 13, width + 6), (channels, 2 * height + 1, width + 59)]

    def others():
        network = by_transformers(folder)
        return [(x, network(x)) for x in (random_images(1, *size) for size in sizes)]

    return runs, others


def full_cases(folder):
    """(pixels, logits) of random images of 512 x 512, alone and two at once; then at another size."""
    network = by_transformers(folder)
    pixels, other = random_images(2, 3, 512, 512), random_images(1, 3, 427, 640)
    logits = network(pixels)
    return [(pixels[:1], logits[:1]), (pixels, logits)], lambda: [(other, network(other))]


def random_images(*shape):
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def by_transformers(folder):
    import torch
    from transformers import UperNetForSemanticSegmentation

    config = json.loads((folder / "config.json").read_text())
    if "variant" in config:
        is_resnet = config["variant"] == "deep_stem"
        model = (resnet_with_deep_stem if is_resnet else vit_with_neck)(folder, config).eval()
    else:
        model = UperNetForSemanticSegmentation.from_pretrained(folder).eval()

    def run(pixels):
        with torch.inference_mode():
            return model(torch.from_numpy(pixels)).logits.numpy()

    return run


def vit_with_neck(folder, config):
    """Hugging Face has no such network: that of the goldens, with the folder's weights."""
    import types

    from goldens.dialects import canonical_key
    from goldens.necks import build_network
    from safetensors.torch import load_file
    from transformers import ViTConfig

    head = ["hidden_size", "pool_scales", "num_labels", "use_auxiliary_head", "auxiliary_channels"]
    config["num_labels"] = len(config["id2label"])
    backbone = config["backbone_config"]
    spec = types.SimpleNamespace(
        backbone=ViTConfig(**backbone),
        neck={**config, **backbone},
        head={name: config[name] for name in head},
    )
    _, model = build_network(spec)
    weights = load_file(folder / "model.safetensors")
    model.load_state_dict({key: weights[canonical_key(key, False)] for key in model.state_dict()})
    return model


def resnet_with_deep_stem(folder, _):
    from goldens.deep_stem import put_deep_stem
    from safetensors.torch import load_file
    from transformers import UperNetConfig, UperNetForSemanticSegmentation

    model = UperNetForSemanticSegmentation(UperNetConfig.from_pretrained(folder))
    put_deep_stem(model)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model


def open_onnxruntime(path, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda pixels: session.run(["logits"], {"pixel_values": pixels})[0]


def open_openvino(path, threads):
    import openvino

    core = openvino.Core()
    properties = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    compiled = core.compile_model(core.read_model(path), "CPU", properties)
    return lambda pixels: compiled({"pixel_values": pixels})["logits"]


if __name__ == "__main__":
    sys.exit(main())
