"""A UPerNet on a ViT under a feature pyramid, which Hugging Face has not: its encoder, and a neck in torch.

The neck is mmsegmentation's `Feature2Pyramid` with strides of 4, 2, 1 and 1/2.
"""

from torch import nn
from transformers import Dinov2Config, UperNetConfig, UperNetForSemanticSegmentation, ViTModel
from transformers.modeling_outputs import BackboneOutput

VARIANT = "feature_pyramid"


class Fourfold(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv_transpose1 = nn.ConvTranspose2d(channels, channels, 2, 2)
        self.batch_norm = nn.BatchNorm2d(channels)
        self.conv_transpose2 = nn.ConvTranspose2d(channels, channels, 2, 2)

    def forward(self, x):
        x = nn.functional.gelu(self.batch_norm(self.conv_transpose1(x)))
        return self.conv_transpose2(x)


class Neck(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.fpn1 = Fourfold(channels)
        self.fpn2 = nn.ConvTranspose2d(channels, channels, 2, 2)

    def forward(self, maps):
        first, second, third, fourth = maps
        halved = nn.functional.max_pool2d(fourth, 2, 2)
        return self.fpn1(first), self.fpn2(second), third, halved


class VitPyramid(nn.Module):
    """The encoder's layers one by one, every returned one through the final norm, then the neck."""

    def __init__(self, config, layers):
        super().__init__()
        self.config, self.layers = config, layers
        self.vit = ViTModel(config, add_pooling_layer=False)
        self.neck = Neck(config.hidden_size)

    def forward_with_filtered_kwargs(self, pixel_values, **_):
        return self(pixel_values)

    def forward(self, pixel_values):
        batch, _, height, width = pixel_values.shape
        size = (height // self.config.patch_size, width // self.config.patch_size)
        hidden = self.vit.embeddings(pixel_values, interpolate_pos_encoding=True)
        maps = []
        for index, layer in enumerate(self.vit.layers, 1):
            hidden = layer(hidden)
            if index in self.layers:
                patches = self.vit.layernorm(hidden)[:, 1:]
                maps.append(patches.transpose(1, 2).reshape(batch, -1, *size))
        return BackboneOutput(feature_maps=self.neck(maps))


def build_network(spec):
    """The model and its config, whose `backbone_config` is the ViT's with the fields of a backbone."""
    vit = spec.backbone
    layers = [int(name.removeprefix("stage")) for name in spec.pyramid]
    # Something of the same shape for the heads to be built on.
    place_holder = Dinov2Config(
        hidden_size=vit.hidden_size,
        num_hidden_layers=vit.num_hidden_layers,
        num_attention_heads=vit.num_attention_heads,
        out_features=spec.pyramid,
    )
    config = UperNetConfig(backbone_config=place_holder, **spec.head)
    model = UperNetForSemanticSegmentation(config)
    model.backbone = VitPyramid(vit, layers)
    vit.out_features, vit.out_indices = spec.pyramid, layers
    config.backbone_config = vit
    return config, model
