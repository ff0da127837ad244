"""What a model does on one input, kept in a folder.

Folder of a case
    config.json, preprocessor_config.json
    model.safetensors             names as on the hub; further dialects: model.<dialect>.safetensors
    input.safetensors             pixel_values f32 [N, 3, H, W], labels i64 [N, H, W]
    expected.safetensors          see below
    grad_norms.json               canonical key -> L2 norm of that parameter's gradient
    case.json                     shapes, losses, f32 against f64, the keys of the kept gradients

Keys of expected.safetensors
    eval.feature.{i}              backbone maps [N, C, H_i, W_i]
    eval.decode_logits            decode head before upsampling
    eval.logits                   model output at the input's size
    eval.aux_logits               auxiliary head before upsampling, if there is one
    eval.loss                     scalar, with running statistics in BatchNorm
    eval.debug.*                  inner maps of the head, where asked for; psp.* before upsampling
    train.loss, train.decode_logits, train.aux_logits
                                  with batch statistics; every dropout and drop path rate is 0
    train.grad.<canonical key>    gradients of train.loss
    train.grad_input              gradient with respect to pixel_values
    train.buffer.<canonical key>  BatchNorm's running statistics after that one forward pass
A full-size case has eval.logits_stride16 and eval.argmax in place of eval.logits.
"""

import json
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from transformers import UperNetForSemanticSegmentation

from . import deep_stem, necks
from .cases import Case
from .dialects import STATES, with_joined_gates
from .images import preprocessor_settings
from .weights import Built, build, generator

