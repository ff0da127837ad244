//! Attention of every cell to a smaller map. Upstream: `PvtV2SelfAttention`.

use super::Stage;
use crate::{
    Error,
    families::attention::{KEYS, QUERIES, logit_scale},
    graph::{Attribute, Graph, Value},
    layers::{Tokens, Window},
    weights::Recipe,
};

/// Cells along one side of the grid of averages, fixed upstream.
const GRID: usize = 7;

impl Stage<'_> {
    /// What each cell finds, `[N, height, width, channels]`.
    pub(super) fn attention(
        self,
        graph: &mut Graph<'_>,
        path: &str,
        x: &Tokens,
    ) -> Result<Value, Error> {
        let query = self.projected(graph, &format!("{path}.query"), x, QUERIES)?;
        let reduced = self.reduced(graph, path, x)?;
        let key = self.projected(graph, &format!("{path}.key"), &reduced, KEYS)?;
        let value = self.projected(graph, &format!("{path}.value"), &reduced, QUERIES)?;

        // Keys are fewer numbers than queries and logits.
        let scale = logit_scale(graph, self.each());
        let key = graph.node(path, "Mul", &[&key, &scale], Vec::new());
        let logits = graph.node(path, "MatMul", &[&query, &key], Vec::new());
        let axis = vec![("axis", Attribute::Int(-1))];
        let weights = graph.node(path, "Softmax", &[&logits], axis);
        let y = graph.node(path, "MatMul", &[&weights, &value], Vec::new());
        let y = graph.transpose(path, &y, &QUERIES);
        let [height, width] = x.size.clone();
        let y = graph.reshape(path, &y, &[height, width, x.channels.into()]);
        graph.linear(&format!("{path}.proj"), &y, [x.channels; 2])
    }

    /// Channels of a head.
    fn each(self) -> usize {
        self.channels() / self.heads()
    }

    fn heads(self) -> usize {
        self.config.num_attention_heads[self.number]
    }

    /// A linear layer of a map, with the axes of its heads in `order`.
    fn projected(
        self,
        graph: &mut Graph<'_>,
        layer: &str,
        x: &Tokens,
        order: [i64; 4],
    ) -> Result<Value, Error> {
        let channels = [x.channels; 2];
        let y = if self.config.qkv_bias {
            graph.linear(layer, &x.value, channels)?
        } else {
            graph.product(layer, &x.value, channels)?
        };
        let [height, width] = &x.size;
        let cells = graph.times(height, width);
        let split = [cells, self.heads().into(), self.each().into()];
        let y = graph.reshape(layer, &y, &split);
        Ok(graph.transpose(layer, &y, &order))
    }

    /// The map that keys and values are of.
    fn reduced(self, graph: &mut Graph<'_>, path: &str, x: &Tokens) -> Result<Tokens, Error> {
        let layer = format!("{path}.spatial_reduction");
        let norm = format!("{path}.layer_norm");
        match (
            self.config.linear_attention,
            self.config.sr_ratios[self.number],
        ) {
            (true, _) => {
                let x = graph.average_tokens(&format!("{path}.pool"), x, GRID);
                let value = conv_as_linear(graph, &layer, &x)?;
                let value = self.norm(graph, &norm, &value)?;
                let value = graph.gelu(path, &value);
                Ok(Tokens { value, ..x })
            }
            (false, 1) => Ok(x.clone()),
            (false, ratio) => {
                let x = x.channels_first(graph, &layer);
                let x = graph.conv(&layer, &x, x.channels, Window::patches(ratio))?;
                let x = Tokens::from_map(graph, &layer, &x);
                let value = self.norm(graph, &norm, &x.value)?;
                Ok(Tokens { value, ..x })
            }
        }
    }
}

/// A convolution of 1 x 1 on a map with channels last.
fn conv_as_linear(graph: &mut Graph<'_>, path: &str, x: &Tokens) -> Result<Value, Error> {
    let channels = x.channels;
    let [weight, bias] = ["weight", "bias"].map(|name| format!("{path}.{name}"));
    let stored = [(weight.as_str(), &[channels, channels, 1, 1][..])];
    let recipe = Recipe::Transposed { columns: channels };
    let weight = graph.derived(&weight, &[channels; 2], recipe, &stored)?;
    let bias = graph.weight(&bias, &[channels])?;
    let y = graph.node(path, "MatMul", &[&x.value, &weight], Vec::new());
    Ok(graph.node(path, "Add", &[&y, &bias], Vec::new()))
}
