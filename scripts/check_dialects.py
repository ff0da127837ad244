#!/usr/bin/env python3
"""Compares what `upernet convert` makes of other libraries' weights with what those libraries compute.

    .venv/bin/python scripts/check_dialects.py [COMMAND]     # default: target/release/upernet

For timm's and torchvision's models of the sizes that are published, with random weights: the model is
saved, converted, loaded by transformers (`SwinBackbone`, `Dinov2Backbone` and so on) and its maps are
compared with those of the library, normed over their channels where a fresh backbone of Hugging Face
norms them.
Once at a size where every map is whole windows, which must agree, and once at an odd size, where it is
said how far they part and why. mmsegmentation's merging of patches, `torch.nn.Unfold`, is compared
with Hugging Face's on the reordered weights. Whole networks under mmsegmentation's names are converted
and loaded again: every tensor must have the same bits.
Needs the packages of requirements.txt; nothing of it runs in CI.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import timm
import torch
import torch.nn.functional as F
import torchvision
import transformers
from safetensors.torch import load_file, save_file

from goldens.cases import case, convnext, swin
from goldens.deep_stem import DeepStemBackbone
from goldens.dialects import mmseg_state, to_unfold_order
from goldens.weights import build, fill

REPOSITORY = Path(__file__).resolve().parent.parent
# Largest difference of a map, as a share of its largest value: what sums of this depth round to.
TOLERANCE = 2e-3
CLASSES = {
    "swin": transformers.SwinBackbone,
    "convnext": transformers.ConvNextBackbone,
    "resnet": transformers.ResNetBackbone,
    "resnet with a deep stem": DeepStemBackbone,
    "convnextv2": transformers.ConvNextV2Backbone,
    "swinv2": transformers.Swinv2Backbone,
    "pvt_v2": transformers.PvtV2Backbone,
    "beit": transformers.BeitBackbone,
    "dinov2": transformers.Dinov2Backbone,
    "dinov2_with_registers": transformers.Dinov2WithRegistersBackbone,
    "dinov3_vit": transformers.DINOv3ViTBackbone,
    "vit": transformers.ViTModel,
}
# Kinds whose maps have no norm of their own in Hugging Face's backbones, or the library's.
AS_THEY_ARE = (
    "resnet",
    "resnet with a deep stem",
    "swinv2",
    "pvt_v2",
    "beit",
    "dinov2",
    "dinov2_with_registers",
    "dinov3_vit",
    "vit",
)
# Layers of a plain transformer of twelve whose maps are taken where no recipe says others.
QUARTERS = (2, 5, 8, 11)


def main() -> int:
    command = sys.argv[1] if len(sys.argv) > 1 else str(REPOSITORY / "target/release/upernet")
    torch.set_num_threads(2)
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        for check in (merging, networks, backbones):
            failures += check(command, Path(folder))
    for failure in failures:
        print("FAILED:", failure, file=sys.stderr)
    return 1 if failures else 0


def merging(_command, _folder):
    """mmsegmentation's way of merging patches, written out, beside Hugging Face's."""
    hub = transformers.models.swin.modeling_swin.SwinPatchMerging(6)
    with torch.no_grad():
        for name, tensor in hub.state_dict().items():
            tensor.copy_(fill("merging", name, tensor))
    tokens = torch.randn(2, 8 * 12, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = hub(tokens, (8, 12))
        picture = tokens.transpose(1, 2).reshape(2, 6, 8, 12)
        unfolded = F.unfold(picture, kernel_size=2, stride=2).transpose(1, 2)
        weight, bias = (to_unfold_order(getattr(hub.norm, name)) for name in ("weight", "bias"))
        normed = F.layer_norm(unfolded, (24,), weight, bias, hub.norm.eps)
        found = F.linear(normed, to_unfold_order(hub.reduction.weight))
    difference = (found.reshape(expected.shape) - expected).abs().max().item()
    print(f"patch merging by nn.Unfold: {difference:.1e} from Hugging Face's")
    return [] if difference < 1e-5 else ["patch merging"]


def networks(command, folder):
    """Whole networks in mmsegmentation's names: converted, the bits are those of the hub's names."""
    failures = []
    for name, backbone in {"swin": swin(16, (2, 1, 2, 1), (2, 2, 4, 4)), "convnext": convnext()}.items():
        built = build(f"check-{name}", case(backbone, (64, 96)))
        source, made = folder / f"mmseg-{name}.pth", folder / f"mmseg-{name}"
        torch.save({"meta": {}, "state_dict": mmseg_state(built.canonical, built.config)}, source)
        report = convert(command, source, made)
        found = load_file(made / "model.safetensors")
        same = found.keys() == {key for key in built.canonical if ".swin.layernorm." not in key}
        same = same and all(torch.equal(tensor, built.canonical[key]) for key, tensor in found.items())
        loaded = transformers.UperNetForSemanticSegmentation.from_pretrained(made)
        loaded, own = loaded.state_dict(), built.model.state_dict()
        # Hugging Face builds a final norm that nothing uses, and no library writes.
        used = [key for key in built.names if ".swin.layernorm." not in key]
        same = same and all(torch.equal(loaded[key], own[key]) for key in used)
        print(f"mmsegmentation {name}: {len(found)} tensors, the same bits: {same}, "
              f"{len(report['keys']['split'])} split, {len(report['keys']['reordered'])} reordered")
        if not same:
            failures.append(f"mmsegmentation {name}")
    return failures


def backbones(command, folder):
    failures = []
    for name, library, kind, make, maps, sizes in models():
        model = make(sizes[0])
        filled(model)
        source, made = folder / f"{name}.safetensors", folder / name
        save_file({key: value.contiguous() for key, value in model.state_dict().items()}, source)
        report = convert(command, source, made, config_of(kind, folder))
        assert report["dialect"] == ("microsoft" if kind == "beit" else library), report["dialect"]
        backbone = CLASSES[kind].from_pretrained(made).eval()
        line = [f"{library} {name}: {len(report['keys']['applied'])} tensors"]
        for size in sizes:
            if library == "timm" and kind in ("swin", "swinv2") and size != sizes[0]:
                weights = model.state_dict()
                model = make(size)
                model.load_state_dict(weights)
                model.eval()
            images = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(3))
            with torch.no_grad():
                found = maps_of(backbone, images)
                expected = [normed(map, kind) for map in maps(model, images)]
            # Of the largest value, which matters for the maps of a ResNet: they have no norm.
            differences = [
                ((a - b).abs().max() / b.abs().max().clamp(min=1)).item()
                for a, b in zip(found, expected)
            ]
            line.append(f"{size[0]}x{size[1]} " + " ".join(f"{value:.0e}" for value in differences))
            if size == sizes[0] and max(differences) > TOLERANCE:
                failures.append(name)
        print("; ".join(line), flush=True)
    return failures


def models():
    """Name, library, kind, how to make one for a size, its maps, the sizes."""
    # 448 = 7 * 2 * 32: the last map is 14 x 14 cells, two windows each way.
    windows, odd = (448, 448), (252, 332)
    for name in ("swin_tiny_patch4_window7_224", "swin_small_patch4_window7_224"):
        yield (name, "timm", "swin",
               lambda size, name=name: timm.create_model(name, img_size=size),
               lambda model, images: model.forward_intermediates(images)[1], (windows, odd))
    for name in ("convnext_tiny", "convnext_small"):
        yield (name, "timm", "convnext",
               lambda _size, name=name: timm.create_model(name),
               lambda model, images: model.forward_intermediates(images)[1], ((224, 224), odd))
    for name in ("swin_t", "swin_s"):
        yield (name, "torchvision", "swin",
               lambda _size, name=name: getattr(torchvision.models, name)(),
               features, (windows, odd))
    for name in ("resnet18", "resnet50"):
        yield (name, "torchvision", "resnet",
               lambda _size, name=name: getattr(torchvision.models, name)(), layers, ((224, 224), odd))
    yield ("resnet50c", "timm", "resnet with a deep stem",
           lambda _size: timm.create_model("resnet50c"),
           lambda model, images: model.forward_intermediates(images)[1][1:], ((224, 224), odd))
    yield ("convnext_tiny_tv", "torchvision", "convnext",
           lambda _size: torchvision.models.convnext_tiny(), features, ((224, 224), odd))
    yield ("convnextv2_tiny", "timm", "convnextv2",
           lambda _size: timm.create_model("convnextv2_tiny"),
           lambda model, images: model.forward_intermediates(images)[1], ((224, 224), odd))
    yield ("swinv2_tiny_window8_256", "timm", "swinv2",
           lambda size: timm.create_model("swinv2_tiny_window8_256", img_size=size),
           lambda model, images: model.forward_intermediates(images)[1], ((512, 512), odd))
    yield ("swin_v2_t", "torchvision", "swinv2",
           lambda _size: torchvision.models.swin_v2_t(), features, ((512, 512), odd))
    yield ("pvt_v2_b2", "timm", "pvt_v2",
           lambda _size: with_epsilon(timm.create_model("pvt_v2_b2"), 1e-6),
           lambda model, images: model.forward_intermediates(images)[1], ((224, 224), odd))
    # Of patches of 14 and of 16 pixels, native and not.
    for name, kind, native, odd in (
        ("beit_base_patch16_224", "beit", 224, None),
        ("vit_small_patch16_224", "vit", 224, None),
        ("vit_small_patch14_dinov2", "dinov2", 518, (252, 336)),
        ("vit_small_patch14_reg4_dinov2", "dinov2_with_registers", 518, (252, 336)),
        ("vit_small_patch16_dinov3", "dinov3_vit", 256, (256, 336)),
        ("vit_small_plus_patch16_dinov3_qkvb", "dinov3_vit", 256, (256, 336)),
    ):
        more = {} if odd is None else dict(dynamic_img_size=True)
        layers_of = (3, 5, 7, 11) if kind == "beit" else QUARTERS
        yield (name, "timm", kind,
               lambda _size, name=name, more=more: timm.create_model(name, **more),
               lambda model, images, layers_of=layers_of, norm=kind != "beit":
                   model.forward_intermediates(images, indices=list(layers_of), norm=norm)[1],
               tuple(size for size in ((native, native), odd) if size))


def config_of(kind, folder):
    """The configuration of a kind that no tensor tells, as a file."""
    if kind != "swinv2":
        return None
    config = transformers.Swinv2Config(
        image_size=512, embed_dim=96, depths=[2, 2, 6, 2], num_heads=[3, 6, 12, 24], window_size=8,
        layer_norm_eps=1e-5, out_features=["stage1", "stage2", "stage3", "stage4"])
    config.architectures = ["Swinv2Backbone"]
    path = folder / "swinv2-config.json"
    path.write_text(json.dumps(config.to_dict()))
    return path


def maps_of(backbone, images):
    """Maps of the four stages; a ViT, of which Hugging Face has no backbone, is read by its layers."""
    if not isinstance(backbone, transformers.ViTModel):
        return backbone(images).feature_maps
    states = backbone(images, output_hidden_states=True).hidden_states
    rows = images.shape[-2] // backbone.config.patch_size
    normed = (backbone.layernorm(states[layer + 1])[:, 1:] for layer in QUARTERS)
    return [tokens.transpose(1, 2).unflatten(2, (rows, -1)) for tokens in normed]


def with_epsilon(model, eps):
    for module in model.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.eps = eps
    return model


def features(model, images):
    """What torchvision's stages give: the outputs of the odd entries of its list."""
    maps = []
    for index, layer in enumerate(model.features):
        images = layer(images)
        if index % 2 == 1:
            is_last = isinstance(model, torchvision.models.SwinTransformer)
            maps.append(images.permute(0, 3, 1, 2) if is_last else images)
    return maps


def layers(model, images):
    """What the four layers of a ResNet give."""
    images = model.maxpool(model.relu(model.bn1(model.conv1(images))))
    maps = []
    for layer in (model.layer1, model.layer2, model.layer3, model.layer4):
        images = layer(images)
        maps.append(images)
    return maps


def normed(map, kind):
    """The map as a fresh backbone of Hugging Face gives it."""
    if kind in AS_THEY_ARE:
        return map
    eps = 1e-5 if kind == "swin" else 1e-6
    map = map.permute(0, 2, 3, 1)
    return F.layer_norm(map, map.shape[-1:], eps=eps).permute(0, 3, 1, 2)


def filled(model):
    model.eval()
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            # torchvision keeps a table that follows from the windows.
            if tensor.is_floating_point() and not key.endswith("relative_coords_table"):
                tensor.copy_(fill("check", key, tensor))


def convert(command, source, made, config=None):
    call = [command, "convert", str(source), str(made), "--json"]
    if config is not None:
        call += ["--config", str(config)]
    return json.loads(subprocess.run(call, check=True, capture_output=True).stdout)


if __name__ == "__main__":
    sys.exit(main())
