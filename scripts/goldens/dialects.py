"""The names that the same tensors carry in files of different origin.

Canonical names are those that transformers 4 wrote to the hub. Each `*_state` function turns a
canonical state into the state of one dialect.
"""

import re

import torch

V5_TO_CANONICAL = [
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        (r"^backbone\.swin\.(embeddings|encoder)\.", r"backbone.\1."),
        (r"\.attention\.q_proj\.", ".attention.self.query."),
        (r"\.attention\.k_proj\.", ".attention.self.key."),
        (r"\.attention\.v_proj\.", ".attention.self.value."),
        (r"\.attention\.o_proj\.", ".attention.output.dense."),
        (
            r"\.attention\.relative_position_bias\.relative_position_bias_table$",
            ".attention.self.relative_position_bias_table",
        ),
        (r"(\.blocks\.\d+)\.mlp\.fc1\.", r"\1.intermediate.dense."),
        (r"(\.blocks\.\d+)\.mlp\.fc2\.", r"\1.output.dense."),
    ]
]
CANONICAL_TO_V5 = [
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        (r"^backbone\.(embeddings|encoder)\.", r"backbone.swin.\1."),
        (r"\.attention\.self\.query\.", ".attention.q_proj."),
        (r"\.attention\.self\.key\.", ".attention.k_proj."),
        (r"\.attention\.self\.value\.", ".attention.v_proj."),
        (r"\.attention\.output\.dense\.", ".attention.o_proj."),
        (
            r"\.attention\.self\.relative_position_bias_table$",
            ".attention.relative_position_bias.relative_position_bias_table",
        ),
        (r"(\.blocks\.\d+)\.intermediate\.dense\.", r"\1.mlp.fc1."),
        (r"(\.blocks\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
    ]
]
BEIT_TO_CANONICAL = [
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        (r"^backbone\.beit\.shared_position_bias\.", "backbone.beit.encoder.relative_position_bias."),
        (r"^backbone\.beit\.embeddings\.", "backbone.embeddings."),
        (r"^backbone\.beit\.layers\.", "backbone.encoder.layer."),
        (
            r"(\.layer\.\d+)\.relative_position_bias\.",
            r"\1.attention.attention.relative_position_bias.",
        ),
        (r"\.attention\.q_proj\.", ".attention.attention.query."),
        (r"\.attention\.k_proj\.", ".attention.attention.key."),
        (r"\.attention\.v_proj\.", ".attention.attention.value."),
        (r"\.attention\.o_proj\.", ".attention.output.dense."),
        (r"(\.layer\.\d+)\.mlp\.fc1\.", r"\1.intermediate.dense."),
        (r"(\.layer\.\d+)\.mlp\.fc2\.", r"\1.output.dense."),
        (r"^backbone\.fpn\.fpn1\.conv_transpose1\.", "backbone.fpn1.0."),
        (r"^backbone\.fpn\.fpn1\.normalization\.", "backbone.fpn1.1."),
        (r"^backbone\.fpn\.fpn1\.conv_transpose2\.", "backbone.fpn1.3."),
        (r"^backbone\.fpn\.fpn2\.", "backbone.fpn2.0."),
    ]
]
# DINOv3's ConvNeXt in memory, and as transformers 5 saves it.
DINOV3_MEMORY, DINOV3_SAVED = "backbone.model.stages.", "backbone.stages."
# Plain transformers: DINOv3's layers in memory, and as transformers 5 saves them; DINOv2's.
DINOV3_VIT_MEMORY, DINOV3_VIT_SAVED = "backbone.model.layer.", "backbone.layer."
DINOV2_TO_CANONICAL = [
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        (r"\.attention\.q_proj\.", ".attention.attention.query."),
        (r"\.attention\.k_proj\.", ".attention.attention.key."),
        (r"\.attention\.v_proj\.", ".attention.attention.value."),
        (r"\.attention\.o_proj\.", ".attention.output.dense."),
        (r"\.mlp\.down_proj\.", ".mlp.weights_out."),
    ]
]
# A ViT under a feature pyramid; the first rule is ours, as Hugging Face has no such network.
VIT_TO_CANONICAL = [
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        (r"^backbone\.vit\.", "backbone."),
        (r"^backbone\.layers\.", "backbone.encoder.layer."),
        (r"\.attention\.q_proj\.", ".attention.attention.query."),
        (r"\.attention\.k_proj\.", ".attention.attention.key."),
        (r"\.attention\.v_proj\.", ".attention.attention.value."),
        (r"\.attention\.o_proj\.", ".attention.output.dense."),
        (r"\.mlp\.fc1\.", ".intermediate.dense."),
        (r"\.mlp\.fc2\.", ".output.dense."),
    ]
]
# transformers 5 builds a final norm that the backbone never uses.
UNUSED = re.compile(r"^backbone\.swin\.layernorm\.")


