#!/usr/bin/env python3
"""Scores a model folder on a dataset with PyTorch and transformers: what `upernet eval` says, from the other side.

    .venv/bin/python scripts/score_in_python.py MODEL DATA [--split validation] [--least MIOU]

MODEL is a folder that `upernet train` wrote (runs/NAME/best), loaded by transformers as it is. DATA is laid out as
ADE20K is, with class ids from 0 and 255 for "ignore". Photos go through the model's own processor; logits are
brought to the photo's size, as `post_process_semantic_segmentation` does.

Convention, as in mmsegmentation: one confusion matrix over all pixels of the split, pixels annotated 255 left out, a
class that neither side has is skipped in the mean. With --least it fails below that mIoU, in percent.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from PIL import Image
from transformers import SegformerImageProcessor, UperNetForSemanticSegmentation

IGNORED = 255


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="validation")
    parser.add_argument("--least", type=float, default=0.0)
    arguments = parser.parse_args()

    model, report = UperNetForSemanticSegmentation.from_pretrained(
        arguments.model, output_loading_info=True
    )
    unknown = sorted(report["unexpected_keys"]) + sorted(report["missing_keys"])
    if unknown:
        print(f"{arguments.model}: keys that do not fit: {', '.join(unknown)}", file=sys.stderr)
        return 1
    model.eval()
    processor = SegformerImageProcessor.from_pretrained(arguments.model)
    classes = model.config.num_labels
    matrix = np.zeros((classes, classes), np.int64)
    annotations = sorted((arguments.data / "annotations" / arguments.split).glob("*.png"))
    if not annotations:
        print(f"{arguments.data}: no annotations of {arguments.split}", file=sys.stderr)
        return 3
    for annotation in annotations:
        photos = (arguments.data / "images" / arguments.split).glob(annotation.stem + ".*")
        photo = Image.open(next(photos)).convert("RGB")
        truth = np.array(Image.open(annotation)).astype(np.int64)
        with torch.no_grad():
            output = model(**processor(photo, return_tensors="pt"))
        labels = processor.post_process_semantic_segmentation(output, [photo.size[::-1]])[0].numpy()
        counted = truth != IGNORED
        pairs = truth[counted] * classes + labels[counted]
        matrix += np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)

    hits, truths, found = np.diag(matrix), matrix.sum(1), matrix.sum(0)
    unions = truths + found - hits
    present = unions > 0
    ious = 100 * hits[present] / unions[present]
    for name, iou in zip(np.array(list(model.config.id2label.values()))[present], ious):
        print(f"{name:<16}{iou:6.2f}")
    print(f"mIoU {ious.mean():.2f}  aAcc {100 * hits.sum() / matrix.sum():.2f}  {len(annotations)} images")
    return 0 if ious.mean() >= arguments.least else 1


if __name__ == "__main__":
    sys.exit(main())
