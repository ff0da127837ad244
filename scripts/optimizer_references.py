"""Writes testdata/optimizers/references.json: steps of torch's optimisers, for the tests of upernet-train.

    python scripts/optimizer_references.py [OUT]        # default OUT: testdata/optimizers/references.json

Needs torch; its version is in the file. Weights and gradients are drawn from a fixed seed and rounded to float32,
which holds them exactly; the steps are float64. Each case is one tensor, a rate for each step and the weights after
each step. One gradient is zero and one is large, for the number in AdamW's denominator and for its second moment.
"""
import json
import os
import sys

import torch

CASES = {
    "adamw": lambda p: torch.optim.AdamW([p], betas=(0.9, 0.999), eps=1e-8, weight_decay=0.05),
    "adamw-plain": lambda p: torch.optim.AdamW([p], betas=(0.8, 0.99), eps=1e-3, weight_decay=0.0),
    "sgd": lambda p: torch.optim.SGD([p], lr=1.0, momentum=0.9, weight_decay=0.05),
    "sgd-plain": lambda p: torch.optim.SGD([p], lr=1.0),
}
RATES = [1e-3, 2e-3, 1.5e-3, 1e-3, 5e-4]
SHAPE = (3, 4)


def case(name):
    generator = torch.Generator().manual_seed(list(CASES).index(name) + 1)
    draw = lambda: torch.randn(SHAPE, generator=generator).double()
    weights = draw().requires_grad_()
    optimizer = CASES[name](weights)
    start, steps = weights.detach().flatten().tolist(), []
    for number, rate in enumerate(RATES):
        gradient = draw()
        gradient[0, 0] = 0.0
        gradient[1, 1] *= 100.0 if number == 2 else 1.0
        weights.grad = gradient
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        steps.append({"rate": rate, "gradient": gradient.flatten().tolist(), "after": weights.detach().flatten().tolist()})
    return {"shape": SHAPE, "start": start, "steps": steps}


def main():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(root, "testdata", "optimizers", "references.json")
    os.makedirs(os.path.dirname(out), exist_ok=True)
    content = {"torch": torch.__version__, "cases": {name: case(name) for name in CASES}}
    with open(out, "w") as file:
        json.dump(content, file, indent=1)
        file.write("\n")


main()