# Gradients kept as tensors. Those that are zero in exact arithmetic (the bias of an attention key:
# softmax does not see it) are left out, as nothing but rounding could be compared.
GRADIENTS = {
    "swin": [
        "backbone.embeddings.patch_embeddings.projection.weight",
        "backbone.embeddings.norm.weight",
        "backbone.embeddings.position_embeddings",
        "backbone.encoder.layers.0.blocks.0.attention.self.relative_position_bias_table",
        "backbone.encoder.layers.0.blocks.0.attention.self.query.weight",
        "backbone.encoder.layers.0.blocks.0.attention.self.value.bias",
        "backbone.encoder.layers.2.blocks.1.attention.self.relative_position_bias_table",
        "backbone.encoder.layers.0.blocks.0.layernorm_before.weight",
        "backbone.encoder.layers.0.blocks.0.output.dense.bias",
        "backbone.encoder.layers.0.downsample.reduction.weight",
        "backbone.encoder.layers.0.downsample.norm.weight",
        "backbone.hidden_states_norms.stage1.weight",
    ],
    "swinv2": [
        "backbone.embeddings.patch_embeddings.projection.weight",
        "backbone.encoder.layers.0.blocks.0.attention.self.logit_scale",  # clamped head: exactly 0
        "backbone.encoder.layers.1.blocks.0.attention.self.logit_scale",
        "backbone.encoder.layers.0.blocks.0.attention.self.continuous_position_bias_mlp.0.weight",
        "backbone.encoder.layers.0.blocks.0.attention.self.key.weight",
        "backbone.encoder.layers.0.blocks.0.layernorm_before.weight",
        "backbone.encoder.layers.0.downsample.norm.weight",
    ],
    "convnext": [
        "backbone.embeddings.patch_embeddings.weight",
        "backbone.embeddings.layernorm.bias",
        "backbone.encoder.stages.0.layers.0.dwconv.weight",
        "backbone.encoder.stages.0.layers.0.layer_scale_parameter",
        "backbone.encoder.stages.1.downsampling_layer.0.weight",
        "backbone.encoder.stages.1.downsampling_layer.1.weight",
        "backbone.encoder.stages.2.layers.0.pwconv1.weight",
        "backbone.hidden_states_norms.stage2.weight",
    ],
    "convnextv2": [
        "backbone.embeddings.patch_embeddings.weight",
        "backbone.encoder.stages.0.layers.0.grn.weight",
        "backbone.encoder.stages.0.layers.0.grn.bias",
        "backbone.encoder.stages.2.layers.1.dwconv.weight",
        "backbone.hidden_states_norms.stage4.bias",
    ],
    "dinov3_convnext": [
        "backbone.stages.0.downsample_layers.0.weight",
        "backbone.stages.0.downsample_layers.1.bias",
        "backbone.stages.0.layers.0.gamma",
        "backbone.stages.1.downsample_layers.0.weight",
        "backbone.stages.2.layers.1.depthwise_conv.weight",
        "backbone.stages.3.layers.0.pointwise_conv2.weight",
    ],
    "beit": [
        "backbone.embeddings.cls_token",
        "backbone.embeddings.position_embeddings",
        "backbone.embeddings.patch_embeddings.projection.weight",
        "backbone.encoder.layer.0.attention.attention.relative_position_bias.relative_position_bias_table",
        "backbone.beit.encoder.relative_position_bias.relative_position_bias_table",
        "backbone.encoder.layer.0.attention.attention.key.weight",
        "backbone.encoder.layer.1.attention.attention.value.bias",
        "backbone.encoder.layer.0.lambda_1",
        "backbone.encoder.layer.1.output.dense.bias",
        "backbone.encoder.layer.2.layernorm_before.weight",
        "backbone.fpn1.0.weight",
        "backbone.fpn1.1.weight",
        "backbone.fpn1.3.weight",
        "backbone.fpn2.0.weight",
    ],
    "resnet": [
        "backbone.embedder.embedder.convolution.weight",
        "backbone.embedder.embedder.normalization.weight",
        "backbone.encoder.stages.1.layers.0.shortcut.convolution.weight",
        "backbone.encoder.stages.0.layers.0.layer.1.normalization.bias",
    ],
    "dinov2": [
        "backbone.embeddings.cls_token",
        "backbone.embeddings.position_embeddings",
        "backbone.embeddings.patch_embeddings.projection.weight",
        "backbone.encoder.layer.0.attention.attention.query.weight",
        "backbone.encoder.layer.1.attention.output.dense.bias",
        "backbone.encoder.layer.2.layer_scale1.lambda1",
        "backbone.encoder.layer.3.mlp.fc1.weight",
        "backbone.layernorm.weight",
    ],
    "dinov2_with_registers": [
        "backbone.embeddings.cls_token",
        "backbone.embeddings.register_tokens",
        "backbone.embeddings.position_embeddings",
        "backbone.encoder.layer.0.attention.attention.key.weight",
        "backbone.encoder.layer.1.layer_scale2.lambda1",
        "backbone.encoder.layer.2.mlp.weights_in.weight",
        "backbone.encoder.layer.2.mlp.weights_in.bias",
    ],
    "vit": [
        "backbone.embeddings.cls_token",
        "backbone.embeddings.position_embeddings",
        "backbone.encoder.layer.0.layernorm_before.weight",
        "backbone.encoder.layer.1.attention.output.dense.weight",
        "backbone.encoder.layer.2.intermediate.dense.weight",
        "backbone.layernorm.weight",
        "backbone.neck.fpn1.conv_transpose1.weight",
        "backbone.neck.fpn1.conv_transpose2.weight",
        "backbone.neck.fpn1.batch_norm.weight",
        "backbone.neck.fpn2.weight",
        "backbone.neck.lateral_convs.0.weight",
        "backbone.neck.lateral_convs.3.bias",
        "backbone.neck.convs.0.weight",
        "backbone.neck.convs.1.weight",
        "backbone.neck.convs.3.weight",
    ],
    "dinov3_vit": [
        "backbone.embeddings.cls_token",
        "backbone.embeddings.register_tokens",
        "backbone.embeddings.patch_embeddings.weight",
        "backbone.layer.0.attention.q_proj.weight",
        "backbone.layer.1.attention.k_proj.weight",
        "backbone.layer.2.mlp.gate_proj.weight",
        "backbone.layer.2.mlp.up_proj.weight",
        "backbone.layer.3.layer_scale2.lambda1",
        "backbone.norm.bias",
    ],
    "pvt_v2": [
        "backbone.encoder.layers.0.patch_embedding.proj.weight",
        "backbone.encoder.layers.0.blocks.0.attention.spatial_reduction.weight",
        "backbone.encoder.layers.0.blocks.0.attention.query.weight",
        "backbone.encoder.layers.1.blocks.0.attention.layer_norm.bias",
        "backbone.encoder.layers.2.patch_embedding.layer_norm.weight",
        "backbone.encoder.layers.1.blocks.1.attention.key.weight",
        "backbone.encoder.layers.0.blocks.0.mlp.dwconv.dwconv.weight",
        "backbone.encoder.layers.2.blocks.0.mlp.dwconv.dwconv.bias",
        "backbone.encoder.layers.3.blocks.0.mlp.dense1.weight",
        "backbone.encoder.layers.3.layer_norm.bias",
    ],
}
HEAD_GRADIENTS = [
    "decode_head.psp_modules.0.1.conv.weight",
    "decode_head.psp_modules.2.1.batch_norm.weight",
    "decode_head.bottleneck.batch_norm.bias",
    "decode_head.lateral_convs.0.conv.weight",
    "decode_head.fpn_convs.1.conv.weight",
    "decode_head.fpn_bottleneck.batch_norm.weight",
    "decode_head.classifier.weight",
    "decode_head.classifier.bias",
    "auxiliary_head.convs.0.batch_norm.weight",
    "auxiliary_head.conv_cat.batch_norm.weight",
    "auxiliary_head.classifier.weight",
]
BUFFERS = [
    "decode_head.psp_modules.0.1.batch_norm.running_var",
    "decode_head.psp_modules.0.1.batch_norm.running_mean",
    "decode_head.fpn_bottleneck.batch_norm.running_var",
    "decode_head.fpn_bottleneck.batch_norm.num_batches_tracked",
    "backbone.embedder.embedder.normalization.running_var",
    "backbone.neck.fpn1.batch_norm.running_var",
    "backbone.fpn1.1.running_mean",
]

