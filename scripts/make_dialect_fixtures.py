#!/usr/bin/env python3
"""Makes weights as other libraries write them, and what those libraries compute with them.

    .venv/bin/python scripts/make_dialect_fixtures.py [OUT]     # default: testdata/dialects

OUT gets, for tiny networks whose every tensor is a function of its name:

- mmseg-swin.pth, mmseg-convnext, mmseg-beit, mmseg-mae and mmseg-resnet.safetensors: whole UPerNets
  under mmsegmentation's names, the first as it saves them, with the names of their classes;
  NAME.expected.safetensors has `logits`, which transformers computes with the same weights under its
  own names, for an odd size. mmsegmentation's MAE is a BEiT whose keys have a bias, so transformers'
  BEiT is given one, and its ResNet has three convolutions in its stem, so has transformers' here;
- mmseg-vit.safetensors: the same of a ViT with a norm of the last map alone, under a MultiLevelNeck to
  other channels; goldens/mmseg_vit.py computes its maps under mmsegmentation's own names;
- timm-swin.safetensors, timm-convnext.safetensors, torchvision-swin.safetensors,
  torchvision-convnext.pth: image classifiers (timm's ConvNeXt: its form that gives feature maps
  alone); NAME.expected.safetensors has `stage1` to `stage4`, the maps that the library itself
  computes, each normed over its channels as Hugging Face's backbones norm theirs, with weight 1 and
  bias 0;
- timm-pvt_v2.safetensors and timm-pvt_v2-linear.safetensors, a classifier and the form that gives
  feature maps alone, with their maps as they are: a PVTv2 norms them itself. All its norms have the
  epsilon that Hugging Face's have, where timm has a larger one in some;
- timm-beit.safetensors: the same of a BEiT, whose maps have no norms, before any neck;
- torchvision-swin_v2.safetensors: a classifier whose maps have no norms, with the tables that tell its
  windows;
- timm-resnet.safetensors: a classifier with three convolutions in its stem, its maps as they are;
- timm-vit, timm-dinov2, timm-dinov2-reg, timm-dinov2-gated, timm-dinov3 and
  timm-dinov3-gated.safetensors: the same of plain transformers, every map behind the final norm.

Weights are rounded to f16 before anything is computed, and stored so, which halves the files.
The pixels of every input follow from a formula (`pixels`), which the tests repeat.
Made with the versions in requirements.txt; the maps may differ in their last bits elsewhere.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import timm
import torch
import torch.nn.functional as F
import torchvision
from safetensors.torch import save_file
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.swin_transformer import PatchMergingV2, SwinTransformerBlockV2

from goldens import mmseg_vit
from goldens.cases import beit, case, convnext, deep_stem, resnet, swin
from goldens.dialects import mmseg_state
from goldens.weights import build, fill

REPOSITORY = Path(__file__).resolve().parent.parent
CLASSES = ("sky", "road", "traffic light")
# Of the UPerNets: odd, so that every stage pads or cuts.
SIZE = (33, 46)
# Of the backbones: every map is whole windows of 2, and no side is one window alone but the last,
# where timm and torchvision would not shift either.
WINDOWS = (64, 64)
WIDTHS = (4, 5, 6, 8)
DEPTHS = (2, 1, 1, 1)


def main() -> int:
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "testdata" / "dialects"
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(2)
    networks(out)
    vit_network(out)
    backbones(out)
    sizes = {path.name: path.stat().st_size for path in sorted(out.iterdir())}
    for name, size in sizes.items():
        print(f"{size:8d} {name}")
    print(f"{sum(sizes.values()):8d} in all")
    return 0


def pixels(height: int, width: int) -> torch.Tensor:
    """Pixels that look like noise and are exact in f32."""
    index = torch.arange(3 * height * width, dtype=torch.int64)
    values = (index * 40503 + 12345) % 65536
    return (values.float() / 32768 - 1).reshape(1, 3, height, width)


def networks(out: Path) -> None:
    head = dict(hidden_size=5, auxiliary_channels=4, num_labels=len(CLASSES))
    for name, backbone in {
        "mmseg-swin": swin(4, DEPTHS, (1, 2, 2, 2), 3, mlp_ratio=1.0),
        "mmseg-convnext": convnext(WIDTHS, (1, 1, 2, 1)),
        "mmseg-beit": beit(
            8,
            image_size=32,
            intermediate_size=12,
            layer_norm_eps=1e-6,
            use_relative_position_bias=True,
        ),
        "mmseg-mae": beit(
            8,
            image_size=32,
            intermediate_size=12,
            layer_norm_eps=1e-6,
            use_absolute_position_embeddings=True,
            use_relative_position_bias=True,
        ),
        "mmseg-resnet": resnet(5, (4, 8, 8, 12), (1, 1, 1, 1)),
    }.items():
        spec = case(backbone, SIZE, **head)
        if name == "mmseg-resnet":
            spec = deep_stem(spec)
        built = build(name, spec)
        # f16 of the values before rounding is f16 of those after it.
        state = mmseg_state(built.canonical, built.config)
        if name == "mmseg-mae":
            state = mae_state(state, built.model)
        rounded(built.model)
        state = {key: halved(tensor).contiguous() for key, tensor in state.items()}
        if name == "mmseg-swin":
            meta = {"mmseg_version": "0.30.0", "CLASSES": CLASSES}
            torch.save({"meta": meta, "state_dict": state}, out / f"{name}.pth")
        else:
            save_file(state, out / f"{name}.safetensors")
        with torch.no_grad():
            logits = built.model.eval()(pixels(*SIZE)).logits
        save_file({"logits": logits.contiguous()}, out / f"{name}.expected.safetensors")


def vit_network(out: Path) -> None:
    vit = mmseg_vit.Vit(8, 2, 12, 8, 4, (0, 1, 2, 3), final_norm=True)
    head = dict(hidden_size=5, auxiliary_channels=4, num_labels=len(CLASSES))
    model = mmseg_vit.build_network("dialects", vit, 6, **head)
    rounded(model)
    state = {key: halved(tensor) for key, tensor in mmseg_vit.stored_state(model).items()}
    save_file(state, out / "mmseg-vit.safetensors")
    with torch.no_grad():
        logits = model(pixels(*SIZE)).logits
    save_file({"logits": logits.contiguous()}, out / "mmseg-vit.expected.safetensors")


def mae_state(beit_state: dict, model) -> dict:
    """The names of mmsegmentation's MAE; the keys of `model` get the biases that they have there."""
    state = {key: tensor for key, tensor in beit_state.items() if not key.endswith(("q_bias", "v_bias"))}
    state["backbone.pos_embed"] = state.pop("backbone.embeddings.position_embeddings")
    for index, layer in enumerate(model.backbone.beit.layers):
        attention = f"backbone.layers.{index}.attn"
        query, value = (beit_state[f"{attention}.{part}_bias"] for part in ("q", "v"))
        key = fill("dialects", f"{attention}.k_bias", torch.empty_like(query))
        layer.attention.k_proj.bias = torch.nn.Parameter(key.clone())
        state[f"{attention}.qkv.bias"] = torch.cat([query, key, value])
    return state


