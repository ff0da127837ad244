//! Position biases: what attention adds to the logit of two tokens for the offset of their patches.
//! Upstream: `BeitRelativePositionBias`.
//!
//! A table has a bias for each offset, brought to the size of the image's map, and three for the class
//! token. The file holds tables, not biases: all tokens with all would be 50 MB for each layer of a BEiT-B
//! at 512 x 512, where the table has 0.2 MB.

use super::{Network, embeddings::Sequence};
use crate::{
    Error,
    graph::{Attribute, Graph, Size, Value, signed},
    interpolation::Interpolation,
    weights::{CLASS_BIASES, Recipe},
};

/// Where tables of biases are, and for which map they were learned.
#[derive(Clone, Copy, Debug)]
pub(in crate::families) struct PositionBiases {
    /// Patches along a side of the map.
    pub(in crate::families) side: usize,
    /// The key of the table of all layers, if they share one.
    pub(in crate::families) shared: Option<&'static str>,
    /// That of each layer's own, below the path of the layer, if it has one.
    pub(in crate::families) own: Option<&'static str>,
}

/// The biases of the tokens of an image.
#[derive(Clone, Debug)]
pub(super) struct TokenBiases {
    biases: PositionBiases,
    heads: usize,
    grid: [Size; 2],
    /// Which bias of a table is that of two tokens, `[tokens, tokens]`.
    numbers: Value,
    /// `[1, heads, tokens, tokens]`.
    shared: Option<Value>,
}

/// The number of the bias from the class token to a patch, from a patch to it, and to itself; the
/// offsets follow.
const CLASS_TO_PATCH: i64 = 0;
const PATCH_TO_CLASS: i64 = 1;
const CLASS_TO_CLASS: i64 = 2;

/// Where nodes that all layers use belong.
const SCOPE: &str = "position_biases";

impl Network<'_> {
    /// What attention among the tokens of `x` adds to its logits, if there is something.
    pub(super) fn token_biases(
        &self,
        graph: &mut Graph<'_>,
        x: &Sequence,
    ) -> Result<Option<TokenBiases>, Error> {
        let Some(biases) = self.biases else {
            return Ok(None);
        };
        let mut of_tokens = TokenBiases {
            biases,
            heads: self.num_attention_heads,
            grid: x.grid.clone(),
            numbers: numbers(graph, &x.grid),
            shared: None,
        };
        if let Some(key) = biases.shared {
            of_tokens.shared = Some(of_tokens.of_table(graph, key)?);
        }
        Ok(Some(of_tokens))
    }
}

impl TokenBiases {
    /// Adds the biases to the logits of the layer at that path, `[N, heads, tokens, tokens]`.
    pub(super) fn added(
        &self,
        graph: &mut Graph<'_>,
        path: &str,
        logits: Value,
    ) -> Result<Value, Error> {
        let own = self.biases.own.map(|name| format!("{path}.{name}"));
        let own = own.map(|key| self.of_table(graph, &key)).transpose()?;
        let mut sum = logits;
        for bias in [&own, &self.shared].into_iter().flatten() {
            sum = graph.node(path, "Add", &[&sum, bias], Vec::new());
        }
        Ok(sum)
    }

    /// The biases of all tokens, `[1, heads, tokens, tokens]`, out of the table of that key.
    fn of_table(&self, graph: &mut Graph<'_>, key: &str) -> Result<Value, Error> {
        let heads = self.heads;
        let learned = 2 * self.biases.side - 1;
        let stored = [learned * learned + CLASS_BIASES, heads];
        let dims = [1, heads, CLASS_BIASES];
        let of_class = graph.derived(
            &format!("{key}/class"),
            &dims,
            Recipe::ClassBiases { heads },
            &[(key, &stored)],
        )?;
        let scope = key.rsplit_once('.').map_or(key, |(scope, _)| scope);
        let span = self.grid.each_ref().map(|size| span(graph, size));
        let size = match span.each_ref().map(Size::fixed) {
            [Some(height), Some(width)] => [height, width],
            _ => [learned; 2],
        };
        let recipe = Recipe::OffsetBiases { heads, size };
        let dims = [1, heads, size[0], size[1]];
        let mut offsets = graph.derived(key, &dims, recipe, &[(key, &stored)])?;
        if size.map(Size::Fixed) != span {
            let grid = (&offsets, [heads, learned]);
            offsets = graph.interpolated(scope, grid, &span, Interpolation::Bilinear);
        }
        let count = graph.times(&span[0], &span[1]);
        let offsets = graph.reshape(scope, &offsets, &[heads.into(), count]);
        let table = joined(graph, scope, -1, [&of_class, &offsets]);
        let axis = vec![("axis", Attribute::Int(2))];
        Ok(graph.node(scope, "Gather", &[&table, &self.numbers], axis))
    }
}