# Fields of config.json as transformers 4 wrote them.
TOP_LEVEL_FIELDS = [
    "auxiliary_channels",
    "auxiliary_concat_input",
    "auxiliary_in_channels",
    "auxiliary_loss_weight",
    "auxiliary_num_convs",
    "hidden_size",
    "id2label",
    "initializer_range",
    "label2id",
    "loss_ignore_index",
    "model_type",
    "pool_scales",
    "use_auxiliary_head",
]


# ---------------------------------------------------------------- one case


def write_case(name: str, spec: Case, out: Path, seed: str, options) -> dict:
    """Writes the folder of one case; `options` are the command line's.

    Returns what case.json holds.
    """
    out.mkdir(parents=True, exist_ok=True)
    if spec.config_only:
        return _write_config_only(name, spec, out, seed)
    built = build(seed, spec)
    for dialect in options.dialect:
        if dialect == "mmseg" and _kind(built) not in ("swin", "convnext", "beit", "resnet"):
            print(f"    {name}: no mmsegmentation names for {_kind(built)}")
            continue
        write_weights(built, dialect, out)
    own = own_fields(spec)
    write_settings(built.config, out, own=own)
    pixels, labels = make_input(seed, spec, built.config)
    save_file({"pixel_values": pixels, "labels": labels}, out / "input.safetensors")

    info, expected = record(name, spec, seed, built, pixels, labels, options, out)
    save_file(expected, out / "expected.safetensors")
    if options.verify and "hub" in options.dialect and not own:
        info["reload_max_abs_diff"] = _reload_difference(out, pixels, expected)
    write_json(info, out / "case.json")
    return info


def own_fields(spec) -> dict:
    """What the network has that Hugging Face's has not, as a config.json of ours says it."""
    if spec.neck:
        return necks.own_fields(spec)
    return {"variant": deep_stem.VARIANT} if spec.deep_stem else {}