def canonical_key(key: str, is_swin: bool) -> str:
    """The canonical name of a key of the installed library."""
    if is_swin:
        return _renamed(key, V5_TO_CANONICAL)
    if key.startswith(("backbone.beit.", "backbone.fpn.")):
        return _renamed(key, BEIT_TO_CANONICAL)
    if key.startswith("backbone.vit."):
        return _renamed(key, VIT_TO_CANONICAL)
    if key.startswith("backbone.encoder.layer."):
        return _renamed(key, DINOV2_TO_CANONICAL)
    return key.replace(DINOV3_MEMORY, DINOV3_SAVED).replace(DINOV3_VIT_MEMORY, DINOV3_VIT_SAVED)


def _renamed(key, rules):
    for pattern, replacement in rules:
        key = pattern.sub(replacement, key)
    return key


def with_joined_gates(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """DINOv2's files hold the gate of a perceptron and what it multiplies as one layer."""
    joined = {}
    for key, tensor in tensors.items():
        if key.startswith("backbone.encoder.layer.") and ".mlp.gate_proj." in key:
            values = tensors[key.replace("gate_proj", "up_proj")]
            joined[key.replace("gate_proj", "weights_in")] = torch.cat([tensor, values])
        elif not (key.startswith("backbone.encoder.layer.") and ".mlp.up_proj." in key):
            joined[key] = tensor
    return joined


def relative_position_index(window_size: int) -> torch.Tensor:
    """Index into the bias table, i64 [window_size^2, window_size^2], as old files store it."""
    cell = torch.arange(window_size)
    distance = cell[:, None] - cell[None, :] + window_size - 1
    token = torch.arange(window_size * window_size)
    rows, columns = token // window_size, token % window_size
    return distance[rows][:, rows] * (2 * window_size - 1) + distance[columns][:, columns]


def hub_state(canonical, config):
    """What transformers 4 wrote: canonical names and an index buffer for each attention."""
    state = {key: tensor for key, tensor in canonical.items() if not UNUSED.match(key)}
    if config.backbone_config.model_type == "swin":
        index = relative_position_index(config.backbone_config.window_size)
        for key in list(state):
            if key.endswith("relative_position_bias_table"):
                state[key.removesuffix("bias_table") + "index"] = index.clone()
    return state


def v5_saved_state(canonical, config):
    """What transformers 5 saves: canonical names, no index buffers, an unused final norm."""
    state = dict(canonical)
    backbone = config.backbone_config
    if backbone.model_type == "swin":
        channels = backbone.embed_dim * 2 ** (len(backbone.depths) - 1)
        state.setdefault("backbone.swin.layernorm.weight", torch.ones(channels))
        state.setdefault("backbone.swin.layernorm.bias", torch.zeros(channels))
    return state


def v5_memory_state(canonical, config):
    """What `state_dict()` returns in transformers 5."""
    state = v5_saved_state(canonical, config)
    if config.backbone_config.model_type == "dinov3_convnext":
        return {key.replace(DINOV3_SAVED, DINOV3_MEMORY): value for key, value in state.items()}
    if config.backbone_config.model_type != "swin":
        return state
    return {
        _renamed(key, CANONICAL_TO_V5) if key.startswith("backbone.") else key: tensor
        for key, tensor in state.items()
    }


def to_unfold_order(tensor: torch.Tensor) -> torch.Tensor:
    """Patch-merging tensor from [(0,0), (1,0), (0,1), (1,1)] x C to C x row-major positions.

    mmsegmentation gathers the four neighbours with nn.Unfold, channel outermost.
    """
    channels = tensor.shape[-1] // 4
    tensor = tensor.reshape(*tensor.shape[:-1], 4, channels)
    tensor = tensor[..., [0, 2, 1, 3], :].transpose(-1, -2)
    return tensor.reshape(*tensor.shape[:-2], 4 * channels).contiguous()


def mmseg_state(canonical, config):
    """Names (and layouts) of mmsegmentation; Swin, ConvNeXt, BEiT and ResNet only."""
    writers = {
        "swin": _mmseg_swin,
        "convnext": _mmseg_convnext,
        "beit": _mmseg_beit,
        "resnet": _mmseg_resnet,
    }
    backbone_state = writers.get(config.backbone_config.model_type)
    if backbone_state is None:
        raise ValueError(f"no mmsegmentation names for {config.backbone_config.model_type}")
    state = {}
    for key, tensor in hub_state(canonical, config).items():
        name = key.replace("batch_norm", "bn").replace(".classifier.", ".conv_seg.")
        if name.startswith("backbone."):
            name, tensor = backbone_state(key, name, tensor, canonical)
        if name is not None:
            name = re.sub(
                r"hidden_states_norms\.stage(\d+)", lambda m: f"norm{int(m[1]) - 1}", name
            )
            state[name] = tensor
    return state


def _mmseg_swin(key, name, tensor, canonical):
    if re.search(r"attention\.self\.(key|value)\.", name):
        return None, tensor
    if "attention.self.query." in name:
        parts = [canonical[key.replace("query", part)] for part in ("query", "key", "value")]
        tensor = torch.cat(parts, 0)
        name = name.replace("attention.self.query", "attn.w_msa.qkv")
    for old, new in [
        ("attention.self.", "attn.w_msa."),
        ("attention.output.dense", "attn.w_msa.proj"),
        ("layernorm_before", "norm1"),
        ("layernorm_after", "norm2"),
        ("intermediate.dense", "ffn.layers.0.0"),
        ("output.dense", "ffn.layers.1"),
        ("backbone.embeddings.patch_embeddings.projection", "backbone.patch_embed.projection"),
        ("backbone.embeddings.norm", "backbone.patch_embed.norm"),
        ("backbone.encoder.layers.", "backbone.stages."),
    ]:
        name = name.replace(old, new)
    if ".downsample." in name:
        tensor = to_unfold_order(tensor)
    return name, tensor


def _mmseg_convnext(_key, name, tensor, _canonical):
    name = name.replace("backbone.embeddings.patch_embeddings", "backbone.downsample_layers.0.0")
    name = name.replace("backbone.embeddings.layernorm", "backbone.downsample_layers.0.1")
    name = re.sub(
        r"encoder\.stages\.(\d+)\.downsampling_layer\.(\d)", r"downsample_layers.\1.\2", name
    )
    name = re.sub(r"encoder\.stages\.(\d+)\.layers\.(\d+)\.", r"stages.\1.\2.", name)
    for old, new in [
        ("layer_scale_parameter", "gamma"),
        ("dwconv", "depthwise_conv"),
        (".layernorm.", ".norm."),
        ("pwconv1", "pointwise_conv1"),
        ("pwconv2", "pointwise_conv2"),
    ]:
        name = name.replace(old, new)
    return name, tensor


def _mmseg_beit(key, name, tensor, canonical):
    if ".attention.attention.key." in name or name.endswith(".attention.attention.value.weight"):
        return None, tensor
    if name.endswith(".attention.attention.query.weight"):
        parts = [canonical[key.replace("query", part)] for part in ("query", "key", "value")]
        return name.replace(
            ".attention.attention.query.", ".attn.qkv."
        ).replace("encoder.layer.", "layers."), torch.cat(parts, 0)
    for old, new in [
        ("attention.attention.query.bias", "attn.q_bias"),
        ("attention.attention.value.bias", "attn.v_bias"),
        ("attention.attention.relative_position_bias.", "attn."),
        ("attention.output.dense", "attn.proj"),
        ("layernorm_before", "ln1"),
        ("layernorm_after", "ln2"),
        ("intermediate.dense", "ffn.layers.0.0"),
        ("output.dense", "ffn.layers.1"),
        ("lambda_", "gamma_"),
        ("backbone.embeddings.patch_embeddings.projection", "backbone.patch_embed.projection"),
        ("backbone.embeddings.cls_token", "backbone.cls_token"),
        ("backbone.encoder.layer.", "backbone.layers."),
        ("backbone.fpn1.", "neck.upsample_4x."),
        ("backbone.fpn2.", "neck.upsample_2x."),
    ]:
        name = name.replace(old, new)
    return name, tensor


def _mmseg_resnet(_key, name, tensor, _canonical):
    stem = {"stem.0": (0, 1), "stem.1": (3, 4), "embedder": (6, 7)}
    for layer, (convolution, norm) in stem.items():
        name = name.replace(f".embedder.{layer}.convolution", f".stem.{convolution}")
        name = name.replace(f".embedder.{layer}.normalization", f".stem.{norm}")
    name = name.replace(".shortcut.convolution", ".downsample.0")
    name = name.replace(".shortcut.normalization", ".downsample.1")
    name = re.sub(r"\.layer\.(\d)\.convolution", lambda m: f".conv{int(m[1]) + 1}", name)
    name = re.sub(r"\.layer\.(\d)\.normalization", lambda m: f".bn{int(m[1]) + 1}", name)
    name = re.sub(r"encoder\.stages\.(\d)\.layers", lambda m: f"layer{int(m[1]) + 1}", name)
    return name, tensor


STATES = {
    "hub": hub_state,
    "v5saved": v5_saved_state,
    "v5mem": v5_memory_state,
    "mmseg": mmseg_state,
}