def backbones(out: Path) -> None:
    swin_of = dict(embed_dim=4, depths=DEPTHS, num_heads=(1, 2, 2, 2), window_size=2, mlp_ratio=1.0)
    convnext_of = dict(dims=WIDTHS, depths=(1, 1, 2, 1), num_classes=3)

    model = timm.create_model(
        "swin_tiny_patch4_window7_224", **swin_of, img_size=WINDOWS, num_classes=3
    )
    filled(model)
    save_file(half_state(model), out / "timm-swin.safetensors")
    write_maps(out / "timm-swin", model.forward_intermediates(pixels(*WINDOWS))[1])

    beit_of = dict(patch_size=8, embed_dim=8, depth=4, num_heads=2, mlp_ratio=1.5, num_classes=3)
    model = timm.create_model("beit_base_patch16_224", **beit_of, img_size=WINDOWS)
    filled(model)
    save_file(half_state(model), out / "timm-beit.safetensors")
    save_maps(out / "timm-beit", model.forward_intermediates(pixels(*WINDOWS), norm=False)[1])

    plain_of = dict(patch_size=8, embed_dim=8, depth=4, num_heads=2, num_classes=3)
    dinov3_of = plain_of | dict(embed_dim=16)
    for name, base, options in (
        ("vit", "vit_base_patch16_224", plain_of | dict(mlp_ratio=1.5)),
        ("dinov2", "vit_small_patch14_dinov2", plain_of | dict(mlp_ratio=1.5)),
        ("dinov2-reg", "vit_small_patch14_reg4_dinov2", plain_of | dict(mlp_ratio=1.5)),
        ("dinov2-gated", "vit_giant_patch14_dinov2", plain_of | dict(mlp_ratio=4)),
        ("dinov3", "vit_small_patch16_dinov3", dinov3_of | dict(mlp_ratio=1.5)),
        ("dinov3-gated", "vit_small_plus_patch16_dinov3_qkvb", dinov3_of | dict(mlp_ratio=1.5)),
    ):
        model = timm.create_model(base, **options, img_size=WINDOWS)
        filled(model)
        save_file(half_state(model), out / f"timm-{name}.safetensors")
        maps = model.forward_intermediates(pixels(*WINDOWS), norm=True)[1]
        save_maps(out / f"timm-{name}", maps)

    resnet_of = dict(layers=(1, 1, 1, 1), channels=(1, 2, 3, 4), num_classes=3)
    model = timm.models.resnet.ResNet(
        timm.models.resnet.Bottleneck, **resnet_of, stem_type="deep", stem_width=2
    )
    filled(model)
    save_file(half_state(model), out / "timm-resnet.safetensors")
    save_maps(out / "timm-resnet", model.forward_intermediates(pixels(*WINDOWS))[1][1:])

    model = timm.create_model("convnext_tiny", **convnext_of, features_only=True)
    filled(model)
    save_file(half_state(model), out / "timm-convnext.safetensors")
    write_maps(out / "timm-convnext", model(pixels(*WINDOWS)))

    pvt_of = dict(embed_dims=(4, 8, 12, 16), depths=DEPTHS, num_heads=(1, 2, 3, 4))
    pvt_of |= dict(mlp_ratios=(2, 2, 1, 1), num_classes=3)
    model = timm.create_model("pvt_v2_b0", **pvt_of)
    filled(model)
    with_epsilon(model, 1e-6)
    save_file(half_state(model), out / "timm-pvt_v2.safetensors")
    save_maps(out / "timm-pvt_v2", model.forward_intermediates(pixels(*WINDOWS))[1])

    model = timm.create_model("pvt_v2_b2_li", **pvt_of, features_only=True)
    filled(model)
    with_epsilon(model, 1e-6)
    save_file(half_state(model), out / "timm-pvt_v2-linear.safetensors")
    save_maps(out / "timm-pvt_v2-linear", model(pixels(*WINDOWS)))

    model = torchvision.models.SwinTransformer(
        [4, 4], 4, list(DEPTHS), [1, 2, 2, 2], [2, 2], mlp_ratio=1.0, num_classes=3
    )
    filled(model)
    save_file(half_state(model), out / "torchvision-swin.safetensors")
    maps = features(model, pixels(*WINDOWS))
    write_maps(out / "torchvision-swin", [map.permute(0, 3, 1, 2) for map in maps])

    model = torchvision.models.SwinTransformer(
        [4, 4],
        4,
        list(DEPTHS),
        [1, 2, 2, 2],
        [2, 2],
        mlp_ratio=1.0,
        num_classes=3,
        block=SwinTransformerBlockV2,
        downsample_layer=PatchMergingV2,
    )
    filled(model)
    save_file(half_state(model), out / "torchvision-swin_v2.safetensors")
    maps = features(model, pixels(*WINDOWS))
    save_maps(out / "torchvision-swin_v2", [map.permute(0, 3, 1, 2) for map in maps])

    widths = zip(WIDTHS, (*WIDTHS[1:], None), (1, 1, 2, 1))
    model = torchvision.models.ConvNeXt([CNBlockConfig(*block) for block in widths], num_classes=3)
    filled(model)
    torch.save(half_state(model), out / "torchvision-convnext.pth")
    write_maps(out / "torchvision-convnext", features(model, pixels(*WINDOWS)))