def record(name, spec, seed, built, pixels, labels, options, out):
    """Runs the model; returns what case.json and expected.safetensors hold."""
    info = {
        "case": name,
        "backbone": _kind(built),
        "batch": spec.batch,
        "size": list(spec.size),
        "tolerance_hint_f32_vs_f64": {},
    }
    hints = info["tolerance_hint_f32_vs_f64"]
    built.model.eval()
    with torch.no_grad():
        seen = capture(built.model, pixels, labels, spec.debug)
    expected = _on_host(seen, "eval.")
    if spec.full:
        _shorten_logits(expected)
    info["eval_loss"] = seen["loss"].item()
    info["eval_shapes"] = {key: list(tensor.shape) for key, tensor in seen.items()}

    # One sample leaves BatchNorm a single value per channel in the 1 x 1 pooling branch, which
    # PyTorch refuses in training mode.
    trains = not options.no_train and not spec.full and spec.batch > 1
    with_f64 = not options.no_f64 and not spec.full
    exact = _run_f64(seed, spec, pixels, labels, trains, hints, seen) if with_f64 else None
    if trains:
        _record_training(built, pixels, labels, exact, info, expected, out)
    return info, expected


def make_input(seed, spec, config):
    """Normal pixels, uniform labels, 15 % of them ignored."""
    size = (spec.batch, *spec.size)
    pixels = torch.randn(size[0], 3, *size[1:], generator=generator(seed, "pixel_values"))
    labels = torch.randint(0, config.num_labels, size, generator=generator(seed, "labels"))
    ignored = torch.rand(size, generator=generator(seed, "ignored")) < 0.15
    labels[ignored] = config.loss_ignore_index
    return pixels, labels


def capture(model, pixels, labels, debug=False) -> dict[str, torch.Tensor]:
    """One forward pass; tensors taken from inside the model, in the order of their making."""
    seen, hooks = {}, []

    def keep(name, module):
        def hook(_module, _inputs, output):
            seen[name] = output

        hooks.append(module.register_forward_hook(hook))

    keep("backbone", model.backbone)
    keep("decode_logits", model.decode_head)
    if model.auxiliary_head is not None:
        keep("aux_logits", model.auxiliary_head)
    if debug:
        for name, module in _head_modules(model.decode_head):
            keep(f"debug.{name}", module)
    try:
        output = model(pixel_values=pixels, labels=labels)
    finally:
        for hook in hooks:
            hook.remove()
    for level, feature in enumerate(seen.pop("backbone").feature_maps):
        seen[f"feature.{level}"] = feature
    seen["logits"] = output.logits
    if output.loss is not None:
        seen["loss"] = output.loss
    return seen


def _head_modules(head):
    yield "bottleneck", head.bottleneck
    yield "fpn_bottleneck", head.fpn_bottleneck
    for name, blocks in [
        ("psp", head.psp_modules.blocks),
        ("lateral", head.lateral_convs),
        ("fpn", head.fpn_convs),
    ]:
        for position, block in enumerate(blocks):
            yield f"{name}.{position}", block


def _run_f64(seed, spec, pixels, labels, trains, hints, seen):
    """The same in f64: notes how far f32 is from it, returns training loss and gradients."""
    twin = build(seed, spec)
    model = twin.model.double().eval()
    if _kind(twin) in ("swin", "beit"):
        # The eager attention computes its softmax in f32, whatever the type of the model.
        model.backbone.config._attn_implementation = "sdpa"
    with torch.no_grad():
        for key, tensor in capture(model, pixels.double(), labels).items():
            hints[f"eval.{key}"] = _difference(seen[key], tensor)
    if not trains:
        return None
    model.train()
    loss = capture(model, pixels.double(), labels)["loss"]
    loss.backward()
    return loss, _gradients(twin)


def _record_training(built, pixels, labels, exact, info, expected, out):
    built.model.train()
    pixels = pixels.clone().requires_grad_(True)
    seen = capture(built.model, pixels, labels)
    seen["loss"].backward()
    kept = {key: seen[key] for key in ("loss", "decode_logits", "aux_logits") if key in seen}
    expected.update(_on_host(kept, "train."))
    expected["train.grad_input"] = pixels.grad.detach().clone()

    gradients = _gradients(built)
    wanted = [*GRADIENTS.get(_kind(built), []), *HEAD_GRADIENTS]
    used = [key for key in wanted if key in gradients]
    expected.update({f"train.grad.{key}": gradients[key].detach().clone() for key in used})
    buffers = {built.names.get(key): tensor for key, tensor in built.model.named_buffers()}
    expected.update(
        {f"train.buffer.{key}": buffers[key].detach().clone() for key in BUFFERS if key in buffers}
    )
    norms = {key: float(value.double().norm()) for key, value in sorted(gradients.items())}
    write_json(norms, out / "grad_norms.json", indent=0)
    info["train_loss"] = seen["loss"].item()
    if exact is not None:
        hints, (loss, exact_gradients) = info["tolerance_hint_f32_vs_f64"], exact
        hints["train.loss"] = _difference(seen["loss"], loss)
        for key in used:
            hints[f"train.grad.{key}"] = _difference(gradients[key], exact_gradients[key])
    info["gradients"] = used


