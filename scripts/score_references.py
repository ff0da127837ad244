#!/usr/bin/env python3
"""Writes crates/upernet-data/testdata/scores.json: what others make of two small label maps.

    python scripts/score_references.py [OUT]

The maps come from a fixed seed and stand in the file, one letter a pixel ("." is 255, ignored), so the
Rust tests need no Python. Scores come from scikit-learn and torchmetrics where they have them, else
from mmsegmentation's formulas in numpy; outlines from OpenCV's and SciPy's erosion, and where pixels
are ignored, which neither knows, from looking at every window. Where two sources give the same score
the script stops if they differ. A second run with the same versions changes no byte.
"""
# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "numpy==2.4.6", "opencv-python-headless==5.0.0.93", "scikit-learn==1.9.1", "scipy==1.17.1",
#   "torch==2.15.0", "torchmetrics==1.9.0",
# ]
# ///

import json
import math
import sys
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy import ndimage
from sklearn import metrics
from sklearn.utils.class_weight import compute_class_weight
from torchmetrics.functional import jaccard_index

LABELS = 8
IGNORED = 255
LETTERS = {**{label: str(label) for label in range(LABELS)}, IGNORED: "."}


def main():
    default = Path(__file__).parent.parent / "crates/upernet-data/testdata/scores.json"
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    maps = [label_maps(seed, size) for seed, size in [(1, (23, 31)), (2, (40, 57))]]
    packages = ["numpy", "opencv-python-headless", "scikit-learn", "scipy", "torch", "torchmetrics"]
    references = {
        "versions": {name: version(name) for name in packages},
        "num_labels": LABELS,
        "maps": [{"truth": letters(truth), "predicted": letters(guess)} for truth, guess in maps],
        "confusion": confusion(maps).tolist(),
        "skip": skip_scores(maps),
        "zero": zero_scores(maps),
        "boundary": [boundary(maps, ratio) for ratio in (0.02, 0.05)],
        "boundary_everything_counts": [boundary_of_masks(maps, ratio) for ratio in (0.02, 0.05)],
        "weights": weights([truth for truth, _ in maps]),
    }
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(references, indent=1) + "\n")
    print(out, out.stat().st_size, "bytes")


def label_maps(seed, size):
    """A truth of blobs, and a prediction that is its blobs displaced, with specks.

    Class 3 is in the second truth only. 4 is true and predicted, but never in one place; 5 is nowhere;
    6 is predicted and never true; 7 is true and never predicted.
    """
    random = np.random.default_rng(seed)
    height, width = size
    centers = random.uniform(0, 1, (14, 2)) * size
    classes = np.array([0, 1, 2, 7, 4, 0, 1, 2, 3 if seed == 2 else 0, 1, 0, 2, 1, 0])
    rows, columns = np.mgrid[:height, :width]

    def blobs(shift):
        places = np.stack([rows + shift, columns - shift], -1)
        distances = ((places[:, :, None] - centers) ** 2).sum(-1)
        return classes[distances.argmin(-1)]

    truth, predicted = blobs(0), blobs(1.5)
    specks = random.random(size)
    predicted[specks < 0.01] = 6
    predicted[(0.01 < specks) & (specks < 0.02)] = 4
    predicted[predicted == 7] = 1
    predicted[(predicted == 4) & (truth == 4)] = 2
    truth[4:9, 11:18] = IGNORED
    truth[specks > 0.99] = IGNORED
    return truth, predicted


def letters(labels):
    return ["".join(LETTERS[label] for label in row) for row in labels.tolist()]


def counted(maps):
    """The labels of all pixels that count, in two lists."""
    truth = np.concatenate([truth.ravel() for truth, _ in maps])
    predicted = np.concatenate([predicted.ravel() for _, predicted in maps])
    return truth[truth != IGNORED], predicted[truth != IGNORED]


def confusion(maps):
    return metrics.confusion_matrix(*counted(maps), labels=range(LABELS))


def skip_scores(maps):
    """mmsegmentation's: total_area_to_metrics of mmseg/evaluation/metrics/iou_metric.py."""
    cells = confusion(maps).astype(np.float64)
    hits, truth, predicted = np.diag(cells), cells.sum(1), cells.sum(0)
    with np.errstate(invalid="ignore"):
        recall, precision = hits / truth, hits / predicted
        classes = {
            "IoU": hits / (truth + predicted - hits),
            "Acc": recall,
            "Precision": precision,
            "Dice": 2 * hits / (truth + predicted),
            "Fscore": 2 * precision * recall / (precision + recall),
        }
    means = {f"m{name}": np.nanmean(values) for name, values in classes.items() if name != "Precision"}
    accuracy = metrics.accuracy_score(*counted(maps))
    agree(accuracy, hits.sum() / cells.sum())
    # torchmetrics skips nothing in its means, but has the IoU of the classes that occur.
    occur = truth + predicted > 0
    truths, guesses = map(torch.tensor, counted(maps))
    theirs = jaccard_index(guesses, truths, task="multiclass", num_classes=LABELS, average="none")
    agree(theirs.numpy()[occur], classes["IoU"][occur], 1e-6)
    return {**means, "aAcc": accuracy, "classes": {k: listed(v) for k, v in classes.items()}}


