"""mmsegmentation's ViT in torch, with the names that its weights have there, written from its definition.

Where Hugging Face's ViT has three projections this one has torch's own attention with a fused one, so its
logits tell whether they are split right. Images are filled up with zeros to whole patches.
"""

import torch
from torch import nn
from transformers import Dinov2Config, UperNetConfig, UperNetForSemanticSegmentation
from transformers.modeling_outputs import BackboneOutput

from .cases import STAGES
from .necks import MultiLevelNeck, padded
from .weights import fill


class Attention(nn.Module):
    def __init__(self, channels, heads):
        super().__init__()
        self.attn = nn.MultiheadAttention(channels, heads, batch_first=True)

    def forward(self, x):
        return self.attn(x, x, x, need_weights=False)[0]


class FeedForward(nn.Module):
    def __init__(self, channels, inner):
        super().__init__()
        first = nn.Sequential(nn.Linear(channels, inner), nn.GELU())
        self.layers = nn.Sequential(first, nn.Linear(inner, channels))

    def forward(self, x):
        return self.layers(x)


class Layer(nn.Module):
    def __init__(self, channels, heads, inner):
        super().__init__()
        self.ln1 = nn.LayerNorm(channels, eps=1e-6)
        self.attn = Attention(channels, heads)
        self.ln2 = nn.LayerNorm(channels, eps=1e-6)
        self.ffn = FeedForward(channels, inner)

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.ffn(self.ln2(x))


class PatchEmbed(nn.Module):
    def __init__(self, channels, patch):
        super().__init__()
        self.projection = nn.Conv2d(3, channels, patch, patch)


class Vit(nn.Module):
    """`final_norm` is applied to the last layer alone; every layer of `out_indices` gives a map."""

    def __init__(self, channels, heads, inner, patch, side, out_indices, final_norm):
        super().__init__()
        self.patch_embed = PatchEmbed(channels, patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, channels))
        self.pos_embed = nn.Parameter(torch.zeros(1, side * side + 1, channels))
        layers = range(out_indices[-1] + 1)
        self.layers = nn.ModuleList(Layer(channels, heads, inner) for _ in layers)
        if final_norm:
            self.ln1 = nn.LayerNorm(channels, eps=1e-6)
        self.side, self.out_indices, self.final_norm = side, out_indices, final_norm

    def positions(self, size):
        grid = self.pos_embed[:, 1:].reshape(1, self.side, self.side, -1).permute(0, 3, 1, 2)
        grid = nn.functional.interpolate(grid, size=size, mode="bicubic", align_corners=False)
        return torch.cat([self.pos_embed[:, :1], grid.flatten(2).transpose(1, 2)], 1)

    def forward(self, images):
        patches = self.patch_embed.projection(padded(images, self.patch_embed.projection.stride[0]))
        size = patches.shape[2:]
        tokens = patches.flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], 1)
        x = x + self.positions(size)
        maps = []
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index == len(self.layers) - 1 and self.final_norm:
                x = self.ln1(x)
            if index in self.out_indices:
                maps.append(x[:, 1:].transpose(1, 2).reshape(len(x), -1, *size))
        return maps


class Backbone(nn.Module):
    """A ViT and the neck on it, in the place of a backbone of Hugging Face's."""

    def __init__(self, vit, neck):
        super().__init__()
        self.vit, self.neck = vit, neck

    def forward_with_filtered_kwargs(self, pixel_values, **_):
        maps = self.vit(pixel_values)
        return BackboneOutput(feature_maps=self.neck(maps) if self.neck else maps)


def build_network(seed, vit, neck_channels, **head):
    """A UPerNet on a ViT, with values chosen by the names of its tensors; no channels are no neck."""
    width = vit.cls_token.shape[-1]
    # Something of the same shape for the heads to be built on.
    place_holder = Dinov2Config(
        hidden_size=neck_channels or width,
        num_hidden_layers=len(vit.out_indices),
        num_attention_heads=1,
        out_features=STAGES,
    )
    model = UperNetForSemanticSegmentation(UperNetConfig(backbone_config=place_holder, **head))
    model.backbone = Backbone(vit, MultiLevelNeck(width, neck_channels) if neck_channels else None)
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            tensor.copy_(fill(seed, _fill_key(key), tensor))
    return model.eval()


def stored_state(model):
    """What mmsegmentation saves of it."""
    return {stored_name(key): tensor for key, tensor in model.state_dict().items()}


def stored_name(key):
    """What mmsegmentation calls a tensor of the whole network; its convolutions are modules in modules."""
    if key.startswith("backbone.neck."):
        key, leaf = key.removeprefix("backbone.").rsplit(".", 1)
        return f"{key}.conv.{leaf}"
    if key.startswith("backbone.vit."):
        return key.replace("backbone.vit.", "backbone.")
    return key.replace("batch_norm", "bn").replace(".classifier.", ".conv_seg.")


def _fill_key(key):
    """The name by which a value of the right magnitude is chosen."""
    return key.replace("in_proj_", "in_proj.").replace("pos_embed", "position_embeddings")
