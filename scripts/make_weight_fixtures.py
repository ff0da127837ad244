#!/usr/bin/env python3
"""Writes the small weight files that crates/upernet-hf/tests/weights_pytorch.rs reads.

    python scripts/make_weight_fixtures.py testdata/weights

Made with torch 2.15.0 (any from 1.6 on writes the same structure). Values count from 0 in each
tensor's own order, so that the tests can state them by a formula. Nothing here is trained.
"""

import argparse
import collections
import io
import os
import pickle
import sys
import types
import zipfile

import numpy
import torch


def counting(*shape, dtype=torch.float32):
    count = 1
    for side in shape:
        count *= side
    return torch.arange(count, dtype=torch.float32).reshape(shape).to(dtype)


def all_dtypes():
    """One contiguous tensor of each type, as f32 values 0, 1, 2, ..."""
    return {
        "double": counting(2, 3, dtype=torch.float64),
        "float": counting(2, 3),
        "half": counting(2, 3, dtype=torch.float16),
        "bfloat16": counting(2, 3, dtype=torch.bfloat16),
        "long": counting(2, 3, dtype=torch.int64),
        "int": counting(2, 3, dtype=torch.int32),
        "short": counting(2, 3, dtype=torch.int16),
        "char": counting(2, 3, dtype=torch.int8),
        "byte": counting(2, 3, dtype=torch.uint8),
        "bool": torch.tensor([True, False]),
        "scalar": torch.tensor(7, dtype=torch.int64),
        "empty": torch.zeros(0, 4),
        "not_finite": torch.tensor([float("nan"), float("inf"), -0.0]),
    }


def views():
    """Tensors that share one storage, and whose elements lie in other orders than row-major."""
    base = counting(4, 6)
    return collections.OrderedDict(
        base=base,
        transposed=base.t(),
        columns=base[:, 1:6:2],
        tail=base[2:],
        element=base[3, 5],
        permuted=counting(2, 3, 4).permute(2, 0, 1),
    )


def module():
    """A module's own state dictionary: parameters, buffers, and its version metadata."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2))
    with torch.no_grad():
        for tensor in net.state_dict().values():
            tensor.copy_(counting(*tensor.shape))
    return net.state_dict()


class Malicious:
    """Unpickling this runs a command; a reader that only reads weights must not."""

    def __reduce__(self):
        return os.system, ("touch weights_fixture_was_run",)


def training():
    """What mmengine and the authors' scripts keep beside the weights: settings and logged numbers."""
    package = types.ModuleType("mmengine.logging.history_buffer")

    class HistoryBuffer:
        pass

    HistoryBuffer.__module__, HistoryBuffer.__qualname__ = package.__name__, "HistoryBuffer"
    package.HistoryBuffer = HistoryBuffer
    for name in ("mmengine", "mmengine.logging"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules[package.__name__] = package
    losses = HistoryBuffer()
    losses.values = numpy.array([0.5, 0.25])
    losses.smoothed = numpy.float64(0.375)
    return {
        "meta": {"dataset_meta": {"classes": ["road", "sky"]}, "args": argparse.Namespace(lr=0.1)},
        "message_hub": {"log_scalars": {"loss": losses}, "step": 5},
        "state_dict": collections.OrderedDict(weight=counting(2, 3)),
    }


def compressed(data):
    """The same archive with its entries compressed, which torch.save never does."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
            for entry in source.infolist():
                target.writestr(entry.filename, source.read(entry))
    return packed.getvalue()


def saved(value, **options):
    data = io.BytesIO()
    torch.save(value, data, **options)
    return data.getvalue()


def main(folder):
    os.makedirs(folder, exist_ok=True)
    files = {
        "dtypes.bin": saved(all_dtypes()),
        "views.bin": saved(views()),
        "module.bin": saved(module()),
        "protocol4.bin": saved(all_dtypes(), pickle_protocol=4),
        "parameter.bin": saved({"weight": torch.nn.Parameter(counting(2, 3))}),
        "nested.bin": saved({
            "meta": {"epoch": 3, "loss": 0.25, "classes": ("road", "sky"), "seed": 2**80},
            "state_dict": collections.OrderedDict(weight=counting(2, 3)),
            "optimizer": {"state": {0: {"step": 5, "exp_avg": counting(2, 3)}}, "groups": [None]},
        }),
        "training.bin": saved(training()),
        "average.bin": saved({"epoch": 3, "model_ema": {"weight": counting(2, 3)}}),
        "averages.bin": saved({
            "model_ema": {"weight": counting(2, 3) + 10},
            "model": {"weight": counting(2, 3)},
            "teacher": {"weight": counting(2, 3) + 20},
        }),
        "object_inside.bin": saved({"weight": argparse.Namespace(lr=0.1)}),
        "expanded.bin": saved({"weight": counting(1, 3).expand(1000, 3)}),
        "negated.bin": saved({"weight": torch._neg_view(counting(2))}),
        "malicious.bin": saved({"weight": counting(2, 3), "surprise": Malicious()}),
        "whole_module.bin": saved(torch.nn.Linear(1, 1)),
        "list.bin": saved([counting(2, 3)]),
        "text_inside.bin": saved({"weight": counting(2, 3), "note": "not a tensor"}),
        "legacy.bin": saved({"weight": counting(2, 3)}, _use_new_zipfile_serialization=False),
        "legacy_views.bin": saved(views(), _use_new_zipfile_serialization=False),
        "compressed.bin": compressed(saved({"weight": counting(2, 3)})),
        "plain_pickle.bin": pickle.dumps({"weight": [1.0, 2.0]}),
    }
    for name, data in files.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
    print(f"{len(files)} files, {sum(map(len, files.values()))} bytes, torch {torch.__version__}")


if __name__ == "__main__":
    main(sys.argv[1])
