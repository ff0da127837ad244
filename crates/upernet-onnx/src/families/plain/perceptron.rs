//! What follows attention in a layer. Upstream: `Dinov2MLP`, `Dinov2SwiGLUFFN`,
//! `ViTMLP`, `DINOv3ViTMLP`, `DINOv3ViTGatedMLP`.

use crate::{
    Error,
    families::linear::{LayerBias, Linear},
    graph::{Graph, Value, signed},
};

/// Two linear layers, of which the first may be a gate.
#[derive(Clone, Copy, Debug)]
pub(in crate::families) struct Perceptron {
    /// Channels between the layers.
    pub(in crate::families) inner: usize,
    pub(in crate::families) first: First,
    /// The path of the last layer below that of the transformer's layer.
    pub(in crate::families) last: &'static str,
    pub(in crate::families) activation: Activation,
    /// Of all its layers.
    pub(in crate::families) bias: LayerBias,
}

/// What comes before the last layer; the names are paths below that of the transformer's layer.
#[derive(Clone, Copy, Debug)]
pub(in crate::families) enum First {
    /// A linear layer and the activation.
    Plain(&'static str),
    /// A linear layer with twice the channels: the activation of one half times the other.
    JoinedGate(&'static str),
    /// Two linear layers: the activation of the gate times the values.
    Gate {
        gate: &'static str,
        values: &'static str,
    },
}

/// An activation of a perceptron.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::families) enum Activation {
    Gelu,
    /// `x * sigmoid(x)`.
    Silu,
}

impl Perceptron {
    /// `[N, tokens, channels]` to the same; `scale` is the key of the factors of the result.
    pub(super) fn lower(
        self,
        graph: &mut Graph<'_>,
        path: &str,
        x: &Value,
        (channels, scale): (usize, Option<&str>),
    ) -> Result<Value, Error> {
        let hidden = match self.first {
            First::Plain(name) => {
                let y = self.layer(graph, &format!("{path}.{name}"), x, [channels, self.inner])?;
                self.activation.lower(graph, path, &y)
            }
            First::JoinedGate(name) => {
                let layer = format!("{path}.{name}");
                let both = self.layer(graph, &layer, x, [channels, 2 * self.inner])?;
                let inner = signed(self.inner);
                let gate = graph.slice(path, &both, -1, [0, inner]);
                let values = graph.slice(path, &both, -1, [inner, 2 * inner]);
                let gate = self.activation.lower(graph, path, &gate);
                graph.node(path, "Mul", &[&gate, &values], Vec::new())
            }
            First::Gate { gate, values } => {
                let channels = [channels, self.inner];
                let gate = self.layer(graph, &format!("{path}.{gate}"), x, channels)?;
                let gate = self.activation.lower(graph, path, &gate);
                let values = self.layer(graph, &format!("{path}.{values}"), x, channels)?;
                graph.node(path, "Mul", &[&gate, &values], Vec::new())
            }
        };
        let last = Linear {
            path: &format!("{path}.{}", self.last),
            channels: [self.inner, channels],
            bias: self.bias,
            scale,
        };
        last.lower(graph, &hidden)
    }

    fn layer(
        self,
        graph: &mut Graph<'_>,
        path: &str,
        x: &Value,
        channels: [usize; 2],
    ) -> Result<Value, Error> {
        let layer = Linear {
            path,
            channels,
            bias: self.bias,
            scale: None,
        };
        layer.lower(graph, x)
    }
}

impl Activation {
    fn lower(self, graph: &mut Graph<'_>, scope: &str, x: &Value) -> Value {
        match self {
            Self::Gelu => graph.gelu(scope, x),
            Self::Silu => {
                let share = graph.node(scope, "Sigmoid", &[x], Vec::new());
                graph.node(scope, "Mul", &[x, &share], Vec::new())
            }
        }
    }
}
