//! One block. Upstream: `ConvNextLayer`, `ConvNextV2Layer`, `DINOv3ConvNextLayer`.

use super::Network;
use crate::{
    Error,
    families::linear::{LayerBias, Linear},
    graph::{Attribute, Graph, Value},
    layers::{Map, Window},
};

/// What a block has beside its convolution, norm and linear layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Branch {
    /// Nothing.
    Unscaled,
    /// A scale for each channel at the end.
    LayerScale,
    /// A global response normalisation before the second linear layer.
    ResponseNorm,
}

/// How the hub calls the layers of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    depthwise: &'static str,
    norm: &'static str,
    expand: &'static str,
    project: &'static str,
    scale: &'static str,
}

pub(super) const HUB: Names = Names {
    depthwise: "dwconv",
    norm: "layernorm",
    expand: "pwconv1",
    project: "pwconv2",
    scale: "layer_scale_parameter",
};

pub(super) const DINOV3: Names = Names {
    depthwise: "depthwise_conv",
    norm: "layer_norm",
    expand: "pointwise_conv1",
    project: "pointwise_conv2",
    scale: "gamma",
};

/// What keeps the response normalisation from dividing by zero, fixed upstream.
const RESPONSE_NORM_EPS: f32 = 1e-6;

impl Network<'_> {
    /// Depthwise 7 x 7 convolution, norm, two linear layers with channels last; residual.
    pub(super) fn block(&self, graph: &mut Graph<'_>, path: &str, x: &Map) -> Result<Map, Error> {
        let names = self.names.block;
        let layer = |name: &str| format!("{path}.{name}");
        let channels = x.channels;
        let window = Window {
            groups: channels,
            ..Window::same(7)
        };
        let y = graph.conv(&layer(names.depthwise), x, channels, window)?;
        let y = graph.channels_last(path, &y.value);
        let y = graph.layer_norm(&layer(names.norm), &y, channels, self.epsilon)?;
        let y = graph.linear(&layer(names.expand), &y, [channels, 4 * channels])?;
        let mut y = graph.gelu(path, &y);
        if self.branch == Branch::ResponseNorm {
            y = response_norm(graph, &layer("grn"), &y, 4 * channels)?;
        }
        let scale = (self.branch == Branch::LayerScale).then(|| layer(names.scale));
        let project = Linear {
            path: &layer(names.project),
            channels: [4 * channels, channels],
            bias: LayerBias::Learned,
            scale: scale.as_deref(),
        };
        let y = project.lower(graph, &y)?;
        let y = graph.channels_first(path, &y);
        let value = graph.node(path, "Add", &[&x.value, &y], Vec::new());
        Ok(Map { value, ..x.clone() })
    }
}

/// Global response normalisation of a map with channels last:
/// `x + weight * x * norm / mean of norms + bias`, where a channel's norm is over its whole map.
fn response_norm(
    graph: &mut Graph<'_>,
    path: &str,
    x: &Value,
    channels: usize,
) -> Result<Value, Error> {
    let over = |axes: &[i64]| vec![("axes", Attribute::Ints(axes.to_vec()))];
    let norms = graph.node(path, "ReduceL2", &[x], over(&[1, 2])); // [N, 1, 1, C]
    let mean = graph.node(path, "ReduceMean", &[&norms], over(&[-1]));
    let [epsilon, one] = [RESPONSE_NORM_EPS, 1.0].map(|number| graph.floats(&[], &[number]));
    let mean = graph.node(path, "Add", &[&mean, &epsilon], Vec::new());
    let response = graph.node(path, "Div", &[&norms, &mean], Vec::new());

    let [weight, bias] = ["weight", "bias"].map(|name| format!("{path}.{name}"));
    let weight = graph.weight(&weight, &[1, 1, 1, channels])?;
    let bias = graph.weight(&bias, &[1, 1, 1, channels])?;
    let scale = graph.node(path, "Mul", &[&response, &weight], Vec::new());
    let scale = graph.node(path, "Add", &[&scale, &one], Vec::new());
    let scaled = graph.node(path, "Mul", &[x, &scale], Vec::new());
    Ok(graph.node(path, "Add", &[&scaled, &bias], Vec::new()))
}
