#!/usr/bin/env python3
"""Makes tiny image classifiers, and the feature maps that transformers takes out of them.

    .venv/bin/python scripts/make_backbone_fixtures.py [OUT]     # default: testdata/backbones

OUT/swin, OUT/swinv2, OUT/convnext, OUT/convnextv2, OUT/resnet, OUT/beit and OUT/pvt_v2 each get the
folder that `save_pretrained` writes for a classifier of random weights (config.json, model.safetensors), and
expected.safetensors: `pixel_values`, and `stage1` to `stage4`, the maps of `SwinBackbone`,
`Swinv2Backbone`, `ConvNextBackbone`, `ConvNextV2Backbone`, `ResNetBackbone`, `BeitBackbone` or
`PvtV2Backbone` loaded from that folder by `from_pretrained`, which draws the norms of the maps anew, where there are any: weight one, bias
zero. OUT/dinov2 gets the same for a `Dinov2ForImageClassification`, whose final norm is that of its
maps. OUT/dinov3_convnext and OUT/dinov3_vit get the same for bare models, since DINOv3 comes without
a classifier; the maps of its ConvNeXt have no norms. BEiT's maps are those before its neck, which no
classifier has.
Made with the versions in requirements.txt; every weight is a function of its name.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import transformers
from safetensors.torch import save_file

REPOSITORY = Path(__file__).resolve().parent.parent
STAGES = ["stage1", "stage2", "stage3", "stage4"]
# Odd, so that every stage pads or cuts.
HEIGHT, WIDTH = 45, 70


def main() -> int:
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "testdata" / "backbones"
    swin = transformers.SwinConfig(
        embed_dim=4,
        depths=[2, 1, 1, 1],
        num_heads=[1, 2, 2, 2],
        window_size=3,
        mlp_ratio=2.0,
        image_size=32,
        num_labels=3,
    )
    # Wider than Swin: a norm over fewer channels, at the end of a branch, magnifies rounding.
    swinv2 = transformers.Swinv2Config(
        embed_dim=8,
        depths=[2, 1, 1, 1],
        num_heads=[1, 2, 2, 2],
        window_size=3,
        mlp_ratio=1.0,
        image_size=64,
        num_labels=3,
    )
    convnext = transformers.ConvNextConfig(
        hidden_sizes=[4, 6, 8, 12],
        depths=[1, 1, 2, 1],
        image_size=32,
        num_labels=3,
    )
    convnextv2 = transformers.ConvNextV2Config(
        hidden_sizes=[4, 6, 8, 12],
        depths=[1, 1, 2, 1],
        image_size=32,
        num_labels=3,
    )
    dinov3_convnext = transformers.DINOv3ConvNextConfig(
        hidden_sizes=[4, 6, 8, 12],
        depths=[1, 1, 2, 1],
        image_size=32,
    )
    resnet = transformers.ResNetConfig(
        embedding_size=4,
        hidden_sizes=[4, 8, 12, 16],
        depths=[1, 1, 2, 1],
        num_labels=3,
    )
    # Positions and biases of every kind, learned for a smaller picture.
    beit = transformers.BeitConfig(
        hidden_size=8,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=12,
        image_size=32,
        patch_size=8,
        use_absolute_position_embeddings=True,
        use_relative_position_bias=True,
        use_shared_relative_position_bias=True,
        use_mask_token=True,
        num_labels=3,
    )
    plain = dict(hidden_size=8, num_hidden_layers=4, num_attention_heads=2)
    dinov2 = transformers.Dinov2Config(
        **plain, mlp_ratio=2, patch_size=7, image_size=35, num_labels=3
    )
    dinov3_vit = transformers.DINOv3ViTConfig(
        **plain, intermediate_size=12, patch_size=8, num_register_tokens=2
    )
    pvt_v2 = transformers.PvtV2Config(
        hidden_sizes=[4, 6, 8, 12],
        depths=[1, 2, 1, 1],
        sr_ratios=[4, 2, 1, 1],
        num_attention_heads=[1, 2, 2, 3],
        mlp_ratios=[2, 3, 2, 2],
        num_labels=3,
    )
    make(
        out / "swin",
        transformers.SwinForImageClassification(swin),
        transformers.SwinBackbone,
    )
    make(
        out / "swinv2",
        transformers.Swinv2ForImageClassification(swinv2),
        transformers.Swinv2Backbone,
    )
    make(
        out / "convnext",
        transformers.ConvNextForImageClassification(convnext),
        transformers.ConvNextBackbone,
    )
    make(
        out / "convnextv2",
        transformers.ConvNextV2ForImageClassification(convnextv2),
        transformers.ConvNextV2Backbone,
    )
    make(
        out / "dinov3_convnext",
        transformers.DINOv3ConvNextModel(dinov3_convnext),
        transformers.DINOv3ConvNextBackbone,
    )
    make(
        out / "resnet",
        transformers.ResNetForImageClassification(resnet),
        transformers.ResNetBackbone,
    )
    make(
        out / "beit",
        transformers.BeitForImageClassification(beit),
        transformers.BeitBackbone,
    )
    make(
        out / "dinov2",
        transformers.Dinov2ForImageClassification(dinov2),
        transformers.Dinov2Backbone,
    )
    make(
        out / "dinov3_vit",
        transformers.DINOv3ViTModel(dinov3_vit),
        transformers.DINOv3ViTBackbone,
    )
    make(
        out / "pvt_v2",
        transformers.PvtV2ForImageClassification(pvt_v2),
        transformers.PvtV2Backbone,
    )
    return 0


def make(folder: Path, classifier, backbone_class) -> None:
    fill(classifier)
    classifier.save_pretrained(folder)
    backbone = backbone_class.from_pretrained(folder, out_features=STAGES).eval()
    generator = torch.Generator().manual_seed(7)
    pixel_values = torch.randn(1, 3, HEIGHT, WIDTH, generator=generator)
    with torch.no_grad():
        maps = backbone(pixel_values).feature_maps
    tensors = {name: map.contiguous() for name, map in zip(STAGES, maps)}
    tensors["pixel_values"] = pixel_values
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    save_file(tensors, folder / "expected.safetensors", metadata=versions)
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{folder}: {size} bytes, maps {[tuple(map.shape) for map in maps]}")


def fill(model) -> None:
    """Gives every parameter and running statistic values of its own, so that no two could be exchanged
    unseen."""
    with torch.no_grad():
        for index, (name, parameter) in enumerate(sorted(model.named_parameters())):
            generator = torch.Generator().manual_seed(index)
            values = torch.randn(parameter.shape, generator=generator)
            norms = ("norm.weight", "normalization.weight", "norm1.weight", "norm2.weight")
            norms += ("layer_norm_1.weight", "layer_norm_2.weight")
            is_norm = name.endswith(norms)
            parameter.copy_((1.0 if is_norm else 0.0) + 0.2 * values)
        for index, (name, buffer) in enumerate(sorted(model.named_buffers())):
            generator = torch.Generator().manual_seed(1000 + index)
            if name.endswith("running_mean"):
                buffer.copy_(0.2 * torch.randn(buffer.shape, generator=generator))
            elif name.endswith("running_var"):
                buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator))


if __name__ == "__main__":
    sys.exit(main())
