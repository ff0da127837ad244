//! Attention among all tokens. Upstream: `Dinov2Attention`, `ViTAttention`,
//! `DINOv3ViTAttention`, `BeitAttention`.

use super::{biases::TokenBiases, rotary::Rotation};
use crate::{
    Error,
    families::{
        attention::{KEYS, QUERIES, logit_scale},
        linear::{LayerBias, Linear},
    },
    graph::{Attribute, Graph, Size, Value},
};

/// How the layers of an attention are called below the path of the transformer's layer, and which of
/// them have a bias.
#[derive(Clone, Copy, Debug)]
pub(in crate::families) struct Projections {
    pub(in crate::families) query: (&'static str, LayerBias),
    pub(in crate::families) key: (&'static str, LayerBias),
    pub(in crate::families) value: (&'static str, LayerBias),
    pub(in crate::families) output: (&'static str, LayerBias),
}

/// What the attention of all layers has in common.
#[derive(Clone, Debug)]
pub(super) struct Attention {
    pub(super) projections: Projections,
    pub(super) channels: usize,
    pub(super) heads: usize,
    pub(super) tokens: Size,
    /// What queries and keys are turned by, if positions are rotary.
    pub(super) rotation: Option<Rotation>,
    /// What is added to the logits, if there is something.
    pub(super) biases: Option<TokenBiases>,
}

impl Attention {
    /// `[N, tokens, channels]` to the same; `scale` is the key of the factors of the result.
    pub(super) fn lower(
        &self,
        graph: &mut Graph<'_>,
        path: &str,
        x: &Value,
        scale: Option<&str>,
    ) -> Result<Value, Error> {
        let Projections {
            query,
            key,
            value,
            output,
        } = self.projections;
        let scope = format!("{path}.attention");
        let query = self.projected(graph, path, x, query)?;
        let query = self.turned(graph, &scope, query);
        let query = graph.transpose(&scope, &query, &QUERIES);
        let key = self.projected(graph, path, x, key)?;
        let key = self.turned(graph, &scope, key);
        let key = graph.transpose(&scope, &key, &KEYS);
        let value = self.projected(graph, path, x, value)?;
        let value = graph.transpose(&scope, &value, &QUERIES);

        let factor = logit_scale(graph, self.each());
        let query = graph.node(&scope, "Mul", &[&query, &factor], Vec::new());
        let mut logits = graph.node(&scope, "MatMul", &[&query, &key], Vec::new());
        if let Some(biases) = &self.biases {
            logits = biases.added(graph, path, logits)?;
        }
        let axis = vec![("axis", Attribute::Int(-1))];
        let weights = graph.node(&scope, "Softmax", &[&logits], axis);
        let y = graph.node(&scope, "MatMul", &[&weights, &value], Vec::new());
        let y = graph.transpose(&scope, &y, &QUERIES);
        let y = graph.reshape(&scope, &y, &[self.tokens.clone(), self.channels.into()]);
        let (name, bias) = output;
        let output = Linear {
            path: &format!("{path}.{name}"),
            channels: [self.channels; 2],
            bias,
            scale,
        };
        output.lower(graph, &y)
    }

    /// Channels of a head.
    fn each(&self) -> usize {
        self.channels / self.heads
    }

    /// Queries or keys, `[N, tokens, heads, each]`, at their positions.
    fn turned(&self, graph: &mut Graph<'_>, scope: &str, x: Value) -> Value {
        match &self.rotation {
            Some(rotation) => rotation.turned(graph, scope, &x),
            None => x,
        }
    }

    /// `[N, tokens, channels]`, projected, as `[N, tokens, heads, each]`.
    fn projected(
        &self,
        graph: &mut Graph<'_>,
        path: &str,
        x: &Value,
        (name, bias): (&str, LayerBias),
    ) -> Result<Value, Error> {
        let path = format!("{path}.{name}");
        let layer = Linear {
            path: &path,
            channels: [self.channels; 2],
            bias,
            scale: None,
        };
        let y = layer.lower(graph, x)?;
        let split = [self.tokens.clone(), self.heads.into(), self.each().into()];
        Ok(graph.reshape(&path, &y, &split))
    }
}
