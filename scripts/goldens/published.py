"""The golden models of published sizes, with weights of our own."""

from typing import Callable

from transformers import (
    ConvNextV2Config,
    DINOv3ConvNextConfig,
    DINOv3ViTConfig,
    Dinov2Config,
)

from .cases import (
    Case,
    beit,
    case,
    convnext,
    deep_stem,
    plain_vit,
    pvt_v2,
    resnet,
    swin,
    swinv2,
)


def _full(backbone, auxiliary_in_channels, side=512):
    return lambda: case(
        backbone(),
        (side, side),
        batch=1,
        full=True,
        hidden_size=512,
        auxiliary_channels=256,
        num_labels=150,
        auxiliary_in_channels=auxiliary_in_channels,
    )


_resnet_50 = _full(lambda: resnet(64, (256, 512, 1024, 2048), (3, 4, 6, 3)), 1024)
QUARTERS = (3, 6, 9, 12)


def _dinov2_small():
    return plain_vit(Dinov2Config, 384, 6, 14, 12, QUARTERS, image_size=518)


def _pvt_v2_b2(**more):
    stages = ((64, 128, 320, 512), (3, 4, 6, 3), (8, 4, 2, 1), (1, 2, 5, 8), (8, 8, 4, 4))
    return pvt_v2(*stages, **more)


FULL: dict[str, Callable[[], Case]] = {
    "full-swin-tiny": _full(lambda: swin(96, (2, 2, 6, 2), (3, 6, 12, 24), 7), 384),
    "full-swin-small": _full(lambda: swin(96, (2, 2, 18, 2), (3, 6, 12, 24), 7), 384),
    "full-swin-base": _full(lambda: swin(128, (2, 2, 18, 2), (4, 8, 16, 32), 12), 512),
    "full-swin-large": _full(lambda: swin(192, (2, 2, 18, 2), (6, 12, 24, 48), 12), 768),
    "full-swinv2-tiny": _full(
        lambda: swinv2(96, (2, 2, 6, 2), (3, 6, 12, 24), 8, image_size=256), 384
    ),
    "full-convnext-tiny": _full(lambda: convnext((96, 192, 384, 768), (3, 3, 9, 3)), 384),
    "full-convnext-small": _full(lambda: convnext((96, 192, 384, 768), (3, 3, 27, 3)), 384),
    "full-convnext-base": _full(lambda: convnext((128, 256, 512, 1024), (3, 3, 27, 3)), 512),
    "full-convnext-large": _full(lambda: convnext((192, 384, 768, 1536), (3, 3, 27, 3)), 768, 640),
    "full-convnext-xlarge": _full(
        lambda: convnext((256, 512, 1024, 2048), (3, 3, 27, 3)), 1024, 640
    ),
    "full-convnextv2-tiny": _full(
        lambda: convnext((96, 192, 384, 768), (3, 3, 9, 3), config_class=ConvNextV2Config), 384
    ),
    "full-dinov3-convnext-tiny": _full(
        lambda: convnext((96, 192, 384, 768), (3, 3, 9, 3), config_class=DINOv3ConvNextConfig), 384
    ),
    "full-beit-base": _full(
        lambda: beit(
            768,
            12,
            12,
            (4, 6, 8, 12),
            image_size=640,
            patch_size=16,
            use_relative_position_bias=True,
        ),
        768,
    ),
    "full-pvt-v2-b2": _full(_pvt_v2_b2, 320),
    "full-pvt-v2-b2-linear": _full(lambda: _pvt_v2_b2(linear_attention=True), 320),
    "full-resnet-50": _resnet_50,
    "full-resnet-50-deep-stem": lambda: deep_stem(_resnet_50()),
    # Positions were learned on 37 x 37 patches, which is the size of the first.
    "full-dinov2-small": _full(_dinov2_small, 384, 518),
    "full-dinov2-small-512": _full(_dinov2_small, 384),
    "full-dinov3-vit-small": _full(
        lambda: plain_vit(DINOv3ViTConfig, 384, 6, 16, 12, QUARTERS, num_register_tokens=4), 384
    ),
}
