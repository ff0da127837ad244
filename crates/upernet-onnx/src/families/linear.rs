//! A linear layer with what it may have: a bias, and at the end of a branch a factor for each channel.

use crate::{
    Error,
    graph::{Graph, Value},
    weights::Recipe,
};

/// A linear layer over the last axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Linear<'a> {
    pub(super) path: &'a str,
    /// Channels in and out.
    pub(super) channels: [usize; 2],
    pub(super) bias: LayerBias,
    /// The key of the factors of its results, which become part of it.
    pub(super) scale: Option<&'a str>,
}

/// Whether a linear layer has a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LayerBias {
    Learned,
    None,
}

impl From<bool> for LayerBias {
    /// As configs have it.
    fn from(has_bias: bool) -> Self {
        if has_bias { Self::Learned } else { Self::None }
    }
}

impl Linear<'_> {
    /// `[.., channels in]` to `[.., channels out]`.
    pub(super) fn lower(self, graph: &mut Graph<'_>, x: &Value) -> Result<Value, Error> {
        let product = match self.scale {
            None => graph.product(self.path, x, self.channels)?,
            Some(scale) => self.scaled_product(graph, x, scale)?,
        };
        if self.bias == LayerBias::None {
            return Ok(product);
        }
        let key = format!("{}.bias", self.path);
        let one_each = &self.channels[1..];
        let bias = match self.scale {
            None => graph.weight(&key, one_each)?,
            Some(scale) => {
                let stored = [(key.as_str(), one_each), (scale, one_each)];
                graph.derived(&key, one_each, Recipe::Scaled, &stored)?
            }
        };
        Ok(graph.node(self.path, "Add", &[&product, &bias], Vec::new()))
    }

    fn scaled_product(self, graph: &mut Graph<'_>, x: &Value, scale: &str) -> Result<Value, Error> {
        let [inputs, outputs] = self.channels;
        let key = format!("{}.weight", self.path);
        let weight = graph.derived(
            &key,
            &self.channels,
            Recipe::ScaledTransposed { columns: inputs },
            &[(&key, &[outputs, inputs]), (scale, &[outputs])],
        )?;
        Ok(graph.node(self.path, "MatMul", &[x, &weight], Vec::new()))
    }
}
