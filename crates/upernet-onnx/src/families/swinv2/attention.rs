//! Attention in windows by cosines. Upstream: `Swinv2Attention` and the half of `Swinv2Layer` around it.

use upernet_hf::config::HfSwinV2Config;

use crate::{
    Error,
    families::{
        attention::{KEYS, QUERIES},
        linear::LayerBias,
        windowed::{Cut, Heads, Windows},
    },
    graph::{Attribute, Graph, Value},
    layers::Tokens,
    weights::{POSITION_PERCEPTRON, Recipe},
};

/// What is added to the logit of a pair of tokens that were no neighbours before the shift: upstream
/// adds its mask twice.
const MASKED: f32 = -200.0;

/// The least length that a query or a key is divided by, as in torch's `normalize`.
const LEAST_LENGTH: f32 = 1e-12;

/// What the blocks of a stage share.
#[derive(Debug)]
pub(super) struct Attention {
    heads: Heads,
    window: usize,
    pretrained_window: usize,
    bias: LayerBias,
    windows: Windows,
}

impl Attention {
    /// The attention of `stage`, counted from 0, on maps like `x`.
    pub(super) fn new(
        graph: &mut Graph<'_>,
        config: &HfSwinV2Config,
        stage: usize,
        x: &Tokens,
    ) -> Self {
        let window = config.stage_window(stage);
        // Of the training image, as the windows: a map that is one of them is not shifted.
        let cells = (config.image_size / config.patch_size) >> stage;
        let is_shifted = config.depths[stage] > 1 && cells > window;
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
            pretrained_window: config.pretrained_window_sizes[stage],
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
        let key = heads.projected(graph, &key, &x, (LayerBias::None, KEYS))?;
        let value = heads.projected(graph, &value, &x, (self.bias, QUERIES))?;

        let scope = format!("{path}.self");
        // A head's factor goes to its queries, which are fewer numbers than its logits.
        let factors = self.factors(graph, &scope)?;
        let length = lengths(graph, &scope, &query, -1);
        let scale = graph.node(&scope, "Div", &[&factors, &length], Vec::new());
        let query = graph.node(&scope, "Mul", &[&query, &scale], Vec::new());
        let length = lengths(graph, &scope, &key, -2);
        let key = graph.node(&scope, "Div", &[&key, &length], Vec::new());
        let logits = graph.node(&scope, "MatMul", &[&query, &key], Vec::new());
        let bias = self.position_bias(graph, &scope)?;
        let logits = graph.node(&scope, "Add", &[&logits, &bias], Vec::new());
        let logits = (logits, heads.count);
        let logits = self.windows.masked(graph, &scope, logits, block);
        let y = heads.found(graph, path, [&logits, &value])?;
        Ok(self.windows.joined(graph, path, &y, block))
    }

    /// What the cosines of each head are multiplied by, `[heads, 1, 1]`.
    fn factors(&self, graph: &mut Graph<'_>, path: &str) -> Result<Value, Error> {
        let dims = [self.heads.count, 1, 1];
        let key = format!("{path}.logit_scale");
        let name = format!("{path}.factors");
        graph.derived(&name, &dims, Recipe::CosineFactors, &[(&key, &dims)])
    }

    /// The bias of each pair of tokens, `[heads, tokens, tokens]`.
    fn position_bias(&self, graph: &mut Graph<'_>, path: &str) -> Result<Value, Error> {
        let Heads { count, tokens, .. } = self.heads;
        let hidden = POSITION_PERCEPTRON;
        let layer = |name: &str| format!("{path}.continuous_position_bias_mlp.{name}");
        graph.derived(
            &format!("{path}.position_bias"),
            &[count, tokens, tokens],
            Recipe::ContinuousPositions {
                window: self.window,
                pretrained_window: self.pretrained_window,
            },
            &[
                (&layer("0.weight"), &[hidden, 2]),
                (&layer("0.bias"), &[hidden]),
                (&layer("2.weight"), &[count, hidden]),
            ],
        )
    }
}

/// The length of each vector along an axis, or the least one, with that axis kept.
fn lengths(graph: &mut Graph<'_>, scope: &str, x: &Value, axis: i64) -> Value {
    let along = vec![("axes", Attribute::Ints(vec![axis]))];
    let length = graph.node(scope, "ReduceL2", &[x], along);
    let least = graph.floats(&[], &[LEAST_LENGTH]);
    graph.node(scope, "Max", &[&length, &least], Vec::new())
}
