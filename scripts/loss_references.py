"""Writes testdata/losses/references.json: losses and their gradients, for the tests of upernet-train.

    python scripts/loss_references.py [OUT]        # default OUT: testdata/losses/references.json

Needs torch and numpy; the versions used are in the file. Everything is computed in float64 from logits that
float32 holds exactly and from fixed seeds, so a second run with the same versions changes no byte. Gradients are
autograd's, with respect to the logits before they are resized.

The cross-entropy is torch's own. The others restate their source, each cited, in as few lines as say the same.
"""
import json
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

IGNORED = 255
CLASSES = 5
WEIGHTS = [0.5, 2.0, 1.0, 0.25, 3.0]


def cross_entropy(logits, labels, weights, label_smoothing=0.0):
    return F.cross_entropy(logits, labels, weight=weights, ignore_index=IGNORED, label_smoothing=label_smoothing)


def ohem(logits, labels, weights, threshold=0.7, min_kept=100_000):
    """mmsegmentation `OHEMPixelSampler.sample` (commit 230246f) with `thresh`, then its `CrossEntropyLoss` with
    `avg_non_ignore=True` and the sampler's result as the pixel weight. One deviation: with no more labelled pixels than
    are to be kept, all are."""
    counting = labels != IGNORED
    safe = labels.where(counting, 0)
    least = min_kept * labels.shape[0]
    with torch.no_grad():
        probability = F.softmax(logits, 1).gather(1, safe[:, None])[:, 0]
        ordered = probability[counting].sort().values
        limit = torch.inf if len(ordered) <= least else max(ordered[least].item(), threshold)
        kept = (counting & (probability < limit)).double()
    losses = F.cross_entropy(logits, labels, weight=weights, ignore_index=IGNORED, reduction="none")
    counted = counting.double() if weights is None else weights[safe] * counting
    return (losses * kept).sum() / counted.sum()


def dice(logits, labels, weights, smooth=1.0, exponent=2.0):
    """mmsegmentation `dice_loss.py` (commit 0c87f7a), `binary_dice_loss` for each class, with `valid_mask` in the
    denominator too; Milletari and others 2016 (arXiv 1606.04797), section 3."""
    counting = (labels != IGNORED).double()
    probability = F.softmax(logits, 1)
    losses = []
    for c in range(CLASSES):
        p, t = (probability[:, c] * counting).flatten(1), (labels == c).double().flatten(1)
        losses.append(1 - (2 * (p * t).sum(1) + smooth) / ((p**exponent + t**exponent).sum(1) + smooth))
    return torch.stack(losses).mean()


def focal(logits, labels, weights, gamma=2.0, alpha=None):
    """Lin and others 2017 (arXiv 1708.02002), equation 5, over a softmax; alpha is the class weights if not given."""
    counting = labels != IGNORED
    factor = torch.tensor(alpha, dtype=torch.float64) if alpha is not None else weights
    log_p = F.log_softmax(logits, 1).permute(0, 2, 3, 1)[counting]
    y = labels[counting]
    log_pt = log_p.gather(1, y[:, None])[:, 0]
    losses = -((1 - log_pt.exp()) ** gamma) * log_pt
    return (losses if factor is None else factor[y] * losses).mean()


def lovasz(logits, labels, weights):
    """Berman and others 2018 (arXiv 1705.08790): algorithm 1 for the weights, section 3.2 for errors and mean, over the
    classes that are present, the whole batch as one image."""
    counting = labels != IGNORED
    probability = F.softmax(logits, 1).permute(0, 2, 3, 1)[counting]
    y = labels[counting]
    losses = []
    for c in y.unique():
        member = (y == c).double()
        errors, order = (member - probability[:, c]).abs().sort(descending=True)
        member = member[order]
        jaccard = 1 - (member.sum() - member.cumsum(0)) / (member.sum() + (1 - member).cumsum(0))
        losses.append(errors @ torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]]))
    return torch.stack(losses).mean()


