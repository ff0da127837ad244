//! Swin. Upstream: `SwinBackbone`, whose windows are never shrunk to small maps and whose padding is
//! not masked.

mod attention;

use attention::Attention;
use upernet_hf::config::HfSwinConfig;

use super::Family;
use crate::{
    Error,
    graph::{Attribute, Graph, Size, Value, signed},
    layers::{Map, Window},
};

/// Epsilon of every norm outside a block, fixed upstream.
const LAYER_NORM_EPS: f64 = 1e-5;

/// A map with channels last, `[N, height, width, channels]`.
#[derive(Clone, Debug)]
struct Tokens {
    value: Value,
    channels: usize,
    size: [Size; 2],
}

impl Family for HfSwinConfig {
    fn lower(&self, graph: &mut Graph<'_>, pixel_values: &Map) -> Result<Vec<Map>, Error> {
        let mut x = embeddings(graph, self, pixel_values)?;
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

/// Attention in windows, then two linear layers; both residual.
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
    let hidden = hidden_channels(config, channels);
    let expand = format!("{path}.intermediate.dense");
    let y = graph.linear(&expand, &y, [channels, hidden])?;
    let y = graph.gelu(path, &y);
    let project = format!("{path}.output.dense");
    let y = graph.linear(&project, &y, [hidden, channels])?;
    let value = graph.node(path, "Add", &[&value, &y], Vec::new());
    Ok(Tokens { value, ..x.clone() })
}

/// Patches as tokens, normed; positions are added if they are learned.
fn embeddings(
    graph: &mut Graph<'_>,
    config: &HfSwinConfig,
    pixel_values: &Map,
) -> Result<Tokens, Error> {
    let scope = "backbone.embeddings";
    let (channels, patch) = (config.embed_dim, config.patch_size);
    let size = pixel_values
        .size
        .clone()
        .map(|size| graph.next_multiple(&size, patch));
    let padded = Map {
        value: padded(
            graph,
            scope,
            &pixel_values.value,
            Layout::ChannelsFirst,
            [&pixel_values.size, &size],
        ),
        channels: pixel_values.channels,
        size,
    };
    let layer = format!("{scope}.patch_embeddings.projection");
    let x = graph.conv(&layer, &padded, channels, Window::patches(patch))?;
    let value = graph.channels_last(scope, &x.value);
    let mut value = graph.layer_norm(&format!("{scope}.norm"), &value, channels, LAYER_NORM_EPS)?;
    if config.use_absolute_embeddings {
        let grid = [config.image_size / patch; 2];
        let key = format!("{scope}.position_embeddings");
        let positions = graph.weight(&key, &[1, grid[0] * grid[1], channels])?;
        let grid = [grid[0].into(), grid[1].into(), channels.into()];
        let positions = graph.reshape(scope, &positions, &grid);
        value = graph.node(scope, "Add", &[&value, &positions], Vec::new());
    }
    Ok(Tokens {
        value,
        channels,
        size: x.size,
    })
}

/// The map of a stage as it is returned.
fn returned(graph: &mut Graph<'_>, stage: usize, x: &Tokens) -> Result<Map, Error> {
    let path = format!("backbone.hidden_states_norms.stage{stage}");
    let value = graph.layer_norm(&path, &x.value, x.channels, LAYER_NORM_EPS)?;
    Ok(Map {
        value: graph.channels_first(&path, &value),
        channels: x.channels,
        size: x.size.clone(),
    })
}

/// Patch merging: 2 x 2 tokens beside each other, columns outermost, to one of twice the channels.
fn merged(graph: &mut Graph<'_>, path: &str, x: &Tokens) -> Result<Tokens, Error> {
    let channels = x.channels;
    let even = x.size.clone().map(|size| graph.next_multiple(&size, 2));
    let value = padded(
        graph,
        path,
        &x.value,
        Layout::ChannelsLast,
        [&x.size, &even],
    );
    let size = even.map(|size| graph.divided(&size, 2));
    let [height, width] = size.clone();
    let two = || Size::Fixed(2);
    let split = [height.clone(), two(), width.clone(), two(), channels.into()];
    let value = graph.reshape(path, &value, &split);
    // [N, H, row, W, column, C] -> [N, H, W, column, row, C]
    let value = graph.transpose(path, &value, &[0, 1, 3, 4, 2, 5]);
    let value = graph.reshape(path, &value, &[height, width, (4 * channels).into()]);
    let norm = format!("{path}.norm");
    let value = graph.layer_norm(&norm, &value, 4 * channels, LAYER_NORM_EPS)?;
    let reduction = format!("{path}.reduction");
    let value = graph.product(&reduction, &value, [4 * channels, 2 * channels])?;
    Ok(Tokens {
        value,
        channels: 2 * channels,
        size,
    })
}

/// Which axes of a map are height and width.
#[derive(Clone, Copy)]
enum Layout {
    ChannelsFirst,
    ChannelsLast,
}

/// Adds zeros at the bottom and at the right until a map has the second size.
fn padded(
    graph: &mut Graph<'_>,
    scope: &str,
    x: &Value,
    layout: Layout,
    [from, to]: [&[Size; 2]; 2],
) -> Value {
    let fixed = from.iter().all(|size| size.fixed().is_some());
    if fixed && from == to {
        return x.clone();
    }
    let [bottom, right] = [0, 1].map(|axis| graph.minus(&to[axis], &from[axis]));
    let none = || Size::Fixed(0);
    let after = match layout {
        Layout::ChannelsFirst => [none(), none(), bottom, right],
        Layout::ChannelsLast => [none(), bottom, right, none()],
    };
    let mut amounts = vec![none(); 4];
    amounts.extend(after);
    let amounts = graph.sizes(&amounts);
    graph.node(
        scope,
        "Pad",
        &[x, &amounts],
        vec![("mode", Attribute::Text("constant"))],
    )
}

/// Cuts a map with channels last back to its first rows and columns.
fn cropped(graph: &mut Graph<'_>, scope: &str, x: &Value, [from, to]: [&[Size; 2]; 2]) -> Value {
    let fixed = from.iter().all(|size| size.fixed().is_some());
    if fixed && from == to {
        return x.clone();
    }
    let starts = graph.list(&[0, 0]);
    let ends = graph.sizes(to);
    let axes = graph.list(&[1, 2]);
    graph.node(scope, "Slice", &[x, &starts, &ends, &axes], Vec::new())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "upstream truncates too: int(mlp_ratio * channels)"
)]
fn hidden_channels(config: &HfSwinConfig, channels: usize) -> usize {
    (config.mlp_ratio * channels as f64) as usize
}

/// Moves a map with channels last by so many cells towards its start, along both axes; what leaves
/// comes in on the other side.
fn rolled(graph: &mut Graph<'_>, scope: &str, x: &Value, cells: i64) -> Value {
    [1, 2].into_iter().fold(x.clone(), |x, axis| {
        let front = graph.slice(scope, &x, axis, [cells, i64::MAX]);
        let back = graph.slice(scope, &x, axis, [0, cells]);
        let axis = vec![("axis", Attribute::Int(axis))];
        graph.node(scope, "Concat", &[&front, &back], axis)
    })
}

/// Half a window, rounded down: how far every second block moves its windows.
fn shift(window: usize) -> i64 {
    signed(window / 2)
}
