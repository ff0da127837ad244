//! PVTv2. Upstream: `PvtV2Backbone`.

mod attention;
mod perceptron;

use upernet_hf::config::HfPvtV2Config;

use super::Family;
use crate::{
    Error,
    graph::{Graph, Value},
    layers::{Map, Tokens, Window},
};

/// A stage, counted from 0.
#[derive(Clone, Copy, Debug)]
struct Stage<'a> {
    config: &'a HfPvtV2Config,
    number: usize,
}

impl Family for HfPvtV2Config {
    fn lower(&self, graph: &mut Graph<'_>, pixel_values: &Map) -> Result<Vec<Map>, Error> {
        let mut x = pixel_values.clone();
        let mut maps = Vec::with_capacity(self.out_stages.len());
        let last = self.out_stages.last().copied().unwrap_or_default();
        for number in 0..last {
            let stage = Stage {
                config: self,
                number,
            };
            x = stage.lower(graph, &x)?;
            if self.out_stages.contains(&(number + 1)) {
                maps.push(x.clone());
            }
        }
        Ok(maps)
    }

    fn refusal(&self, size: [usize; 2]) -> Option<String> {
        let least = least_size(self);
        let is_small = size.iter().any(|&pixels| pixels < least);
        is_small.then(|| format!("at least {least} x {least} pixels"))
    }
}

/// The least side of an image, in pixels: every stage has a key, so its map is no smaller than its
/// reduction.
fn least_size(config: &HfPvtV2Config) -> usize {
    if config.linear_attention {
        return 1;
    }
    let last = config.out_stages.last().copied().unwrap_or_default();
    let mut stride = 1;
    let stages = config.strides.iter().zip(&config.sr_ratios).take(last);
    // Sizes round up: there are n cells from (n - 1) * stride + 1 pixels on.
    let sides = stages.map(|(step, ratio)| {
        stride *= step;
        (ratio - 1) * stride + 1
    });
    sides.max().unwrap_or(1)
}

impl Stage<'_> {
    fn channels(self) -> usize {
        self.config.hidden_sizes[self.number]
    }

    /// Patches, blocks, and a norm that both the returned map and the next stage go through.
    fn lower(self, graph: &mut Graph<'_>, x: &Map) -> Result<Map, Error> {
        let path = format!("backbone.encoder.layers.{}", self.number);
        let mut x = self.patches(graph, &format!("{path}.patch_embedding"), x)?;
        for block in 0..self.config.depths[self.number] {
            x = self.block(graph, &format!("{path}.blocks.{block}"), x)?;
        }
        let norm = format!("{path}.layer_norm");
        let value = self.norm(graph, &norm, &x.value)?;
        Ok(Tokens { value, ..x }.channels_first(graph, &norm))
    }

    /// Patches that overlap, as tokens, normed.
    fn patches(self, graph: &mut Graph<'_>, path: &str, x: &Map) -> Result<Tokens, Error> {
        let window = Window {
            stride: self.config.strides[self.number],
            ..Window::same(self.config.patch_sizes[self.number])
        };
        let x = graph.conv(&format!("{path}.proj"), x, self.channels(), window)?;
        let x = Tokens::from_map(graph, path, &x);
        let value = self.norm(graph, &format!("{path}.layer_norm"), &x.value)?;
        Ok(Tokens { value, ..x })
    }

    /// Attention, then a perceptron; each after a norm, both residual.
    fn block(self, graph: &mut Graph<'_>, path: &str, x: Tokens) -> Result<Tokens, Error> {
        let normed = |graph: &mut Graph<'_>, norm: &str, value: &Value| {
            let value = self.norm(graph, &format!("{path}.{norm}"), value)?;
            Ok::<_, Error>(Tokens { value, ..x.clone() })
        };
        let y = normed(graph, "layer_norm_1", &x.value)?;
        let y = self.attention(graph, &format!("{path}.attention"), &y)?;
        let value = graph.node(path, "Add", &[&x.value, &y], Vec::new());

        let y = normed(graph, "layer_norm_2", &value)?;
        let y = self.perceptron(graph, &format!("{path}.mlp"), &y)?;
        let value = graph.node(path, "Add", &[&value, &y], Vec::new());
        Ok(Tokens { value, ..x })
    }

    /// A layer norm over the channels of a map with channels last.
    fn norm(self, graph: &mut Graph<'_>, path: &str, x: &Value) -> Result<Value, Error> {
        graph.layer_norm(path, x, self.channels(), self.config.layer_norm_eps)
    }
}

#[cfg(test)]
mod tests {
    use upernet_hf::config::HfPvtV2Config;

    use crate::families::Family;

    #[test]
    fn an_image_without_a_key_is_refused() {
        let published = HfPvtV2Config::default();
        assert_eq!(published.refusal([29, 29]), None);
        let needs = published.refusal([100, 28]);
        assert_eq!(needs.as_deref(), Some("at least 29 x 29 pixels"));
        // The third stage is the first whose map is small beside its reduction.
        let coarse = HfPvtV2Config {
            sr_ratios: vec![2, 2, 4, 1],
            ..published.clone()
        };
        let needs = coarse.refusal([48, 49]);
        assert_eq!(needs.as_deref(), Some("at least 49 x 49 pixels"));
        // It is not reached where no later map than the second is returned.
        let shallow = HfPvtV2Config {
            out_stages: vec![1, 2],
            ..coarse
        };
        assert_eq!(shallow.refusal([9, 9]), None);
        let averages = HfPvtV2Config {
            linear_attention: true,
            ..published
        };
        assert_eq!(averages.refusal([1, 1]), None);
    }
}
