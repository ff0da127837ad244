//! What attention by products and attention by cosines have in common.

use crate::{
    Error,
    graph::{Attribute, Graph, Size, Value},
};

/// `[N * windows, tokens, heads, each]` to `[N * windows, heads, tokens, each]`: queries, and values.
pub(in crate::families) const QUERIES: [i64; 4] = [0, 2, 1, 3];

/// The same to `[N * windows, heads, each, tokens]`: keys.
pub(in crate::families) const KEYS: [i64; 4] = [0, 2, 3, 1];

/// How channels divide into heads, and how many tokens look at each other.
#[derive(Clone, Copy, Debug)]
pub(in crate::families) struct Heads {
    pub(in crate::families) channels: usize,
    pub(in crate::families) count: usize,
    pub(in crate::families) tokens: usize,
}

impl Heads {
    /// Channels of a head.
    pub(in crate::families) fn each(self) -> usize {
        self.channels / self.count
    }

    /// `[N * windows, tokens, C]`, projected by the layer at that path, with the axes of its heads in
    /// `order`.
    pub(in crate::families) fn projected(
        self,
        graph: &mut Graph<'_>,
        layer: &str,
        x: &Value,
        (bias, order): (LayerBias, [i64; 4]),
    ) -> Result<Value, Error> {
        let channels = [self.channels; 2];
        let y = match bias {
            LayerBias::Learned => graph.linear(layer, x, channels)?,
            LayerBias::None => graph.product(layer, x, channels)?,
        };
        let split = [self.tokens, self.count, self.each()].map(Size::Fixed);
        let y = graph.reshape(layer, &y, &split);
        Ok(graph.transpose(layer, &y, &order))
    }

    /// What is found in `value` by these logits, projected: `[N * windows, tokens, C]`.
    pub(in crate::families) fn found(
        self,
        graph: &mut Graph<'_>,
        path: &str,
        [logits, value]: [&Value; 2],
    ) -> Result<Value, Error> {
        let scope = format!("{path}.self");
        let axis = vec![("axis", Attribute::Int(-1))];
        let weights = graph.node(&scope, "Softmax", &[logits], axis);
        let y = graph.node(&scope, "MatMul", &[&weights, value], Vec::new());
        let y = graph.transpose(&scope, &y, &QUERIES);
        let y = graph.reshape(&scope, &y, &[self.tokens.into(), self.channels.into()]);
        let channels = [self.channels; 2];
        graph.linear(&format!("{path}.output.dense"), &y, channels)
    }
}

/// Whether a linear layer has a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::families) enum LayerBias {
    Learned,
    None,
}

impl From<bool> for LayerBias {
    /// As configs have it.
    fn from(has_bias: bool) -> Self {
        if has_bias { Self::Learned } else { Self::None }
    }
}
