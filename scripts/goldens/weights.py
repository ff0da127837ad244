"""A value for every tensor of a model, from its name alone.

The generator of a tensor is seeded by (seed name, canonical key), never by the order in which a
library builds its modules: every version of transformers, and every reader of this file, gets the
same weights. The seed name is the case's name, with a salt in front where one is asked for.
"""

import math
import zlib
from dataclasses import dataclass

import torch
from transformers import UperNetConfig, UperNetForSemanticSegmentation

from .cases import Case
from .deep_stem import put_deep_stem
from .dialects import canonical_key, with_joined_gates
from .necks import build_network

DERIVED = ("relative_position_index", "relative_coords_table")


@dataclass
class Built:
    """A filled model: its config, itself, library key -> canonical key, canonical tensors."""

    config: UperNetConfig
    model: UperNetForSemanticSegmentation
    names: dict[str, str]
    canonical: dict[str, torch.Tensor]


def generator(*what) -> torch.Generator:
    return torch.Generator().manual_seed(zlib.crc32("|".join(map(str, what)).encode()))


def fill(seed: str, key: str, tensor: torch.Tensor) -> torch.Tensor:
    """The value of the tensor named `key`; nothing is left at a value that hides an omission."""
    source = generator(seed, key)

    def normal(scale=1.0):
        return torch.randn(tensor.shape, generator=source) * scale

    leaf = key.rsplit(".", 1)[-1]
    if leaf == "num_batches_tracked":
        return torch.tensor(5, dtype=tensor.dtype)
    if leaf == "running_mean":
        return normal(0.2)
    if leaf == "running_var":
        return 0.5 + torch.rand(tensor.shape, generator=source)
    if leaf == "relative_position_bias_table":
        return normal(0.7)
    if leaf in ("layer_scale_parameter", "gamma", "lambda_1", "lambda_2"):
        return 0.6 + normal(0.2)
    if leaf in ("position_embeddings", "cls_token", "mask_token"):
        return normal(0.3)
    if leaf == "logit_scale":
        value = math.log(10) + normal(0.3)
        if ".layers.0.blocks.0." in key:
            # Above the clamp at log(100); in one head only, as a scale of 100 amplifies rounding.
            value.view(-1)[0] = 5.0
        return value
    if ".grn." in key:
        return normal(0.4)
    if leaf == "bias":
        return normal(0.1)
    if tensor.dim() <= 1:  # the weight of a norm
        return 1.0 + normal(0.2)
    return normal(1.0 / math.sqrt(tensor[0].numel()))


def build(seed: str, spec: Case) -> Built:
    """The model of a case with seeded weights, attention in its plain ("eager") form."""
    if spec.neck:
        config, model = build_network(spec)
    else:
        config = UperNetConfig(backbone_config=spec.backbone, **spec.head)
        model = UperNetForSemanticSegmentation(config)
    if spec.deep_stem:
        put_deep_stem(model)
    model.backbone.config._attn_implementation = "eager"
    is_swin = config.backbone_config.model_type == "swin"
    names = {
        key: canonical_key(key, is_swin)
        for key in model.state_dict()
        if not key.endswith(DERIVED)
    }
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            if key in names:
                tensor.copy_(fill(seed, names[key], tensor))
    return Built(config, model, names, canonical_state(model, names))


def canonical_state(model, names: dict[str, str]) -> dict[str, torch.Tensor]:
    """The model's tensors under their canonical names."""
    return with_joined_gates(
        {
            names[key]: tensor.detach().clone().contiguous()
            for key, tensor in model.state_dict().items()
            if key in names
        }
    )
