//! What the two generations of Swin share: patches as tokens, windows, heads, perceptrons, merging.

mod heads;
mod windows;

pub(super) use heads::Heads;
pub(super) use windows::{Cut, Windows};

use crate::{
    Error,
    graph::{Graph, Size, Value},
    layers::{Layout, Map, Tokens, Window},
};

/// Epsilon of every norm outside a block, fixed upstream.
pub(super) const LAYER_NORM_EPS: f64 = 1e-5;

/// Where the embeddings' layers are.
pub(super) const EMBEDDINGS: &str = "backbone.embeddings";

/// Patches as tokens, normed. Images are filled up with zeros to whole patches.
pub(super) fn embeddings(
    graph: &mut Graph<'_>,
    pixel_values: &Map,
    [patch, channels]: [usize; 2],
) -> Result<Tokens, Error> {
    let padded = graph.padded_to_multiple(EMBEDDINGS, pixel_values, patch);
    let layer = format!("{EMBEDDINGS}.patch_embeddings.projection");
    let x = graph.conv(&layer, &padded, channels, Window::patches(patch))?;
    let x = Tokens::from_map(graph, EMBEDDINGS, &x);
    let norm = format!("{EMBEDDINGS}.norm");
    let value = graph.layer_norm(&norm, &x.value, channels, LAYER_NORM_EPS)?;
    Ok(Tokens { value, ..x })
}

/// The two linear layers of a block, with GELU between them.
pub(super) fn perceptron(
    graph: &mut Graph<'_>,
    path: &str,
    x: &Value,
    (channels, ratio): (usize, f64),
) -> Result<Value, Error> {
    let hidden = hidden_channels(channels, ratio);
    let expand = format!("{path}.intermediate.dense");
    let y = graph.linear(&expand, x, [channels, hidden])?;
    let y = graph.gelu(path, &y);
    graph.linear(&format!("{path}.output.dense"), &y, [hidden, channels])
}

/// What patch merging reads: 2 x 2 tokens beside each other, columns outermost, as one of four times the
/// channels. Maps are filled up with zeros to even sizes.
pub(super) fn neighbours(graph: &mut Graph<'_>, path: &str, x: &Tokens) -> Tokens {
    let channels = x.channels;
    let even = x.size.clone().map(|size| graph.next_multiple(&size, 2));
    let value = graph.padded(path, &x.value, Layout::ChannelsLast, [&x.size, &even]);
    let size = even.map(|size| graph.divided(&size, 2));
    let [height, width] = size.clone();
    let two = || Size::Fixed(2);
    let split = [height.clone(), two(), width.clone(), two(), channels.into()];
    let value = graph.reshape(path, &value, &split);
    // [N, H, row, W, column, C] -> [N, H, W, column, row, C]
    let value = graph.transpose(path, &value, &[0, 1, 3, 4, 2, 5]);
    let channels = 4 * channels;
    Tokens {
        value: graph.reshape(path, &value, &[height, width, channels.into()]),
        channels,
        size,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "upstream truncates too: int(mlp_ratio * channels)"
)]
fn hidden_channels(channels: usize, ratio: f64) -> usize {
    (ratio * channels as f64) as usize
}