def filled(model) -> None:
    model.eval()
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            # What follows from the windows stays.
            if tensor.is_floating_point() and not key.endswith("relative_coords_table"):
                tensor.copy_(fill("dialects", key, tensor))

    rounded(model)


def with_epsilon(model, eps: float) -> None:
    for module in model.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.eps = eps


def rounded(model) -> None:
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(tensor.half().float())


def halved(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.half() if tensor.is_floating_point() else tensor


def half_state(model) -> dict:
    return {name: halved(tensor).contiguous() for name, tensor in model.state_dict().items()}


def features(model, images):
    """What torchvision's stages give: the outputs of the odd entries of its list."""
    maps = []
    with torch.no_grad():
        for index, layer in enumerate(model.features):
            images = layer(images)
            if index % 2 == 1:
                maps.append(images)
    return maps


def write_maps(path: Path, maps) -> None:
    normed_maps = []
    for map in maps:
        with torch.no_grad():
            # Swin's maps have an epsilon of 1e-5, ConvNeXt's one of 1e-6.
            eps = 1e-5 if "swin" in path.name else 1e-6
            normed = F.layer_norm(map.permute(0, 2, 3, 1), map.shape[1:2], eps=eps)
        normed_maps.append(normed.permute(0, 3, 1, 2))
    save_maps(path, normed_maps)


def save_maps(path: Path, maps) -> None:
    tensors = {f"stage{stage}": map.detach().contiguous() for stage, map in enumerate(maps, start=1)}
    save_file(tensors, path.with_name(path.name + ".expected.safetensors"))


if __name__ == "__main__":
    sys.exit(main())
