"""The golden models: small ones for tests, and trimmed ones for the repository."""

from dataclasses import dataclass, field, replace
from typing import Callable

from transformers import (
    BeitConfig,
    ConvNextConfig,
    ConvNextV2Config,
    DINOv3ConvNextConfig,
    DINOv3ViTConfig,
    Dinov2Config,
    Dinov2WithRegistersConfig,
    PretrainedConfig,
    PvtV2Config,
    ResNetConfig,
    SwinConfig,
    Swinv2Config,
    ViTConfig,
)

STAGES = ["stage1", "stage2", "stage3", "stage4"]


@dataclass
class Case:
    """One model and the input that it is shown.

    debug keeps the head's inner maps, full keeps strided logits and a label map in place of
    full-size logits, config_only writes no tensors (for models that a port has to refuse).
    """

    backbone: PretrainedConfig
    size: tuple[int, int]
    batch: int = 2
    debug: bool = False
    full: bool = False
    config_only: bool = False
    head: dict = field(default_factory=dict)
    # Our fields of a network that upstream has not: see necks.py.
    neck: dict | None = None
    # Three convolutions in the stem of a ResNet, which are not upstream's either.
    deep_stem: bool = False


def case(backbone, size, batch=2, debug=False, full=False, config_only=False, **head) -> Case:
    """A case under the small head of most goldens; `head` overrides single settings."""
    small_head = dict(hidden_size=16, auxiliary_channels=8, num_labels=7)
    return Case(backbone, size, batch, debug, full, config_only, {**small_head, **head})


# ---------------------------------------------------------------- backbones


def _windowed(config_class, embed_dim, depths, num_heads, window_size, **more):
    return config_class(
        embed_dim=embed_dim,
        depths=list(depths),
        num_heads=list(num_heads),
        window_size=window_size,
        drop_path_rate=0.0,
        out_features=STAGES[: len(depths)],
        **more,
    )


def swin(embed_dim=8, depths=(1, 1, 2, 1), num_heads=(1, 2, 2, 4), window_size=7, **more):
    return _windowed(SwinConfig, embed_dim, depths, num_heads, window_size, **more)


def swinv2(embed_dim=8, depths=(1, 1, 2, 1), num_heads=(1, 2, 2, 4), window_size=7, **more):
    return _windowed(Swinv2Config, embed_dim, depths, num_heads, window_size, **more)


def convnext(
    hidden_sizes=(16, 24, 32, 40),
    depths=(1, 1, 2, 1),
    config_class=ConvNextConfig,
    out_features=STAGES,
    **more,
):
    return config_class(
        hidden_sizes=list(hidden_sizes),
        depths=list(depths),
        drop_path_rate=0.0,
        out_features=list(out_features),
        **more,
    )


def resnet(embedding_size=16, hidden_sizes=(16, 24, 32, 40), depths=(1, 1, 2, 1), **more):
    return ResNetConfig(
        embedding_size=embedding_size,
        hidden_sizes=list(hidden_sizes),
        depths=list(depths),
        out_features=STAGES,
        **more,
    )


def beit(hidden_size=16, layers=4, num_attention_heads=2, out_stages=(1, 2, 3, 4), **more):
    settings = dict(
        intermediate_size=4 * hidden_size,
        image_size=40,
        patch_size=8,
        add_fpn=True,
        drop_path_rate=0.0,
    )
    return BeitConfig(
        hidden_size=hidden_size,
        num_hidden_layers=layers,
        num_attention_heads=num_attention_heads,
        out_features=[f"stage{stage}" for stage in out_stages],
        **{**settings, **more},
    )


def plain_vit(config_class, hidden_size, num_attention_heads, patch_size, layers, out, **more):
    """A plain transformer that returns the maps of the layers `out`, counted from 1."""
    return config_class(
        hidden_size=hidden_size,
        num_attention_heads=num_attention_heads,
        patch_size=patch_size,
        num_hidden_layers=layers,
        out_features=[f"stage{layer}" for layer in out],
        **more,
    )


