//! Image to tokens: whole patches with their positions, and before them what belongs to none. Upstream:
//! `Dinov2Embeddings`, `Dinov2WithRegistersEmbeddings`, `ViTEmbeddings`, `DINOv3ViTEmbeddings`,
//! `BeitEmbeddings`.

use super::{ImageBorder, Network, positions::LearnedPositions};
use crate::{
    Error,
    graph::{Attribute, Graph, Size, Value},
    layers::{Map, Window},
    weights::Recipe,
};

/// Where the embeddings' tensors are.
pub(super) const EMBEDDINGS: &str = "backbone.embeddings";

/// How a token knows where its patch is.
#[derive(Clone, Copy, Debug)]
pub(in crate::families) enum Positions {
    /// By what is learned for each patch of a square of that side, and for the class token.
    Learned(LearnedPositions),
    /// By what its queries and keys are turned by; the base of the wavelengths.
    Rotary(f64),
    /// By nothing, but for biases of attention.
    None,
}

/// Tokens, `[N, prefix + patches, channels]`.
#[derive(Clone, Debug)]
pub(super) struct Sequence {
    pub(super) value: Value,
    pub(super) count: Size,
    /// Patches down and across.
    pub(super) grid: [Size; 2],
}

impl Network<'_> {
    /// What no whole patch covers, at the bottom and on the right, is left out or filled up.
    pub(super) fn embedded(
        &self,
        graph: &mut Graph<'_>,
        pixel_values: &Map,
    ) -> Result<Sequence, Error> {
        let channels = self.hidden_size;
        let window = Window::patches(self.patch_size);
        let padded = match self.border {
            ImageBorder::LeftOut => None,
            ImageBorder::Padded => {
                Some(graph.padded_to_multiple(EMBEDDINGS, pixel_values, self.patch_size))
            }
        };
        let covered = padded.as_ref().unwrap_or(pixel_values);
        let patches = graph.conv(self.names.patches, covered, channels, window)?;
        let positioned = match self.positions {
            Positions::Learned(learned) => {
                let positions = learned.like(graph, EMBEDDINGS, &patches)?;
                let inputs = [&patches.value, &positions];
                graph.node(EMBEDDINGS, "Add", &inputs, Vec::new())
            }
            Positions::Rotary(_) | Positions::None => patches.value,
        };
        let [height, width] = &patches.size;
        let cells = graph.times(height, width);
        let rows = graph.channels_last(EMBEDDINGS, &positioned);
        let rows = graph.reshape(EMBEDDINGS, &rows, &[cells.clone(), channels.into()]);

        let prefix = self.prefix(graph)?;
        let batch = graph.length(&pixel_values.value, 0);
        let shape = graph.sizes(&[batch, self.prefix_tokens().into(), channels.into()]);
        let prefix = graph.node(EMBEDDINGS, "Expand", &[&prefix, &shape], Vec::new());
        let axis = vec![("axis", Attribute::Int(1))];
        let value = graph.node(EMBEDDINGS, "Concat", &[&prefix, &rows], axis);
        Ok(Sequence {
            value,
            count: graph.plus(&cells, &self.prefix_tokens().into()),
            grid: patches.size,
        })
    }

    /// Tokens that belong to no patch: the class token and the registers.
    pub(super) fn prefix_tokens(&self) -> usize {
        1 + self.registers
    }

    /// Those tokens, `[1, prefix, channels]`.
    fn prefix(&self, graph: &mut Graph<'_>) -> Result<Value, Error> {
        let channels = self.hidden_size;
        let [class, positions, registers] = ["cls_token", "position_embeddings", "register_tokens"]
            .map(|name| format!("{EMBEDDINGS}.{name}"));
        let of_class = [1, 1, channels];
        let of_registers = [1, self.registers, channels];
        let mut stored: Vec<(&str, &[usize])> = vec![(&class, &of_class)];
        let of_positions = match self.positions {
            Positions::Learned(learned) => Some(learned.dims(channels)),
            Positions::Rotary(_) | Positions::None => None,
        };
        let recipe = match &of_positions {
            Some(dims) => {
                stored.push((&positions, dims));
                Recipe::PositionedPrefix
            }
            None => Recipe::Joined,
        };
        if self.registers > 0 {
            stored.push((&registers, &of_registers));
        }
        let dims = [1, self.prefix_tokens(), channels];
        graph.derived(&class, &dims, recipe, &stored)
    }
}