/// Offsets along an axis of that many patches.
fn span(graph: &mut Graph<'_>, size: &Size) -> Size {
    let twice = graph.times(size, &Size::Fixed(2));
    graph.minus(&twice, &Size::Fixed(1))
}

/// Which bias of a table is that of a query and a key, `[tokens, tokens]`.
fn numbers(graph: &mut Graph<'_>, grid: &[Size; 2]) -> Value {
    let [height, width] = grid;
    let across = span(graph, width);
    let places = places(graph, grid, &across); // [patches, 1]
    let others = graph.transpose(SCOPE, &places, &[1, 0]);
    // The number of no offset at all, between the class token's and half of all offsets.
    let down = graph.minus(height, &Size::Fixed(1));
    let middle = graph.times(&down, &across);
    let middle = graph.plus(&middle, width);
    let middle = graph.plus(&middle, &Size::Fixed(CLASS_BIASES - 1));
    let middle = graph.size_value(&middle);
    let places = graph.node(SCOPE, "Add", &[&places, &middle], Vec::new());
    let patches = graph.node(SCOPE, "Sub", &[&places, &others], Vec::new());

    let count = graph.times(height, width);
    let [column, row] = [
        (PATCH_TO_CLASS, [count.clone(), Size::Fixed(1)]),
        (CLASS_TO_PATCH, [Size::Fixed(1), count]),
    ]
    .map(|(number, shape)| {
        let number = graph.ints(&[1, 1], &[number]);
        let shape = graph.sizes(&shape);
        graph.node(SCOPE, "Expand", &[&number, &shape], Vec::new())
    });
    let corner = graph.ints(&[1, 1], &[CLASS_TO_CLASS]);
    let row = joined(graph, SCOPE, 1, [&corner, &row]);
    let rows = joined(graph, SCOPE, 1, [&column, &patches]);
    joined(graph, SCOPE, 0, [&row, &rows])
}

/// A number for each patch, `[patches, 1]`, so that two of them differ by the number of their offset:
/// its row, of as many as there are offsets across, and its column.
fn places(graph: &mut Graph<'_>, [height, width]: &[Size; 2], across: &Size) -> Value {
    if let (Some(height), Some(width)) = (height.fixed(), width.fixed()) {
        let rows = 0..signed(height);
        let across = 2 * signed(width) - 1;
        let places: Vec<i64> = rows
            .flat_map(|row| (0..signed(width)).map(move |column| row * across + column))
            .collect();
        return graph.ints(&[places.len(), 1], &places);
    }
    let rows = graph.range(height);
    let rows = graph.reshape(SCOPE, &rows, &[Size::Fixed(1)]);
    let across = graph.size_value(across);
    let rows = graph.node(SCOPE, "Mul", &[&rows, &across], Vec::new());
    let columns = graph.range(width);
    let places = graph.node(SCOPE, "Add", &[&rows, &columns], Vec::new()); // [height, width]
    graph.reshape(SCOPE, &places, &[Size::Fixed(1)])
}

fn joined(graph: &mut Graph<'_>, scope: &str, axis: i64, parts: [&Value; 2]) -> Value {
    let axis = vec![("axis", Attribute::Int(axis))];
    graph.node(scope, "Concat", &parts, axis)
}

#[cfg(test)]
mod tests {
    use super::{CLASS_TO_CLASS, places, span};
    use crate::{
        graph::{Content, Graph, Size, tests::Counted},
        weights::CLASS_BIASES,
    };

    /// Offsets as `BeitRelativePositionBias.generate_relative_position_index((2, 3))` numbers them.
    #[test]
    fn places_differ_by_their_offsets() {
        let weights = Counted::default();
        let mut graph = Graph::new(&weights);
        let grid = [2, 3].map(Size::Fixed);
        let across = span(&mut graph, &grid[1]);
        assert_eq!(across, Size::Fixed(5));
        let places = places(&mut graph, &grid, &across);
        let stored = graph
            .initializers
            .iter()
            .find(|stored| stored.name == places);
        let Content::Constant(bytes) = &stored.expect("it is a constant").content else {
            panic!("it is none of the weights");
        };
        let numbers: Vec<i64> = bytes
            .chunks_exact(8)
            .map(|bytes| i64::from_le_bytes(bytes.try_into().expect("eight")))
            .collect();
        assert_eq!(numbers, [0, 1, 2, 5, 6, 7]);
    }

    #[test]
    fn the_class_token_comes_before_all_offsets() {
        assert_eq!(usize::try_from(CLASS_TO_CLASS), Ok(CLASS_BIASES - 1));
    }
}
