#!/usr/bin/env python3
"""Makes the tiny checkpoint and its picture, for smoke tests of the command line.

    .venv/bin/python scripts/make_tiny_checkpoint.py [OUT]     # default: testdata/tiny

OUT gets a complete model folder (UPerNet on a ConvNeXt of 8 to 24 channels, random but fixed
weights, five classes), photo.jpg (a drawing, 160 x 120, no EXIF) and photo_mask.png, the class
ids that transformers gives for it. Made with the versions in requirements.txt.

The mask is compared pixel by pixel, so nothing in it may hang on a rounding:
- the drawing has cells of 8 x 8 pixels, is stored with full chroma at quality 100, and its colours
  convert from YCbCr far from a half; every sound JPEG decoder gives the same pixels;
- Pillow's and torchvision's resize, which differ by one step in places, give the same mask;
- SEED is one at which the closest decision between two classes is a clear one (printed).
`--search N` tries N seeds and prints the best.
"""

import argparse
import io
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from goldens.cases import case, convnext
from goldens.images import label_maps, preprocessor_settings, processors
from goldens.record import write_settings, write_weights
from goldens.weights import build

SEED = "tiny-292"
LABELS = ["Sky", "Road", "Tree", "Car", "Building"]
MODEL_SIZE = (96, 128)
CELL = 8
SMALLEST_MARGIN = 1e-4
REPOSITORY = Path(__file__).resolve().parent.parent

# One letter a cell: sky, cloud, sun, building, window, tree, trunk, road, line, car, tyre.
DRAWING = """
ssssssssssssssssssss
ssuussssssscccssssss
ssuusssssscccccsssss
sssssssbbbbbsssssstt
ssssssbbwbwbbssssttt
bbbbssbbbbbbbssstttt
bwbwbsbbwbwbbssttttt
bbbbbsbbbbbbbssstttt
bwbwbsbbwbwbbssssxxs
bbbbbsbbbbbbbssssxxs
rrrrrrrrrrrrrrrrrrrr
rrraaarrrrrrrraarrrr
rraaaaarrrrrraaaaarr
rrryrryrrrrrrryrryrr
llrrllrrllrrllrrllrr
"""
# Chosen so that no colour, and no mixture of two that the resize makes, is close to a rounding.
COLOURS = {
    "s": (120, 176, 227),
    "c": (247, 243, 242),
    "u": (255, 209, 87),
    "b": (161, 85, 87),
    "w": (65, 68, 85),
    "t": (55, 121, 57),
    "x": (95, 71, 33),
    "r": (90, 94, 95),
    "l": (231, 214, 220),
    "a": (189, 30, 34),
    "y": (27, 31, 32),
}


def main() -> int:
    options = parse_arguments()
    torch.set_num_threads(2)
    jpeg, pixels = draw()
    if options.search:
        search(pixels, options.search)
        return 0
    built = build_checkpoint(SEED)
    masks, margin = segment(built, pixels)
    counts = np.bincount(masks["torchvision"].ravel(), minlength=len(LABELS))
    print("pixels of each class:", dict(zip(LABELS, counts.tolist())))
    print(f"closest decision: {margin:.5f} between the logits of two classes")
    if margin < SMALLEST_MARGIN or (masks["torchvision"] != masks["pil"]).any():
        print("this seed decides some pixel by a rounding; take another", file=sys.stderr)
        return 1
    write(options.out, built, jpeg, masks["torchvision"])
    return 0


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", nargs="?", type=Path, default=REPOSITORY / "testdata" / "tiny")
    parser.add_argument("--search", type=int, metavar="N", help="try N seeds, write nothing")
    return parser.parse_args()


def draw() -> tuple[bytes, np.ndarray]:
    """The JPEG file of the drawing, and its pixels u8 [H, W, 3]."""
    for letter, colour in COLOURS.items():
        assert rounding(colour) < 0.3, f"decoders may differ on {letter}"
    cells = np.array([[COLOURS[letter] for letter in row] for row in DRAWING.split()], np.uint8)
    picture = cells.repeat(CELL, 0).repeat(CELL, 1)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=100, subsampling=0)
    return file.getvalue(), np.array(Image.open(io.BytesIO(file.getvalue())).convert("RGB"))


def rounding(colour) -> float:
    """Largest distance to a whole number, in [0, 0.5], on the way to YCbCr and back.

    Flat cells make the cosine transform exact, so the conversion is the only place where two
    decoders could round differently.
    """
    red, green, blue = colour
    exact = np.array([
        0.299 * red + 0.587 * green + 0.114 * blue,
        -0.168735892 * red - 0.331264108 * green + 0.5 * blue + 128,
        0.5 * red - 0.418687589 * green - 0.081312411 * blue + 128,
    ])
    luma, blueness, redness = np.rint(exact) - [0, 128, 128]
    back = np.array([
        luma + 1.402 * redness,
        luma - 0.344136286 * blueness - 0.714136286 * redness,
        luma + 1.772 * blueness,
    ])
    return max(np.abs(values - np.rint(values)).max() for values in (exact, back))


def build_checkpoint(seed):
    spec = case(
        convnext((8, 12, 16, 24)), MODEL_SIZE, hidden_size=16, num_labels=len(LABELS)
    )
    built = build(seed, spec)
    built.config.id2label = dict(enumerate(LABELS))
    built.config.label2id = {name: number for number, name in enumerate(LABELS)}
    built.model.eval()
    return built


def segment(built, pixels):
    """Masks u8 [H, W] after either resize, and the smallest distance of the two best logits."""
    size = {"height": MODEL_SIZE[0], "width": MODEL_SIZE[1]}
    masks, margins = {}, []
    for name, processor in processors(size=size).items():
        inputs = processor(images=Image.fromarray(pixels), return_tensors="pt")
        with torch.no_grad():
            logits = built.model(**inputs).logits
        masks[name] = label_maps(logits, [pixels.shape[:2]])[0].numpy().astype(np.uint8)
        resized = F.interpolate(logits, pixels.shape[:2], mode="bilinear", align_corners=False)
        best = resized[0].topk(2, dim=0).values
        margins.append((best[0] - best[1]).min().item())
    return masks, min(margins)


def search(pixels, count):
    found = []
    for number in range(count):
        seed = f"tiny-{number}"
        masks, margin = segment(build_checkpoint(seed), pixels)
        areas = np.bincount(masks["torchvision"].ravel(), minlength=len(LABELS))
        classes = int((areas > 0.03 * areas.sum()).sum())
        if classes >= 4 and (masks["torchvision"] == masks["pil"]).all():
            found.append((margin, seed, areas.tolist()))
    for entry in sorted(found, reverse=True)[:8]:
        print(*entry)


def write(out: Path, built, jpeg, mask):
    out.mkdir(parents=True, exist_ok=True)
    write_weights(built, "hub", out)
    (out / "model.safetensors").chmod(0o644)
    write_settings(built.config, out, preprocessor_settings(MODEL_SIZE))
    (out / "photo.jpg").write_bytes(jpeg)
    Image.fromarray(mask).save(out / "photo_mask.png", optimize=True)
    total = sum(path.stat().st_size for path in out.iterdir())
    print(f"{out}: {total} bytes")


if __name__ == "__main__":
    sys.exit(main())
