"""A ResNet that begins with three 3 x 3 convolutions, which Hugging Face has not.

It is mmsegmentation's `ResNetV1c`: the first convolution halves the map, the first two have half of the
stem's channels.
"""

from pathlib import Path

from safetensors.torch import load_file
from torch import nn
from transformers import ResNetBackbone, ResNetConfig
from transformers.models.resnet.modeling_resnet import ResNetConvLayer

VARIANT = "deep_stem"


class DeepStem(nn.Module):
    def __init__(self, config):
        super().__init__()
        inner = config.embedding_size // 2
        layer = dict(kernel_size=3, activation=config.hidden_act)
        self.stem = nn.Sequential(
            ResNetConvLayer(config.num_channels, inner, stride=2, **layer),
            ResNetConvLayer(inner, inner, **layer),
        )
        self.embedder = ResNetConvLayer(inner, config.embedding_size, **layer)
        self.pooler = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)

    def forward(self, pixel_values):
        return self.pooler(self.embedder(self.stem(pixel_values)))


class DeepStemBackbone(ResNetBackbone):
    """What a folder of a backbone alone describes."""

    def __init__(self, config):
        super().__init__(config)
        self.embedder = DeepStem(config)

    @classmethod
    def from_pretrained(cls, folder):
        backbone = cls(ResNetConfig.from_pretrained(folder))
        backbone.load_state_dict(load_file(Path(folder) / "model.safetensors"))
        return backbone


def put_deep_stem(model) -> None:
    """Puts it in the place of the stem of `model`, a network on a ResNet."""
    model.backbone.embedder = DeepStem(model.backbone.config)