KINDS = {f.__name__: f for f in (cross_entropy, ohem, dice, focal, lovasz)}

# Name, terms as the config writes them, class weights.
CASES = [
    ("cross_entropy", [{"kind": "cross_entropy"}], None),
    ("cross_entropy_weights", [{"kind": "cross_entropy"}], WEIGHTS),
    ("cross_entropy_smoothing", [{"kind": "cross_entropy", "label_smoothing": 0.1}], None),
    ("cross_entropy_weights_smoothing", [{"kind": "cross_entropy", "label_smoothing": 0.25}], WEIGHTS),
    ("ohem_threshold", [{"kind": "ohem", "threshold": 0.5, "min_kept": 10}], None),
    ("ohem_min_kept", [{"kind": "ohem", "threshold": 0.05, "min_kept": 40}], None),
    ("ohem_weights", [{"kind": "ohem", "threshold": 0.4, "min_kept": 60}], WEIGHTS),
    ("ohem_all_kept", [{"kind": "ohem"}], None),
    ("dice", [{"kind": "dice"}], None),
    ("dice_smooth_exponent", [{"kind": "dice", "smooth": 0.1, "exponent": 1.0}], None),
    ("focal", [{"kind": "focal"}], None),
    ("focal_weights", [{"kind": "focal", "gamma": 0.5}], WEIGHTS),
    ("focal_alpha", [{"kind": "focal", "gamma": 1.5, "alpha": [0.25, 1.0, 0.75, 0.5, 0.1]}], WEIGHTS),
    ("lovasz", [{"kind": "lovasz"}], None),
    ("sum", [{"kind": "cross_entropy", "weight": 0.5, "label_smoothing": 0.1}, {"kind": "dice", "weight": 2.0},
             {"kind": "focal"}, {"kind": "lovasz", "weight": 0.75}], WEIGHTS),
]


def batch():
    """Two images; class 3 occurs in the second alone, class 4 nowhere, and a corner and some dots are ignored."""
    rng = np.random.RandomState(4)
    logits = (rng.standard_normal((2, CLASSES, 4, 6)) * 2).astype(np.float32)
    labels = rng.randint(0, 3, (2, 13, 11))
    labels[1, 4:9, 3:10] = 3
    labels[0, :5, :4] = IGNORED
    labels[rng.random_sample(labels.shape) < 0.05] = IGNORED
    return logits, labels


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else "testdata/losses/references.json"
    logits, labels = batch()
    y = torch.tensor(labels)
    cases = []
    for name, terms, weights in CASES:
        leaf = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
        resized = F.interpolate(leaf, size=y.shape[1:], mode="bilinear", align_corners=False)
        w = None if weights is None else torch.tensor(weights, dtype=torch.float64)
        loss = 0
        for term in terms:
            settings = {key: value for key, value in term.items() if key not in ("kind", "weight")}
            loss = loss + term.get("weight", 1.0) * KINDS[term["kind"]](resized, y, w, **settings)
        loss.backward()
        cases.append({"name": name, "terms": terms, "class_weights": weights, "loss": loss.item(),
                      "gradient": leaf.grad.flatten().tolist()})
    os.makedirs(os.path.dirname(out) or ".", exist_ok=True)
    with open(out, "w") as file:
        # One case a line.
        head = {"versions": {"torch": torch.__version__, "numpy": np.__version__}, "ignore_index": IGNORED,
                "logits_dims": list(logits.shape), "logits": [float(value) for value in logits.flatten()],
                "labels_dims": list(labels.shape), "labels": [int(value) for value in labels.flatten()]}
        lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
        rows = ",\n".join(json.dumps(case) for case in cases)
        file.write("{\n" + ",\n".join(lines) + ',\n"cases": [\n' + rows + "\n]\n}\n")


if __name__ == "__main__":
    main()
