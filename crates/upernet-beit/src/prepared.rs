//! The backbone made ready for inference.

use burn::{module::Param, nn::Linear, tensor::Tensor};
use upernet_nn::{FeaturePyramid, PreparedBackbone, PreparedPyramidNeck};
use upernet_ops::{
    Patches, PreparedLayerNorm, PreparedLinear, PreparedMlp, attention, space_to_depth,
};

use crate::{
    BeitConfig,
    embeddings::{map, tokens},
    relative_position_bias::{between_tokens, sum},
};

/// A [`Beit`](crate::Beit) made ready for inference.
///
/// The scales of the branches and the neck's batch normalisation are part of the layers before them.
#[derive(Debug)]
pub struct PreparedBeit {
    pub(crate) embeddings: PreparedEmbeddings,
    /// Of all layers at once.
    pub(crate) bias_table: Option<Tensor<2>>,
    /// Up to the last one that a map is returned of.
    pub(crate) layers: Vec<PreparedLayer>,
    pub(crate) neck: Option<PreparedPyramidNeck>,
    pub(crate) config: BeitConfig,
}

/// Cuts the image into patches, embeds each, and puts a `[CLS]` token before them.
#[derive(Debug)]
pub(crate) struct PreparedEmbeddings {
    pub(crate) patches: Patches,
    pub(crate) projection: PreparedLinear,
    pub(crate) cls_token: Tensor<3>,
    pub(crate) position_embeddings: Option<Tensor<3>>,
}

#[derive(Debug)]
pub(crate) struct PreparedLayer {
    pub(crate) norm: PreparedLayerNorm,
    pub(crate) attention: PreparedAttention,
    pub(crate) mlp: PreparedMlp,
}

#[derive(Debug)]
pub(crate) struct PreparedAttention {
    /// Queries, keys and values side by side.
    pub(crate) qkv: PreparedLinear,
    pub(crate) projection: PreparedLinear,
    pub(crate) bias_table: Option<Tensor<2>>,
    pub(crate) num_heads: usize,
}

impl PreparedBackbone for PreparedBeit {
    fn forward(&self, pixel_values: Tensor<4>) -> FeaturePyramid {
        let grid = self.config.image_grid(&pixel_values);
        let shared_bias = self.bias_table.clone();
        let shared_bias = shared_bias.map(|table| between_tokens(table, grid));
        let mut x = self.embeddings.forward(pixel_values);
        let mut maps = Vec::with_capacity(self.config.out_stages.len());
        for (index, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x, grid, shared_bias.clone());
            if self.config.out_stages.contains(&index) {
                maps.push(map(x.clone(), grid));
            }
        }
        if let Some(neck) = &self.neck {
            maps = neck.forward(maps);
        }
        FeaturePyramid::new(maps)
    }

    fn bytes(&self) -> usize {
        let layers: usize = self.layers.iter().map(PreparedLayer::bytes).sum();
        let neck = self.neck.as_ref().map_or(0, PreparedPyramidNeck::bytes);
        self.embeddings.bytes() + table_bytes(self.bias_table.as_ref()) + layers + neck
    }
}

impl PreparedEmbeddings {
    fn forward(&self, pixel_values: Tensor<4>) -> Tensor<4> {
        let patches = space_to_depth(pixel_values, self.patches);
        let patches = self.projection.forward(patches);
        let positions = self.position_embeddings.clone();
        tokens(patches, self.cls_token.clone(), positions)
    }

    fn bytes(&self) -> usize {
        let positions = table_bytes(self.position_embeddings.as_ref());
        self.projection.bytes() + table_bytes(Some(&self.cls_token)) + positions
    }
}

impl PreparedLayer {
    fn forward(&self, x: Tensor<4>, grid: [usize; 2], shared_bias: Option<Tensor<3>>) -> Tensor<4> {
        let own_bias = self.attention.bias_table.clone();
        let own_bias = own_bias.map(|table| between_tokens(table, grid));
        let bias = sum(own_bias, shared_bias);
        let normed = self.norm.forward(x.clone());
        let x = self.attention.forward_onto(normed, bias, x);
        self.mlp.forward(x)
    }

    fn bytes(&self) -> usize {
        self.norm.bytes() + self.attention.bytes() + self.mlp.bytes()
    }
}

impl PreparedAttention {
    /// What attention makes of the tokens, added to `residual`.
    fn forward_onto(
        &self,
        tokens: Tensor<4>,
        bias: Option<Tensor<3>>,
        residual: Tensor<4>,
    ) -> Tensor<4> {
        let [_, channels, ..] = residual.dims();
        let qkv = self.qkv.forward(tokens);
        let [query, key, value] =
            [0, 1, 2].map(|part| qkv.clone().narrow(1, part * channels, channels));
        let context = attention(query, key, value, self.num_heads, bias);
        self.projection.forward_onto(context, residual)
    }

    fn bytes(&self) -> usize {
        self.qkv.bytes() + self.projection.bytes() + table_bytes(self.bias_table.as_ref())
    }
}

fn table_bytes<const D: usize>(table: Option<&Tensor<D>>) -> usize {
    table.map_or(0, |table| table.shape().num_elements() * size_of::<f32>())
}

/// Weight, `[in, out]`, and bias of a linear layer, whose results `scale`, `[out]`, multiplies.
pub(crate) fn linear_weights(
    linear: Linear,
    scale: Option<Tensor<1>>,
) -> (Tensor<2>, Option<Tensor<1>>) {
    let weight = linear.weight.into_value();
    let bias = linear.bias.map(Param::into_value);
    match scale {
        Some(scale) => {
            let bias = bias.map(|bias| bias * scale.clone());
            (weight * scale.unsqueeze::<2>(), bias)
        }
        None => (weight, bias),
    }
}
