//! ConvNeXt, its second version, and DINOv3's. Upstream: `ConvNextBackbone`, `ConvNextV2Backbone`,
//! `DINOv3ConvNextBackbone`.

mod block;

use block::Branch;
use upernet_hf::config::{HfConvNextConfig, HfConvNextV2Config, HfDinov3ConvNextConfig};

use super::Family;
use crate::{
    Error,
    graph::Graph,
    layers::{Map, Window},
};

/// Epsilon of every norm of the first two, fixed upstream.
const LAYER_NORM_EPS: f64 = 1e-6;

/// What the three are made of.
#[derive(Debug)]
struct Network<'a> {
    patch_size: usize,
    hidden_sizes: &'a [usize],
    depths: &'a [usize],
    /// Stages whose maps are returned, from 1, ascending.
    out_stages: &'a [usize],
    epsilon: f64,
    branch: Branch,
    names: Names,
}

/// How the hub calls the layers.
#[derive(Clone, Copy, Debug)]
struct Names {
    /// The convolution and the norm of the stem.
    stem: [&'static str; 2],
    stages: &'static str,
    downsampling: &'static str,
    /// Before the number of a stage; `None` if maps are returned as they are.
    output_norm: Option<&'static str>,
    block: block::Names,
}

const HUB: Names = Names {
    stem: [
        "backbone.embeddings.patch_embeddings",
        "backbone.embeddings.layernorm",
    ],
    stages: "backbone.encoder.stages",
    downsampling: "downsampling_layer",
    output_norm: Some("backbone.hidden_states_norms.stage"),
    block: block::HUB,
};

/// DINOv3 counts the stem as what leads into the first stage.
const DINOV3: Names = Names {
    stem: [
        "backbone.stages.0.downsample_layers.0",
        "backbone.stages.0.downsample_layers.1",
    ],
    stages: "backbone.stages",
    downsampling: "downsample_layers",
    output_norm: None,
    block: block::DINOV3,
};

impl Family for HfConvNextConfig {
    fn lower(&self, graph: &mut Graph<'_>, pixel_values: &Map) -> Result<Vec<Map>, Error> {
        first_version(self).lower(graph, pixel_values)
    }

    fn refusal(&self, size: [usize; 2]) -> Option<String> {
        first_version(self).refusal(size)
    }
}

impl Family for HfConvNextV2Config {
    fn lower(&self, graph: &mut Graph<'_>, pixel_values: &Map) -> Result<Vec<Map>, Error> {
        second_version(self).lower(graph, pixel_values)
    }

    fn refusal(&self, size: [usize; 2]) -> Option<String> {
        second_version(self).refusal(size)
    }
}

impl Family for HfDinov3ConvNextConfig {
    fn lower(&self, graph: &mut Graph<'_>, pixel_values: &Map) -> Result<Vec<Map>, Error> {
        dinov3(self).lower(graph, pixel_values)
    }

    fn refusal(&self, size: [usize; 2]) -> Option<String> {
        dinov3(self).refusal(size)
    }
}

fn first_version(config: &HfConvNextConfig) -> Network<'_> {
    Network {
        patch_size: config.patch_size,
        hidden_sizes: &config.hidden_sizes,
        depths: &config.depths,
        out_stages: &config.out_stages,
        epsilon: LAYER_NORM_EPS,
        branch: if config.layer_scale_init_value > 0.0 {
            Branch::LayerScale
        } else {
            Branch::Unscaled
        },
        names: HUB,
    }
}

fn second_version(config: &HfConvNextV2Config) -> Network<'_> {
    Network {
        patch_size: config.patch_size,
        hidden_sizes: &config.hidden_sizes,
        depths: &config.depths,
        out_stages: &config.out_stages,
        epsilon: LAYER_NORM_EPS,
        branch: Branch::ResponseNorm,
        names: HUB,
    }
}

fn dinov3(config: &HfDinov3ConvNextConfig) -> Network<'_> {
    Network {
        patch_size: HfDinov3ConvNextConfig::PATCH_SIZE,
        hidden_sizes: &config.hidden_sizes,
        depths: &config.depths,
        out_stages: &config.out_stages,
        epsilon: config.layer_norm_eps,
        branch: Branch::LayerScale,
        names: DINOV3,
    }
}

impl Network<'_> {
    fn lower(&self, graph: &mut Graph<'_>, pixel_values: &Map) -> Result<Vec<Map>, Error> {
        let [conv, norm] = self.names.stem;
        let patches = Window::patches(self.patch_size);
        let x = graph.conv(conv, pixel_values, self.hidden_sizes[0], patches)?;
        let mut x = self.norm(graph, norm, &x)?;

        let mut maps = Vec::with_capacity(self.out_stages.len());
        let last = self.out_stages.last().copied().unwrap_or_default();
        let stages = self.hidden_sizes.iter().zip(self.depths).take(last);
        for (stage, (&channels, &depth)) in stages.enumerate() {
            let path = format!("{}.{stage}", self.names.stages);
            if stage > 0 {
                let layer = format!("{path}.{}", self.names.downsampling);
                x = self.norm(graph, &format!("{layer}.0"), &x)?;
                x = graph.conv(&format!("{layer}.1"), &x, channels, Window::patches(2))?;
            }
            for layer in 0..depth {
                x = self.block(graph, &format!("{path}.layers.{layer}"), &x)?;
            }
            if self.out_stages.contains(&(stage + 1)) {
                maps.push(match self.names.output_norm {
                    Some(norms) => self.norm(graph, &format!("{norms}{}", stage + 1), &x)?,
                    None => x.clone(),
                });
            }
        }
        Ok(maps)
    }

    fn refusal(&self, size: [usize; 2]) -> Option<String> {
        let stages = self.out_stages.last().copied().unwrap_or(1);
        let least = self.patch_size << (stages - 1);
        let is_small = size.iter().any(|&pixels| pixels < least);
        is_small.then(|| format!("at least {least} x {least} pixels"))
    }

    /// A layer norm over the channels of a map.
    fn norm(&self, graph: &mut Graph<'_>, path: &str, x: &Map) -> Result<Map, Error> {
        let value = graph.channels_last(path, &x.value);
        let value = graph.layer_norm(path, &value, x.channels, self.epsilon)?;
        let value = graph.channels_first(path, &value);
        Ok(Map { value, ..x.clone() })
    }
}
