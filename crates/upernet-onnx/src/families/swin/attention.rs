//! Attention in windows. Upstream: `SwinAttention` and the half of `SwinLayer` around it.

use upernet_hf::config::HfSwinConfig;

use crate::{
    Error,
    families::{
        attention::{KEYS, QUERIES, logit_scale},
        linear::LayerBias,
        windowed::{Cut, Heads, Windows},
    },
    graph::{Graph, Value},
    layers::Tokens,
    weights::Recipe,
};

/// What is added to the logit of a pair of tokens that were no neighbours before the shift.
const MASKED: f32 = -100.0;

/// What the blocks of a stage share.
#[derive(Debug)]
pub(super) struct Attention {
    heads: Heads,
    window: usize,
    bias: LayerBias,
    windows: Windows,
}

impl Attention {
    /// The attention of `stage`, counted from 0, on maps like `x`.
    pub(super) fn new(
        graph: &mut Graph<'_>,
        config: &HfSwinConfig,
        stage: usize,
        x: &Tokens,
    ) -> Self {
        let window = config.window_size;
        let is_shifted = config.depths[stage] > 1;
        let cut = Cut {
            side: window,
            shift: if is_shifted { window / 2 } else { 0 },
            masked: MASKED,
        };
        let scope = format!("backbone.encoder.layers.{stage}");
        let windows = Windows::new(graph, &scope, x, cut);
        Self {
            heads: Heads {
                channels: x.channels,
                count: config.num_heads[stage],
                tokens: windows.tokens(),
            },
            window,
            bias: config.qkv_bias.into(),
            windows,
        }
    }

    /// `[N, H, W, C]` to the same, for the block of that number.
    pub(super) fn lower(
        &self,
        graph: &mut Graph<'_>,
        path: &str,
        x: &Value,
        block: usize,
    ) -> Result<Value, Error> {
        let heads = self.heads;
        let x = self.windows.cut(graph, path, x, block); // [N * windows, tokens, C]
        let [query, key, value] =
            ["query", "key", "value"].map(|name| format!("{path}.self.{name}"));
        let query = heads.projected(graph, &query, &x, (self.bias, QUERIES))?;
        let key = heads.projected(graph, &key, &x, (self.bias, KEYS))?;
        let value = heads.projected(graph, &value, &x, (self.bias, QUERIES))?;

        let scope = format!("{path}.self");
        let scale = logit_scale(graph, heads.each());
        let query = graph.node(&scope, "Mul", &[&query, &scale], Vec::new());
        let logits = graph.node(&scope, "MatMul", &[&query, &key], Vec::new());
        let bias = self.position_bias(graph, &scope)?;
        let logits = graph.node(&scope, "Add", &[&logits, &bias], Vec::new());
        let logits = (logits, heads.count);
        let logits = self.windows.masked(graph, &scope, logits, block);
        let y = heads.found(graph, path, [&logits, &value])?;
        Ok(self.windows.joined(graph, path, &y, block))
    }

    /// The learned bias of each pair of tokens, `[heads, tokens, tokens]`.
    fn position_bias(&self, graph: &mut Graph<'_>, path: &str) -> Result<Value, Error> {
        let window = self.window;
        let Heads { count, tokens, .. } = self.heads;
        let differences = (2 * window - 1) * (2 * window - 1);
        let key = format!("{path}.relative_position_bias_table");
        graph.derived(
            &format!("{path}.relative_position_bias"),
            &[count, tokens, tokens],
            Recipe::RelativePositions { window },
            &[(&key, &[differences, count])],
        )
    }
}
