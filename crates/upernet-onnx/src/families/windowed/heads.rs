//! What attention by products and attention by cosines have in common.

use crate::{
    Error,
    families::{attention::QUERIES, linear::LayerBias},
    graph::{Attribute, Graph, Size, Value},
};

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
