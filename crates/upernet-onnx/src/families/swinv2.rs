//! Swin V2. Upstream: `Swinv2Backbone`: each branch is normed at its end, windows are shrunk once, by
//! the size of the training image, and the returned maps have no norm.

mod attention;

use attention::Attention;
use upernet_hf::config::HfSwinV2Config;

use super::{
    Family,
    windowed::{LAYER_NORM_EPS, embeddings, neighbours, perceptron},
};
use crate::{
    Error,
    graph::Graph,
    layers::{Map, Tokens},
};

impl Family for HfSwinV2Config {
    fn lower(&self, graph: &mut Graph<'_>, pixel_values: &Map) -> Result<Vec<Map>, Error> {
        let mut x = embeddings(graph, pixel_values, [self.patch_size, self.embed_dim])?;
        let mut maps = Vec::with_capacity(self.out_stages.len());
        let last = self.out_stages.last().copied().unwrap_or_default();
        for (stage, &depth) in self.depths.iter().take(last).enumerate() {
            let path = format!("backbone.encoder.layers.{stage}");
            let attention = Attention::new(graph, self, stage, &x);
            for block in 0..depth {
                let path = format!("{path}.blocks.{block}");
                x = lower_block(graph, self, &path, &x, (&attention, block))?;
            }
            if self.out_stages.contains(&(stage + 1)) {
                maps.push(x.channels_first(graph, &path));
            }
            if stage + 1 < last {
                x = merged(graph, &format!("{path}.downsample"), &x)?;
            }
        }
        Ok(maps)
    }
}

/// Attention in windows, then two linear layers; each before a norm, both residual.
fn lower_block(
    graph: &mut Graph<'_>,
    config: &HfSwinV2Config,
    path: &str,
    x: &Tokens,
    (attention, number): (&Attention, usize),
) -> Result<Tokens, Error> {
    let (channels, epsilon) = (x.channels, config.layer_norm_eps);
    let y = attention.lower(graph, &format!("{path}.attention"), &x.value, number)?;
    let before = format!("{path}.layernorm_before");
    let y = graph.layer_norm(&before, &y, channels, epsilon)?;
    let value = graph.node(path, "Add", &[&x.value, &y], Vec::new());

    let y = perceptron(graph, path, &value, (channels, config.mlp_ratio))?;
    let after = format!("{path}.layernorm_after");
    let y = graph.layer_norm(&after, &y, channels, epsilon)?;
    let value = graph.node(path, "Add", &[&value, &y], Vec::new());
    Ok(Tokens { value, ..x.clone() })
}

/// Patch merging: neighbours as one token, brought to twice the channels, then normed.
fn merged(graph: &mut Graph<'_>, path: &str, x: &Tokens) -> Result<Tokens, Error> {
    let channels = 2 * x.channels;
    let x = neighbours(graph, path, x);
    let reduction = format!("{path}.reduction");
    let value = graph.product(&reduction, &x.value, [x.channels, channels])?;
    let norm = format!("{path}.norm");
    let value = graph.layer_norm(&norm, &value, channels, LAYER_NORM_EPS)?;
    Ok(Tokens {
        value,
        channels,
        ..x
    })
}