def pvt_v2(
    hidden_sizes=(16, 24, 32, 40),
    depths=(1, 1, 2, 1),
    sr_ratios=(8, 4, 2, 1),
    num_attention_heads=(1, 2, 4, 5),
    mlp_ratios=(4, 4, 2, 2),
    **more,
):
    return PvtV2Config(
        hidden_sizes=list(hidden_sizes),
        depths=list(depths),
        sr_ratios=list(sr_ratios),
        num_attention_heads=list(num_attention_heads),
        mlp_ratios=list(mlp_ratios),
        out_features=STAGES[: len(depths)],
        **more,
    )


def under(variant: str, spec: Case, **more) -> Case:
    """The same under a neck of ours, on the first four layers."""
    return replace(spec, neck=dict(variant=variant, out_features=STAGES, **more))


def deep_stem(spec: Case) -> Case:
    """The same with three convolutions in its stem."""
    return replace(spec, deep_stem=True)


# ---------------------------------------------------------------- tables

WIDE = dict(hidden_size=32, auxiliary_channels=16)

# Two convolutions and a concatenated input in the auxiliary head, its width given in the config,
# and another ignore index; the head of "head-aux-concat".
AUX_CONCAT = dict(
    auxiliary_num_convs=2,
    auxiliary_concat_input=True,
    auxiliary_loss_weight=0.25,
    loss_ignore_index=3,
)

SWIN_OPTIONS = dict(
    depths=(2, 1, 2, 1), window_size=4, layer_norm_eps=1e-3, qkv_bias=False, mlp_ratio=2.0
)

# Maps of an eighth of the image's size and less, halved in the first 1 x 1 convolutions; an activation
# that tells the convolutions that read the config from those that always have a ReLU.
RESNET_OPTIONS = dict(
    downsample_in_first_stage=True, downsample_in_bottleneck=True, hidden_act="gelu"
)

# A bias in each layer, as in the published fine-tuned ones; a layer after the last map.
BEIT = dict(layers=5, out_stages=(1, 2, 3, 4), use_relative_position_bias=True)
# What the pretrained ones have, both at once; no layer scale, an eps that tells that it is read, and a
# mask token and a final norm, which say nothing of the maps.
BEIT_SHARED = dict(
    layers=4,
    use_shared_relative_position_bias=True,
    use_absolute_position_embeddings=True,
    layer_scale_init_value=0.0,
    layer_norm_eps=1e-3,
    image_size=32,
    use_mask_token=True,
    use_mean_pooling=False,
)

# An eps that tells the norms that read the config, and other patches.
PVT_V2_LINEAR = dict(
    linear_attention=True,
    qkv_bias=False,
    layer_norm_eps=1e-3,
    patch_sizes=[5, 3, 5],
    strides=[3, 2, 2],
    num_encoder_blocks=3,
)

