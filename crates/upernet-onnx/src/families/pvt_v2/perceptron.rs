//! The perceptron of a block, with a depthwise convolution between its layers. Upstream:
//! `PvtV2ConvFeedForwardNetwork`.

use super::Stage;
use crate::{
    Error,
    graph::{Graph, Value},
    layers::{Map, Tokens, Window},
    weights::Recipe,
};

impl Stage<'_> {
    /// `[N, height, width, channels]` to the same.
    ///
    /// The hidden channels, of which there are several times as many, lie as the convolution wants them:
    /// both layers are convolutions of 1 x 1, and what is transposed is the map before and after them.
    pub(super) fn perceptron(
        self,
        graph: &mut Graph<'_>,
        path: &str,
        x: &Tokens,
    ) -> Result<Value, Error> {
        let hidden = x.channels * self.config.mlp_ratios[self.number];
        let y = x.channels_first(graph, path);
        let mut y = linear_as_conv(graph, &format!("{path}.dense1"), &y, hidden)?;
        if self.config.linear_attention {
            y.value = graph.node(path, "Relu", &[&y.value], Vec::new());
        }
        let window = Window {
            groups: hidden,
            ..Window::same(3)
        };
        let mut y = graph.conv(&format!("{path}.dwconv.dwconv"), &y, hidden, window)?;
        y.value = graph.gelu(path, &y.value);
        let y = linear_as_conv(graph, &format!("{path}.dense2"), &y, x.channels)?;
        Ok(graph.channels_last(path, &y.value))
    }
}

/// A linear layer over the channels of a map, as a convolution.
fn linear_as_conv(
    graph: &mut Graph<'_>,
    path: &str,
    x: &Map,
    channels: usize,
) -> Result<Map, Error> {
    let [weight, bias] = ["weight", "bias"].map(|name| format!("{path}.{name}"));
    let dims = [channels, x.channels, 1, 1];
    let weight = graph.derived(&weight, &dims, Recipe::Same, &[(&weight, &dims[..2])])?;
    let bias = graph.weight(&bias, &[channels])?;
    Ok(graph.conv_node(path, x, &[&weight, &bias], channels, Window::patches(1)))
}
