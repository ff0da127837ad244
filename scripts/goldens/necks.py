"""A UPerNet on a ViT under a neck, which Hugging Face has not: its encoder, and the necks in torch.

They are mmsegmentation's `Feature2Pyramid` with strides of 4, 2, 1 and 1/2, and its `MultiLevelNeck` with
scales of the same, written from their definitions.
"""

from torch import nn
from transformers import Dinov2Config, UperNetConfig, UperNetForSemanticSegmentation, ViTModel
from transformers.modeling_outputs import BackboneOutput

def padded(images, patch):
    """Zeros at the bottom and on the right, to whole patches."""
    height, width = images.shape[2:]
    return nn.functional.pad(images, (0, -width % patch, 0, -height % patch))


FEATURE_PYRAMID, MULTI_LEVEL_NECK = "feature_pyramid", "multi_level_neck"


class Fourfold(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv_transpose1 = nn.ConvTranspose2d(channels, channels, 2, 2)
        self.batch_norm = nn.BatchNorm2d(channels)
        self.conv_transpose2 = nn.ConvTranspose2d(channels, channels, 2, 2)

    def forward(self, x):
        x = nn.functional.gelu(self.batch_norm(self.conv_transpose1(x)))
        return self.conv_transpose2(x)


class FeaturePyramid(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.fpn1 = Fourfold(channels)
        self.fpn2 = nn.ConvTranspose2d(channels, channels, 2, 2)

    def forward(self, maps):
        first, second, third, fourth = maps
        halved = nn.functional.max_pool2d(fourth, 2, 2)
        return self.fpn1(first), self.fpn2(second), third, halved


class MultiLevelNeck(nn.Module):
    """Each map convolved, resized by its scale, convolved."""

    SCALES = (4, 2, 1, 0.5)

    def __init__(self, channels, made):
        super().__init__()
        self.lateral_convs = nn.ModuleList(nn.Conv2d(channels, made, 1) for _ in self.SCALES)
        self.convs = nn.ModuleList(nn.Conv2d(made, made, 3, padding=1) for _ in self.SCALES)

    def forward(self, maps):
        made = []
        for x, scale, lateral, conv in zip(maps, self.SCALES, self.lateral_convs, self.convs):
            # The scale itself, as there: at half of an odd size it is another one than that of the sizes.
            x = nn.functional.interpolate(lateral(x), scale_factor=scale, mode="bilinear")
            made.append(conv(x))
        return made


class VitWithNeck(nn.Module):
    """The encoder's layers one by one, the norm where it is asked for, then the neck, if there is one."""

    def __init__(self, config, layers, norm, pads, neck):
        super().__init__()
        self.config, self.layers, self.norm, self.pads = config, layers, norm, pads
        self.vit = ViTModel(config, add_pooling_layer=False)
        if norm is False:
            self.vit.layernorm = nn.Identity()
        self.neck = neck

    def forward_with_filtered_kwargs(self, pixel_values, **_):
        return self(pixel_values)

    def forward(self, pixel_values):
        if self.pads:
            pixel_values = padded(pixel_values, self.config.patch_size)
        batch, _, height, width = pixel_values.shape
        size = (height // self.config.patch_size, width // self.config.patch_size)
        hidden = self.vit.embeddings(pixel_values, interpolate_pos_encoding=True)
        maps = []
        for index, layer in enumerate(self.vit.layers, 1):
            hidden = layer(hidden)
            if index in self.layers:
                is_last = index == self.config.num_hidden_layers
                is_normed = self.norm is True or (self.norm == "last" and is_last)
                patches = (self.vit.layernorm(hidden) if is_normed else hidden)[:, 1:]
                maps.append(patches.transpose(1, 2).reshape(batch, -1, *size))
        return BackboneOutput(feature_maps=self.neck(maps) if self.neck else maps)


def build_network(spec):
    """The model and its config, whose `backbone_config` is the ViT's with the fields of a backbone.

    `spec.neck` holds our fields of the network: `variant`, `neck_channels`, and of the backbone's
    `out_features`, `apply_layernorm` and `pad_to_patches`.
    """
    vit, fields = spec.backbone, spec.neck
    layers = [int(name.removeprefix("stage")) for name in fields["out_features"]]
    channels = fields.get("neck_channels", vit.hidden_size)
    norm = fields.get("apply_layernorm", True)
    # Something of the same shape for the heads to be built on.
    place_holder = Dinov2Config(
        hidden_size=channels,
        num_hidden_layers=vit.num_hidden_layers,
        num_attention_heads=1,
        out_features=fields["out_features"],
    )
    config = UperNetConfig(backbone_config=place_holder, **spec.head)
    model = UperNetForSemanticSegmentation(config)
    neck = {
        FEATURE_PYRAMID: lambda: FeaturePyramid(channels),
        MULTI_LEVEL_NECK: lambda: MultiLevelNeck(vit.hidden_size, channels),
        "single_scale": lambda: None,
    }[fields["variant"]]()
    pads = fields.get("pad_to_patches", False)
    model.backbone = VitWithNeck(vit, layers, norm, pads, neck)
    vit.out_features, vit.out_indices = fields["out_features"], layers
    for name in ("apply_layernorm", "pad_to_patches"):
        if name in fields:
            setattr(vit, name, fields[name])
    config.backbone_config = vit
    return config, model


def own_fields(spec):
    """Our fields of config.json."""
    return {key: spec.neck[key] for key in ("variant", "neck_channels") if key in spec.neck}