SMALL: dict[str, Callable[[], Case]] = {
    # Main case of each backbone: odd, non-square, batch 2, shifted blocks in stages 1 and 3.
    "swin": lambda: case(swin(16, (2, 1, 2, 1), (2, 2, 4, 4)), (97, 131), **WIDE),
    "convnext": lambda: case(convnext(), (69, 93), debug=True, **WIDE),
    "convnextv2": lambda: case(convnext(config_class=ConvNextV2Config), (69, 93), **WIDE),
    # Every norm reads this eps, where those of the other ConvNeXts have one that is fixed.
    "dinov3-convnext": lambda: case(
        convnext(config_class=DINOv3ConvNextConfig, layer_norm_eps=1e-3), (69, 93), **WIDE
    ),
    "swinv2": lambda: case(swinv2(depths=(2, 1, 2, 1), image_size=224), (69, 93)),
    "resnet": lambda: case(resnet(), (69, 93)),
    # The image is smaller than one window in every stage (5 x 6 patches, window 7, shift 3).
    "swin-small-image": lambda: case(swin(depths=(2, 2, 2, 2)), (20, 24)),
    # An eps that tells the norms that read the config from those that do not; no auxiliary head.
    "swin-options": lambda: case(
        swin(**SWIN_OPTIONS), (64, 48), use_auxiliary_head=False, pool_scales=[1, 2, 4]
    ),
    # UperNet never interpolates learned positions, so the input has to match image_size.
    # transformers 4 allocates one row too many and cannot run this; the case is skipped there.
    "swin-absolute": lambda: case(
        swin(image_size=64, use_absolute_embeddings=True), (64, 64), batch=1
    ),
    "head-aux-concat": lambda: case(
        convnext(layer_scale_init_value=0.0), (66, 50), auxiliary_in_channels=32, **AUX_CONCAT
    ),
    # Three maps, and an auxiliary head without convolutions.
    "head-three-level": lambda: case(
        convnext(depths=(1, 1, 1, 1), out_features=STAGES[1:]),
        (64, 80),
        auxiliary_num_convs=0,
        auxiliary_channels=40,
    ),
    "convnext-small-image": lambda: case(convnext(), (33, 35)),
    # SwinV2 clamps its windows when it is built: image_size 64 makes grids of 4 and 2 cells.
    "swinv2-clamped": lambda: case(
        swinv2(
            depths=(2, 1, 2, 2), window_size=8, image_size=64, pretrained_window_sizes=[4, 4, 4, 2]
        ),
        (64, 80),
    ),
    "resnet-basic": lambda: case(resnet(layer_type="basic"), (65, 47)),
    "resnet-options": lambda: case(resnet(**RESNET_OPTIONS), (131, 97)),
    "resnet-deep-stem": lambda: deep_stem(case(resnet(), (69, 93))),
    # 11 x 16 patches, where 5 x 5 were learned; the last rows and columns are no whole patch.
    "beit": lambda: case(beit(32, **BEIT), (93, 131), **WIDE),
    "beit-shared": lambda: case(beit(**BEIT_SHARED), (69, 50)),
    "beit-flat": lambda: case(
        beit(add_fpn=False, out_stages=(2, 3, 4), use_relative_position_bias=True), (48, 66)
    ),
    "dinov2": lambda: case(
        plain_vit(Dinov2Config, 24, 3, 14, 5, (1, 2, 4, 5), image_size=70), (83, 131)
    ),
    "dinov2-registers": lambda: case(
        plain_vit(Dinov2WithRegistersConfig, 24, 3, 14, 4, (1, 2, 3, 4), **REGISTERS), (69, 93)
    ),
    "dinov3-vit": lambda: case(
        plain_vit(DINOv3ViTConfig, 24, 3, 16, 4, (1, 2, 3, 4), **DINOV3_VIT), (69, 131)
    ),
    "dinov3-vit-gated": lambda: case(
        plain_vit(DINOv3ViTConfig, 24, 3, 16, 4, (1, 2, 3, 4), **DINOV3_GATED), (69, 93)
    ),
    # Keys and values of 2 x 3 cells in the first three stages, whose last rows belong to none.
    "pvt-v2": lambda: case(pvt_v2(), (69, 93)),
    # Grids of 7 x 7 on maps of 18 x 13, 9 x 7 and 5 x 4 cells.
    "pvt-v2-linear": lambda: case(
        pvt_v2((16, 24, 32), (1, 2, 1), (8, 4, 2), (1, 2, 4), (4, 4, 2), **PVT_V2_LINEAR), (53, 37)
    ),
    "vit-pyramid": lambda: under(
        "feature_pyramid", case(ViTConfig(**VIT, patch_size=16, image_size=64), (69, 93), batch=3)
    ),
    "vit-multi-level": lambda: under(
        "multi_level_neck", case(ViTConfig(**VIT, patch_size=16, image_size=64), (85, 93)), **NECK
    ),
}

# A gated perceptron, and more positions learned than the image has patches: antialiasing shows.
REGISTERS = dict(
    image_size=112, num_register_tokens=3, use_swiglu_ffn=True, mlp_ratio=2, qkv_bias=False
)
# Training multiplies places by a random factor unless it is told not to.
DINOV3_VIT = dict(intermediate_size=40, num_register_tokens=4, pos_embed_rescale=None)
# The final norm on the last map alone.
DINOV3_GATED = dict(
    intermediate_size=24,
    num_register_tokens=2,
    pos_embed_rescale=None,
    use_gated_mlp=True,
    hidden_act="silu",
    apply_layernorm=False,
)