def zero_scores(maps):
    """scikit-learn's with zero_division=0; Ultralytics' IoU is the same."""
    truth, predicted = counted(maps)
    options = {"labels": range(LABELS), "average": None, "zero_division": 0}
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(truth, predicted, **options)
    iou = metrics.jaccard_score(truth, predicted, **options)
    accuracy = metrics.accuracy_score(truth, predicted)
    classes = {"IoU": iou, "Acc": recall, "Precision": precision, "Dice": f1, "Fscore": f1}
    means = {f"m{name}": values.mean() for name, values in classes.items() if name != "Precision"}
    return {**means, "aAcc": accuracy, "classes": {k: listed(v) for k, v in classes.items()}}


def outline_width(shape, ratio):
    height, width = shape
    return max(1, int(round(ratio * np.sqrt(height**2 + width**2))))


def outline(mask, width):
    """Pixels of a mask that its erosion takes away; padded with 0, as the paper's own code does."""
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=width)[1:-1, 1:-1]
    again = ndimage.binary_erosion(mask, np.ones((3, 3)), iterations=width, border_value=0)
    agree(eroded.astype(bool), again)
    return mask & ~again


def boundary_of_masks(maps, ratio):
    """Boundary IoU summed over images, where ignored pixels are made a class like others."""
    overlaps, unions = np.zeros(LABELS), np.zeros(LABELS)
    for truth, predicted in maps:
        width = outline_width(truth.shape, ratio)
        truth = np.where(truth == IGNORED, 5, truth)
        for label in range(LABELS):
            ours, theirs = outline(truth == label, width), outline(predicted == label, width)
            overlaps[label] += (ours & theirs).sum()
            unions[label] += (ours | theirs).sum()
    return boundary_scores(ratio, overlaps, unions)


def boundary(maps, ratio):
    """Boundary IoU summed over images, where ignored pixels neither count nor make an outline."""
    overlaps, unions = np.zeros(LABELS), np.zeros(LABELS)
    for truth, predicted in maps:
        width = outline_width(truth.shape, ratio)
        known = truth != IGNORED
        ours, theirs = (seen_outline(labels, known, width) for labels in (truth, predicted))
        for label in range(LABELS):
            mine, guess = ours & (truth == label), theirs & (predicted == label)
            overlaps[label] += (mine & guess).sum()
            unions[label] += (mine | guess).sum()
    return boundary_scores(ratio, overlaps, unions)


def seen_outline(labels, known, reach):
    """Known pixels whose window leaves the image or holds a known pixel of another label."""
    height, width = labels.shape
    found = np.zeros(labels.shape, bool)
    for row in range(height):
        for column in range(width):
            top, left = row - reach, column - reach
            window = slice(max(top, 0), row + reach + 1), slice(max(left, 0), column + reach + 1)
            leaves = min(top, left, height - 1 - row - reach, width - 1 - column - reach) < 0
            others = labels[window][known[window]] != labels[row, column]
            found[row, column] = known[row, column] and (leaves or others.any())
    return found


def boundary_scores(ratio, overlaps, unions):
    with np.errstate(invalid="ignore"):
        iou = overlaps / unions
    return {"ratio": ratio, "mIoU": np.nanmean(iou), "IoU": listed(iou)}


def weights(truths):
    """Class weights; null for the classes that do not occur."""
    labels = np.concatenate([truth.ravel() for truth in truths])
    labels = labels[labels != IGNORED]
    present = np.unique(labels)
    pixels = np.array([(labels == label).sum() for label in present])
    of_images = [
        sum((truth != IGNORED).sum() for truth in truths if (truth == label).any())
        for label in present
    ]
    frequencies = pixels / np.array(of_images)
    found = {
        "inverse_frequency": compute_class_weight("balanced", classes=present, y=labels),
        "median_frequency": np.median(frequencies) / frequencies,
        "enet": np.array([1 / math.log(1.02 + count / labels.size) for count in pixels]),
    }
    spread = {name: np.full(LABELS, np.nan) for name in found}
    for name, values in found.items():
        spread[name][present] = values
    return {name: listed(values) for name, values in spread.items()}


def listed(values):
    return [None if math.isnan(value) else float(value) for value in values]


def agree(first, second, tolerance=1e-12):
    if not np.allclose(first, second, rtol=0, atol=tolerance):
        raise SystemExit(f"two sources differ: {first} and {second}")


if __name__ == "__main__":
    main()
