//! ResNet. Upstream: `ResNetBackbone`.

use upernet_hf::config::{HfResNetActivation, HfResNetConfig, HfResNetLayerType};

use super::Family;
use crate::{
    Error,
    graph::{Graph, Value},
    layers::{Map, Window},
};

/// A bottleneck's inner convolutions have this part of the channels.
const REDUCTION: usize = 4;

impl Family for HfResNetConfig {
    fn lower(&self, graph: &mut Graph<'_>, pixel_values: &Map) -> Result<Vec<Map>, Error> {
        let x = stem(graph, self, pixel_values)?;
        let mut x = graph.max_pool("backbone.embedder.pooler", &x, strided(3, 2));

        let mut maps = Vec::with_capacity(self.out_stages.len());
        let last = self.out_stages.last().copied().unwrap_or_default();
        let stages = self.hidden_sizes.iter().zip(&self.depths).take(last);
        for (stage, (&channels, &depth)) in stages.enumerate() {
            let halves = stage > 0 || self.downsample_in_first_stage;
            for layer in 0..depth {
                let path = format!("backbone.encoder.stages.{stage}.layers.{layer}");
                let stride = if halves && layer == 0 { 2 } else { 1 };
                x = block(graph, self, &path, &x, [channels, stride])?;
            }
            if self.out_stages.contains(&(stage + 1)) {
                maps.push(x.clone());
            }
        }
        Ok(maps)
    }
}

/// What is before the pooling: one convolution, or three.
fn stem(graph: &mut Graph<'_>, config: &HfResNetConfig, pixel_values: &Map) -> Result<Map, Error> {
    let (inner, channels) = (config.stem_channels(), config.embedding_size);
    let layers = if config.deep_stem {
        vec![
            ("stem.0", inner, strided(3, 2)),
            ("stem.1", inner, strided(3, 1)),
            ("embedder", channels, strided(3, 1)),
        ]
    } else {
        vec![("embedder", channels, strided(7, 2))]
    };
    let mut x = pixel_values.clone();
    for (name, channels, window) in layers {
        let path = format!("backbone.embedder.{name}");
        x = unit(graph, &path, &x, channels, window)?;
        x.value = activated(graph, &path, &x.value, config.hidden_act);
    }
    Ok(x)
}

/// Convolutions with a shortcut around them, which has one of its own where the shape changes.
fn block(
    graph: &mut Graph<'_>,
    config: &HfResNetConfig,
    path: &str,
    x: &Map,
    [channels, stride]: [usize; 2],
) -> Result<Map, Error> {
    let inner = channels / REDUCTION;
    let layers = match config.layer_type {
        HfResNetLayerType::Basic => vec![(channels, 3, stride), (channels, 3, 1)],
        HfResNetLayerType::Bottleneck if config.downsample_in_bottleneck => {
            vec![(inner, 1, stride), (inner, 3, 1), (channels, 1, 1)]
        }
        HfResNetLayerType::Bottleneck => {
            vec![(inner, 1, 1), (inner, 3, stride), (channels, 1, 1)]
        }
    };
    let last = layers.len() - 1;
    let mut y = x.clone();
    for (number, (channels, kernel, stride)) in layers.into_iter().enumerate() {
        let path = format!("{path}.layer.{number}");
        y = unit(graph, &path, &y, channels, strided(kernel, stride))?;
        if number < last {
            y.value = graph.node(&path, "Relu", &[&y.value], Vec::new());
        }
    }
    let residual = if x.channels == channels && stride == 1 {
        x.value.clone()
    } else {
        let path = format!("{path}.shortcut");
        unit(graph, &path, x, channels, strided(1, stride))?.value
    };
    let sum = graph.node(path, "Add", &[&y.value, &residual], Vec::new());
    Ok(Map {
        value: activated(graph, path, &sum, config.hidden_act),
        ..y
    })
}

/// A convolution and the batch normalisation after it.
fn unit(
    graph: &mut Graph<'_>,
    path: &str,
    x: &Map,
    channels: usize,
    window: Window,
) -> Result<Map, Error> {
    let layers = ["convolution", "normalization"].map(|name| format!("{path}.{name}"));
    graph.normed_conv(layers.each_ref().map(String::as_str), x, channels, window)
}

fn activated(
    graph: &mut Graph<'_>,
    scope: &str,
    x: &Value,
    activation: HfResNetActivation,
) -> Value {
    match activation {
        HfResNetActivation::Relu => graph.node(scope, "Relu", &[x], Vec::new()),
        HfResNetActivation::Gelu => graph.gelu(scope, x),
    }
}

/// A window whose padding keeps the size, but for the stride.
fn strided(kernel: usize, stride: usize) -> Window {
    Window {
        stride,
        ..Window::same(kernel)
    }
}