# ---------------------------------------------------------------- files


def write_weights(built: Built, dialect: str, out: Path):
    state = STATES[dialect](built.canonical, built.config)
    name = "model.safetensors" if dialect == "hub" else f"model.{dialect}.safetensors"
    save_file(state, out / name, {"format": "pt"})
    if dialect == "mmseg":
        content = {"meta": {"mmseg_version": "golden"}, "state_dict": state}
        torch.save(content, out / "model.mmseg.pth")


def write_settings(config, out: Path, preprocessor=None, own=None):
    fields = hub_config(config)
    if own:
        fields = dict(sorted({**fields, **own}.items()))
    write_json(fields, out / "config.json", indent=2)
    write_json(preprocessor or preprocessor_settings(), out / "preprocessor_config.json", indent=2)


def hub_config(config) -> dict:
    """config.json with the fields of transformers 4, whichever version is installed."""
    everything = json.loads(config.to_json_string(use_diff=False))
    fields = {key: everything[key] for key in TOP_LEVEL_FIELDS if key in everything}
    fields["architectures"] = ["UperNetForSemanticSegmentation"]
    base = json.loads(transformers.PretrainedConfig().to_json_string(use_diff=False))
    inherited = {*base, "_attn_implementation", "_attn_implementation_autoset", "torch_dtype"}
    inherited -= {"model_type"}
    fields["backbone_config"] = {
        key: value
        for key, value in everything["backbone_config"].items()
        if key not in inherited
    }
    fields.update(
        backbone=None,
        backbone_kwargs=None,
        use_pretrained_backbone=False,
        use_timm_backbone=False,
        torch_dtype="float32",
        transformers_version=transformers.__version__,
    )
    return dict(sorted(fields.items()))


def write_json(content, path: Path, indent=1):
    end = "" if indent == 0 else "\n"
    path.write_text(json.dumps(content, indent=indent) + end)


def _write_config_only(name, spec, out, seed):
    config = build(seed, spec).config
    write_json(hub_config(config), out / "config.json", indent=2)
    info = {
        "case": name,
        "backbone": config.backbone_config.model_type,
        "batch": spec.batch,
        "size": list(spec.size),
    }
    write_json(info, out / "case.json")
    return info


def _reload_difference(out, pixels, expected):
    model = UperNetForSemanticSegmentation.from_pretrained(out).eval()
    model.backbone.config._attn_implementation = "eager"
    with torch.no_grad():
        logits = model(pixels).logits
    if "eval.logits" in expected:
        return (logits - expected["eval.logits"]).abs().max().item()
    return (logits[:, :, ::16, ::16] - expected["eval.logits_stride16"]).abs().max().item()


# ---------------------------------------------------------------- small helpers


def _kind(built):
    return built.config.backbone_config.model_type


def _gradients(built):
    named = built.model.named_parameters()
    gradients = {built.names[key]: value.grad for key, value in named if value.grad is not None}
    return with_joined_gates(gradients)


def _on_host(tensors, prefix):
    return {
        prefix + key: (tensor.float() if tensor.is_floating_point() else tensor)
        .detach()
        .contiguous()
        .clone()
        for key, tensor in tensors.items()
    }


def _shorten_logits(expected):
    logits = expected.pop("eval.logits")
    expected["eval.logits_stride16"] = logits[:, :, ::16, ::16].contiguous().clone()
    expected["eval.argmax"] = logits.argmax(1).to(torch.uint8)


def _difference(found, exact):
    found, exact = found.double(), exact.double()
    return {
        "max_abs_diff": (found - exact).abs().max().item(),
        "max_abs": exact.abs().max().item(),
    }