# As mmsegmentation's `_ln_mln_` recipes have it, but for the channels.
NECK = dict(neck_channels=4, apply_layernorm="last", pad_to_patches=True)
VIT = dict(hidden_size=8, intermediate_size=16, num_hidden_layers=4, num_attention_heads=2)

NARROW = dict(hidden_sizes=(8, 12, 16, 24))
NARROWER = dict(hidden_sizes=(4, 6, 10, 14))
TINY_RESNET = dict(embedding_size=4, hidden_sizes=(4, 8, 12, 16))
SLIM = dict(hidden_size=6, auxiliary_channels=4, num_labels=3)


def trimmed(backbone, size, **more) -> Case:
    head = dict(hidden_size=10, auxiliary_channels=6, num_labels=5)
    return case(backbone, size, **{**head, **more})


# The same cases under the same names, narrower and on smaller pictures, so that all of them
# together stay below 6 MB. Each keeps the property that its big brother is there for. Where the
# last map is one cell the batch is 3: BatchNorm over two values maps nearly everything to -1 and 1,
# and leaves gradients that are mostly rounding.
TRIMMED: dict[str, Callable[[], Case]] = {
    # 15 x 21 patches: three by three windows of 7, padded, and shifted in the second block.
    "swin": lambda: trimmed(swin(depths=(2, 1, 2, 1)), (57, 83)),
    # 5 x 6 patches, window 6; the last map is one cell.
    "swin-small-image": lambda: trimmed(
        swin(4, (2, 2, 2, 2), window_size=6), (17, 21), batch=3
    ),
    "swin-options": lambda: trimmed(
        swin(4, **SWIN_OPTIONS), (51, 38), use_auxiliary_head=False, pool_scales=[1, 2, 4]
    ),
    "swin-absolute": lambda: trimmed(
        swin(4, window_size=5, image_size=36, use_absolute_embeddings=True), (36, 36), batch=1
    ),
    "convnext": lambda: trimmed(convnext(**NARROW), (62, 83), debug=True),
    "convnext-small-image": lambda: trimmed(convnext(**NARROW), (34, 39), batch=3),
    "head-aux-concat": lambda: trimmed(
        convnext(**NARROW, layer_scale_init_value=0.0),
        (53, 38),
        batch=3,
        auxiliary_in_channels=16,
        **AUX_CONCAT,
    ),
    "head-three-level": lambda: trimmed(
        convnext(**NARROW, depths=(1, 1, 1, 1), out_features=STAGES[1:]),
        (49, 66),
        auxiliary_num_convs=0,
        auxiliary_channels=24,
    ),
    "convnextv2": lambda: trimmed(convnext(**NARROWER, config_class=ConvNextV2Config), (34, 67)),
    "dinov3-convnext": lambda: trimmed(
        convnext(**NARROWER, config_class=DINOv3ConvNextConfig, layer_norm_eps=1e-3), (67, 35)
    ),
    # Three stages: with fewer than 8 channels a norm would magnify rounding. 9 x 7 patches in windows
    # of 4: padded, and shifted in stages 1 and 3.
    "swinv2": lambda: trimmed(swinv2(8, (2, 1, 2), (1, 2, 2), window_size=4), (35, 27)),
    # Grids of 6, 3 and 1 cells, so windows of 4, 3 and 1. The eps tells the norms that read the config
    # from those that do not.
    "swinv2-clamped": lambda: trimmed(
        swinv2(
            8,
            (2, 2, 1),
            (1, 2, 2),
            window_size=4,
            image_size=24,
            pretrained_window_sizes=[6, 3, 0],
            qkv_bias=False,
            mlp_ratio=2.0,
            layer_norm_eps=1e-3,
        ),
        (25, 33),
    ),
    "resnet": lambda: trimmed(resnet(**TINY_RESNET), (33, 47), **SLIM),
    # The stem has the channels of the first stage, whose block then adds its input itself.
    "resnet-basic": lambda: trimmed(
        resnet(**TINY_RESNET, layer_type="basic"), (29, 38), batch=3, **SLIM
    ),
    "resnet-options": lambda: trimmed(
        resnet(**TINY_RESNET, **RESNET_OPTIONS), (71, 38), **SLIM
    ),
    # Its stem has an odd number of channels.
    "resnet-deep-stem": lambda: deep_stem(
        trimmed(resnet(5, (4, 4, 4, 8), (1, 1, 1, 1)), (22, 35), batch=3, **SLIM)
    ),
    # 4 x 5 patches where 5 x 5 were learned, and 6 x 4 where 4 x 4 were.
    "beit": lambda: trimmed(beit(8, **BEIT, patch_size=4, image_size=20), (18, 23), **SLIM),
    "beit-shared": lambda: trimmed(
        beit(8, **{**BEIT_SHARED, "patch_size": 4, "image_size": 16}), (25, 17), **SLIM
    ),
    # Three maps of one size, at the size that was learned.
    "beit-flat": lambda: trimmed(
        beit(
            8,
            layers=3,
            out_stages=(1, 2, 3),
            add_fpn=False,
            patch_size=4,
            image_size=12,
            use_relative_position_bias=True,
        ),
        (12, 12),
        **SLIM,
    ),
    # 4 x 6 patches, positions learned on 3 x 3; a border that no patch covers.
    "dinov2": lambda: trimmed(
        plain_vit(Dinov2Config, 12, 3, 5, 5, (1, 2, 4, 5), image_size=15, mlp_ratio=2),
        (23, 31),
        **SLIM,
    ),
    # 3 x 5 patches, positions learned on 6 x 6.
    "dinov2-registers": lambda: trimmed(
        plain_vit(
            Dinov2WithRegistersConfig,
            12,
            2,
            5,
            4,
            (1, 2, 3, 4),
            **{**REGISTERS, "image_size": 30},
        ),
        (18, 27),
        **SLIM,
    ),
    "dinov3-vit": lambda: trimmed(
        plain_vit(DINOv3ViTConfig, 16, 2, 5, 4, (1, 2, 3, 4), **DINOV3_VIT), (19, 33), **SLIM
    ),
    "dinov3-vit-gated": lambda: trimmed(
        plain_vit(DINOv3ViTConfig, 16, 4, 5, 4, (1, 2, 3, 4), **DINOV3_GATED), (27, 16), **SLIM
    ),
    # Keys and values of 2 x 3 and 2 x 2 cells in the first two stages; the last row of 7 x 9 and the last
    # column of 4 x 5 belong to none.
    "pvt-v2": lambda: trimmed(
        pvt_v2((8, 8, 12, 12), (1, 2, 1, 1), (3, 2, 1, 1), (1, 2, 2, 3), (2, 3, 2, 2)),
        (25, 33),
        **SLIM,
    ),
    # Maps of 11 x 9, 6 x 5 and 3 x 3 cells.
    "pvt-v2-linear": lambda: trimmed(
        pvt_v2((8, 8, 12), (1, 2, 1), (8, 4, 2), (1, 2, 3), (2, 3, 2), **PVT_V2_LINEAR),
        (31, 26),
        **SLIM,
    ),
    # 3 x 5 patches, so maps of 12 x 20, 6 x 10, 3 x 5 and 1 x 2 cells; positions learned on 4 x 4.
    "vit-pyramid": lambda: under(
        "feature_pyramid",
        trimmed(ViTConfig(**VIT, patch_size=5, image_size=20), (19, 27), batch=3, **SLIM),
    ),
    # The same sizes, once the image is filled up: maps are halved from an odd one.
    "vit-multi-level": lambda: under(
        "multi_level_neck",
        trimmed(ViTConfig(**VIT, patch_size=5, image_size=20), (14, 23), batch=3, **SLIM),
        **NECK,
    ),
}
