#!/usr/bin/env python3
"""Scores a folder of PNG masks against annotations in CamVid's (ADE20K's) layout.

    score_camvid.py MASKS DATA [--split validation]

MASKS holds one `<stem>.png` of class ids for each annotation in DATA/annotations/SPLIT; further
files (overlays) are not looked at. DATA/id2label.json names the classes.

Convention, as in mmsegmentation: one confusion matrix over all pixels of the split, pixels
annotated 255 left out, a class that neither side has is skipped in the means. Independent of the
project's own `upernet eval`, which it checks.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

IGNORED = 255


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("masks", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="validation")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    labels = json.loads((options.data / "id2label.json").read_text())
    names = [labels[str(number)] for number in range(len(labels))]
    annotations = sorted((options.data / "annotations" / options.split).glob("*.png"))
    if not annotations:
        print("no annotations in", options.data / "annotations" / options.split, file=sys.stderr)
        return 1
    confusion = np.zeros((len(names), len(names)), np.int64)
    for annotation in annotations:
        mask = options.masks / annotation.name
        if not mask.exists():
            print("no mask", mask, file=sys.stderr)
            return 1
        confusion += compare(read_ids(annotation), read_ids(mask), len(names), mask)
    report(confusion, names, len(annotations), options.json)
    return 0


def read_ids(path: Path) -> np.ndarray:
    """Class ids [H, W]; the index itself where the file has a palette."""
    image = Image.open(path)
    if image.mode not in ("L", "P", "I;16"):
        raise SystemExit(f"{path}: mode {image.mode} carries colours, not class ids")
    return np.asarray(image)


def compare(annotated, predicted, classes, mask) -> np.ndarray:
    """Pixel counts [classes, classes], annotated by row, predicted by column."""
    if annotated.shape != predicted.shape:
        raise SystemExit(f"{mask}: {predicted.shape}, its annotation has {annotated.shape}")
    valid = annotated != IGNORED
    annotated, predicted = annotated[valid].astype(np.int64), predicted[valid].astype(np.int64)
    if predicted.size and max(annotated.max(), predicted.max()) >= classes:
        raise SystemExit(f"{mask}: a class id beyond {classes - 1}")
    cells = np.bincount(annotated * classes + predicted, minlength=classes * classes)
    return cells.reshape(classes, classes)


def report(confusion, names, images, as_json):
    hits = np.diag(confusion).astype(np.float64)
    annotated, predicted = confusion.sum(1), confusion.sum(0)
    with np.errstate(invalid="ignore"):
        iou = 100 * hits / (annotated + predicted - hits)
        accuracy = 100 * hits / annotated
    scores = {
        "mIoU": np.nanmean(iou),
        "mAcc": np.nanmean(accuracy),
        "aAcc": 100 * hits.sum() / confusion.sum(),
    }
    if as_json:
        per_class = {n: None if np.isnan(v) else v for n, v in zip(names, iou.tolist())}
        print(json.dumps({**scores, "images": images, "IoU": per_class}))
        return
    for name, values in zip(names, zip(iou, accuracy)):
        print(f"{name:12s} IoU {values[0]:6.2f}  Acc {values[1]:6.2f}")
    print(f"{images} images:", "  ".join(f"{key} {value:.2f}" for key, value in scores.items()))


if __name__ == "__main__":
    sys.exit(main())
