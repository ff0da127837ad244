//! Learned positions as a map, brought to the size of an image's.

use crate::{
    Error,
    graph::{Graph, Value},
    interpolation::Interpolation,
    layers::Map,
    weights::Recipe,
};

/// The positions of the patches of a square grid, and before them that of the class token.
#[derive(Clone, Copy, Debug)]
pub(in crate::families) struct LearnedPositions {
    /// Patches along a side of the grid.
    pub(in crate::families) side: usize,
    /// How they reach grids of other sizes.
    pub(in crate::families) interpolation: Interpolation,
}

impl LearnedPositions {
    /// `[1, 1 + side^2, channels]`, as in the file.
    pub(super) fn dims(self, channels: usize) -> [usize; 3] {
        [1, 1 + self.side * self.side, channels]
    }

    /// Those of the patches of `map`, `[1, channels, height, width]`.
    pub(super) fn like(
        self,
        graph: &mut Graph<'_>,
        scope: &str,
        map: &Map,
    ) -> Result<Value, Error> {
        let [height, width] = &map.size;
        if let (Some(height), Some(width)) = (height.fixed(), width.fixed()) {
            return self.stored(graph, scope, map.channels, [height, width]);
        }
        let learned = self.stored(graph, scope, map.channels, [self.side; 2])?;
        let learned = (&learned, [map.channels, self.side]);
        Ok(graph.interpolated(scope, learned, &map.size, self.interpolation))
    }

    fn stored(
        self,
        graph: &mut Graph<'_>,
        scope: &str,
        channels: usize,
        grid: [usize; 2],
    ) -> Result<Value, Error> {
        let key = format!("{scope}.position_embeddings");
        let recipe = Recipe::Positions {
            channels,
            grid,
            interpolation: self.interpolation,
        };
        let dims = [1, channels, grid[0], grid[1]];
        graph.derived(&key, &dims, recipe, &[(&key, &self.dims(channels))])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::LearnedPositions;
    use crate::{
        graph::{Graph, Size, tests::Counted},
        interpolation::Interpolation,
        layers::Map,
    };

    /// The operators that bring positions of 3 x 3 patches to a map of that size, and the shape of what
    /// is stored.
    fn operators(
        interpolation: Interpolation,
        size: impl FnOnce(&mut Graph<'_>) -> [Size; 2],
    ) -> (Vec<&'static str>, Vec<usize>) {
        let key = "embeddings.position_embeddings";
        let weights = Counted(BTreeMap::from([(key.to_owned(), vec![1, 10, 2])]));
        let mut graph = Graph::new(&weights);
        let size = size(&mut graph);
        let map = Map {
            value: graph.input("patches"),
            channels: 2,
            size,
        };
        let before = graph.nodes.len();
        let positions = LearnedPositions {
            side: 3,
            interpolation,
        };
        positions
            .like(&mut graph, "embeddings", &map)
            .expect("the key is there");
        let stored = graph.initializers.iter();
        let stored = stored.filter(|stored| stored.name.name() == key);
        let dims: Vec<_> = stored.map(|stored| stored.dims.clone()).collect();
        let operators = graph.nodes[before..].iter().map(|node| node.operator);
        (operators.collect(), dims.concat())
    }

    #[test]
    fn those_of_a_known_size_are_stored() {
        for interpolation in [Interpolation::Bicubic, Interpolation::AntialiasedBicubic] {
            let found = operators(interpolation, |_| [5.into(), 4.into()]);
            assert_eq!(found, (Vec::new(), vec![1, 2, 5, 4]));
        }
    }

    #[test]
    fn those_of_another_are_computed_from_what_was_learned() {
        let open = |graph: &mut Graph<'_>| {
            let image = graph.input("image");
            [2, 3].map(|axis| graph.length(&image, axis))
        };
        let (plain, dims) = operators(Interpolation::Bicubic, open);
        assert_eq!(plain, ["Shape", "Concat", "Resize"]);
        assert_eq!(dims, [1, 2, 3, 3]);
        let (antialiased, dims) = operators(Interpolation::AntialiasedBicubic, open);
        let products = antialiased.iter().filter(|&&name| name == "MatMul");
        // The sums of the weights of both axes, then the map by both matrices.
        assert_eq!(products.count(), 4);
        assert!(!antialiased.contains(&"Resize"), "{antialiased:?}");
        assert_eq!(dims, [1, 2, 3, 3]);
    }
}
