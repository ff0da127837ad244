//! Swin. Upstream: `SwinBackbone`, whose windows are never shrunk to small maps and whose padding is
//! not masked.

mod attention;

use attention::Attention;
use upernet_hf::config::HfSwinConfig;

use super::{
    Family,
    windowed::{EMBEDDINGS, LAYER_NORM_EPS, embeddings, neighbours, perceptron},
};
use crate::{
    Error,
    graph::Graph,
    layers::{Map, Tokens},
};

impl Family for HfSwinConfig {
    fn lower(&self, graph: &mut Graph<'_>, pixel_values: &Map) -> Result<Vec<Map>, Error> {
        let mut x = embeddings(graph, pixel_values, [self.patch_size, self.embed_dim])?;
        if self.use_absolute_embeddings {
            x = positioned(graph, self, x)?;
        }
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
                maps.push(returned(graph, stage + 1, &x)?);
            }
            if stage + 1 < last {
                x = merged(graph, &format!("{path}.downsample"), &x)?;
            }
        }
        Ok(maps)
    }

    fn refusal(&self, size: [usize; 2]) -> Option<String> {
        let learned = [self.image_size / self.patch_size; 2];
        let cells = size.map(|pixels| pixels.div_ceil(self.patch_size));
        self.one_size().filter(|_| cells != learned)
    }

    fn one_size(&self) -> Option<String> {
        let side = self.image_size;
        self.use_absolute_embeddings
            .then(|| format!("{side} x {side} pixels: its positions are learned"))
    }
}

/// Attention in windows, then two linear layers; each after a norm, both residual.
fn lower_block(
    graph: &mut Graph<'_>,
    config: &HfSwinConfig,
    path: &str,
    x: &Tokens,
    (attention, number): (&Attention, usize),
) -> Result<Tokens, Error> {
    let (channels, epsilon) = (x.channels, config.layer_norm_eps);
    let before = format!("{path}.layernorm_before");
    let y = graph.layer_norm(&before, &x.value, channels, epsilon)?;
    let y = attention.lower(graph, &format!("{path}.attention"), &y, number)?;
    let value = graph.node(path, "Add", &[&x.value, &y], Vec::new());

    let after = format!("{path}.layernorm_after");
    let y = graph.layer_norm(&after, &value, channels, epsilon)?;
    let y = perceptron(graph, path, &y, (channels, config.mlp_ratio))?;
    let value = graph.node(path, "Add", &[&value, &y], Vec::new());
    Ok(Tokens { value, ..x.clone() })
}

/// Tokens with their learned positions added.
fn positioned(graph: &mut Graph<'_>, config: &HfSwinConfig, x: Tokens) -> Result<Tokens, Error> {
    let grid = [config.image_size / config.patch_size; 2];
    let key = format!("{EMBEDDINGS}.position_embeddings");
    let positions = graph.weight(&key, &[1, grid[0] * grid[1], x.channels])?;
    let grid = [grid[0].into(), grid[1].into(), x.channels.into()];
    let positions = graph.reshape(EMBEDDINGS, &positions, &grid);
    let value = graph.node(EMBEDDINGS, "Add", &[&x.value, &positions], Vec::new());
    Ok(Tokens { value, ..x })
}

/// The map of a stage as it is returned.
fn returned(graph: &mut Graph<'_>, stage: usize, x: &Tokens) -> Result<Map, Error> {
    let path = format!("backbone.hidden_states_norms.stage{stage}");
    let value = graph.layer_norm(&path, &x.value, x.channels, LAYER_NORM_EPS)?;
    Ok(Tokens { value, ..x.clone() }.channels_first(graph, &path))
}

/// Patch merging: neighbours as one token, normed, then brought to twice the channels.
fn merged(graph: &mut Graph<'_>, path: &str, x: &Tokens) -> Result<Tokens, Error> {
    let channels = 2 * x.channels;
    let x = neighbours(graph, path, x);
    let norm = format!("{path}.norm");
    let value = graph.layer_norm(&norm, &x.value, x.channels, LAYER_NORM_EPS)?;
    let reduction = format!("{path}.reduction");
    let value = graph.product(&reduction, &value, [x.channels, channels])?;
    Ok(Tokens {
        value,
        channels,
        ..x
    })
}
