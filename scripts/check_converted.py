#!/usr/bin/env python3
"""Convert networks that mmsegmentation publishes, at full size, and compare their logits with PyTorch's.

    check_converted.py [NAME ...] [--binary target/release/upernet] [--time]   # no NAME: all; --list

Each network is built with random weights, by transformers or, a ViT, by goldens/mmseg_vit.py, and
saved as mmsegmentation saves its own: a `.pth` under its names. `upernet convert` makes a folder of
that, told nothing but the tensors, and `upernet forward` runs it on one image of the crop's size. All
logits must agree within 1e-3 x max(1, max|expected|), and the classes of 99.99 % of the pixels. Exit
status 1 if one does not.

Names, crops and widths are those of mmsegmentation's `configs` (its model zoo has the weights). Needs
scripts/requirements.txt and up to 12 GB of memory.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch
from goldens import mmseg_vit
from goldens.cases import Case, beit, deep_stem, resnet, swin
from goldens.dialects import mmseg_state
from goldens.weights import build, generator
from make_dialect_fixtures import mae_state
from safetensors.torch import load_file, save_file

ALLOWED = 1e-3
OTHER_CLASS = 1e-4
R50 = (3, 4, 6, 3)
R101 = (3, 4, 23, 3)


def of_resnet(depths, size, classes):
    backbone = resnet(64, (256, 512, 1024, 2048), depths)
    return deep_stem(Case(backbone, size, 1, head=head(512, classes)))


def of_beit(width, layers, heads, out_stages, side, **more):
    backbone = beit(
        width,
        layers,
        heads,
        out_stages,
        image_size=side,
        patch_size=16,
        layer_norm_eps=1e-6,
        use_relative_position_bias=True,
        **more,
    )
    return Case(backbone, (side, side), 1, head=head(width, 150))


@dataclass
class OfVit:
    """A ViT as mmsegmentation has it, which transformers has not."""

    width: int
    heads: int
    has_neck: bool
    final_norm: bool
    size: tuple[int, int] = (512, 512)


def head(hidden_size, classes):
    return dict(hidden_size=hidden_size, auxiliary_channels=256, num_labels=classes)


def of_swin(window):
    backbone = swin(128, (2, 2, 18, 2), (4, 8, 16, 32), window)
    return Case(backbone, (512, 512), 1, head=head(512, 150))


SWIN_B = "upernet_swin_base_patch4_{}_512x512_160k_ade20k_pretrain_{}_1K"
NETWORKS = {
    SWIN_B.format("window7", "224x224"): lambda: of_swin(7),
    SWIN_B.format("window12", "384x384"): lambda: of_swin(12),
    "upernet_r50_512x512_160k_ade20k": lambda: of_resnet(R50, (512, 512), 150),
    "upernet_r101_512x512_160k_ade20k": lambda: of_resnet(R101, (512, 512), 150),
    "upernet_r50_512x1024_80k_cityscapes": lambda: of_resnet(R50, (512, 1024), 19),
    "upernet_r101_512x1024_80k_cityscapes": lambda: of_resnet(R101, (512, 1024), 19),
    "upernet_r50_769x769_80k_cityscapes": lambda: of_resnet(R50, (769, 769), 19),
    "upernet_r101_769x769_80k_cityscapes": lambda: of_resnet(R101, (769, 769), 19),
    "upernet_r50_512x512_40k_voc12aug": lambda: of_resnet(R50, (512, 512), 21),
    "upernet_r101_512x512_40k_voc12aug": lambda: of_resnet(R101, (512, 512), 21),
    "upernet_beit-base_8x2_640x640_160k_ade20k": lambda: of_beit(768, 12, 12, (4, 6, 8, 12), 640),
    "upernet_beit-large_fp16_8x1_640x640_160k_ade20k": lambda: of_beit(
        1024, 24, 16, (8, 12, 16, 24), 640
    ),
    "upernet_mae-base_fp16_8x2_512x512_160k_ade20k": lambda: of_beit(
        768, 12, 12, (4, 6, 8, 12), 512, use_absolute_position_embeddings=True
    ),
    "upernet_vit-b16_mln_512x512_160k_ade20k": lambda: OfVit(768, 12, True, False),
    "upernet_vit-b16_ln_mln_512x512_160k_ade20k": lambda: OfVit(768, 12, True, True),
    "upernet_deit-s16_512x512_160k_ade20k": lambda: OfVit(384, 6, False, False),
    "upernet_deit-s16_mln_512x512_160k_ade20k": lambda: OfVit(384, 6, True, False),
    "upernet_deit-s16_ln_mln_512x512_160k_ade20k": lambda: OfVit(384, 6, True, True),
    "upernet_deit-b16_512x512_160k_ade20k": lambda: OfVit(768, 12, False, False),
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--binary", default="target/release/upernet")
    parser.add_argument(
        "--time", action="store_true",
        help="beside PyTorch, and ONNX Runtime on our export: the median of five passes after one",
    )
    options = parser.parse_args()
    if options.list:
        print(*NETWORKS, sep="\n")
        return 0
    torch.set_num_threads(2)
    failed = 0
    for name in options.names or NETWORKS:
        with tempfile.TemporaryDirectory() as folder:
            failed += not check(name, NETWORKS[name](), Path(folder), options)
    return 1 if failed else 0


def network(name, spec):
    """The network, and what mmsegmentation saves of it."""
    if isinstance(spec, OfVit):
        vit = mmseg_vit.Vit(
            spec.width, spec.heads, 4 * spec.width, 16, 32, (2, 5, 8, 11), spec.final_norm
        )
        made = spec.width if spec.has_neck else None
        model = mmseg_vit.build_network(name, vit, made, **head(512, 150))
        return model, mmseg_vit.stored_state(model)
    built = build(name, spec)
    state = mmseg_state(built.canonical, built.config)
    if "_mae-" in name:
        state = mae_state(state, built.model)
    return built.model, state


def check(name, spec, folder, options) -> bool:
    binary = options.binary
    model, state = network(name, spec)
    torch.save({"meta": {}, "state_dict": state}, folder / f"{name}.pth")
    pixels = torch.randn(1, 3, *spec.size, generator=generator(name, "pixel_values"))
    save_file({"pixel_values": pixels}, folder / "input.safetensors")
    parameters = sum(value.numel() for value in model.parameters())
    with torch.no_grad():
        expected = model.eval()(pixels).logits
        torch_seconds = median_seconds(lambda: model(pixels)) if options.time else None
    del model, state

    subprocess.run([binary, "convert", folder / f"{name}.pth", folder / "made", "-q"],
                   check=True, stdout=subprocess.DEVNULL)
    command = [binary, "forward", "--model", folder / "made", "-q"]
    command += ["--input", folder / "input.safetensors", "--output", folder / "output.safetensors"]
    subprocess.run(command, check=True)
    found = load_file(folder / "output.safetensors")["logits"]
    difference = ((found - expected).abs().max() / expected.abs().max().clamp(min=1)).item()
    other = (found.argmax(1) != expected.argmax(1)).float().mean().item()
    good = difference <= ALLOWED and other <= OTHER_CLASS
    print(f"{name}: {parameters:,} parameters, logits {difference:.1e}, "
          f"another class at {other:.1e} of the pixels: {'ok' if good else 'FAILED'}", flush=True)
    if options.time:
        ours, theirs = our_seconds(folder, spec, binary), onnx_seconds(folder, pixels, binary)
        print(f"    PyTorch {torch_seconds:.2f} s, ONNX Runtime {theirs:.2f} s, ours {ours:.2f} s",
              flush=True)
    return good


def our_seconds(folder, spec, binary) -> float:
    size = "x".join(map(str, spec.size))
    command = [binary, "bench", "--model", folder / "made", "--size", size, "--json", "-q"]
    bench = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(bench.stdout)["results"][0]["seconds"]["total"]["median"]


def onnx_seconds(folder, pixels, binary) -> float:
    import onnxruntime

    size = "x".join(map(str, pixels.shape[2:]))
    command = [binary, "export", "onnx", "--model", folder / "made", "--size", size]
    command += ["--out", folder / "made.onnx", "-q"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 2
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(folder / "made.onnx", settings, providers=providers)
    feed = {"pixel_values": pixels.numpy()}
    return median_seconds(lambda: session.run(["logits"], feed))


def median_seconds(run) -> float:
    run()
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


if __name__ == "__main__":
    sys.exit(main())
