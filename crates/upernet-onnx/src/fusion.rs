//! A 3 x 3 convolution of maps that are resized to one size and joined, at a fraction of its products.
//!
//! A convolution of a concatenation is a sum over its parts, and a part that is resized by `U` first may
//! be resized after it has met the weights:
//!
//! ```text
//! conv3x3(U(x)) = sum over the 9 taps k of shift_k(U(W_k x))
//! ```
//!
//! So the products with the weights run at the part's own size, and neither the resized maps nor their
//! concatenation exist. Resizing and shifting are two products with small matrices, rows and columns.

use crate::{
    Error,
    graph::{Attribute, Element, Graph, Size, Value},
    layers::{BATCH_NORM_EPS, Map, Window},
    pool::Axis,
    weights::{BATCH_NORM, Part, Recipe},
};

impl Graph<'_> {
    /// [`conv_module`](Self::conv_module) of 3 x 3 of `x` and, behind its channels, of `others`, each
    /// resized to the size of `x`.
    pub(crate) fn fused_conv_module(
        &mut self,
        path: &str,
        x: &Map,
        others: &[Map],
        channels: usize,
    ) -> Result<Map, Error> {
        let layer = format!("{path}.conv");
        let total = x.channels + others.iter().map(|map| map.channels).sum::<usize>();
        let mut weights = Parts {
            layer: &layer,
            norm: format!("{path}.batch_norm"),
            shape: [channels, total],
            used: 0,
        };
        let bias = weights.bias(self)?;
        let weight = weights.next(self, x.channels, Order::Filters)?;
        let window = Window::same(3);
        let mut sum = self.conv_node(&layer, x, &[&weight, &bias], channels, window);
        for map in others {
            let term = if map.size == x.size {
                let weight = weights.next(self, map.channels, Order::Filters)?;
                self.conv_node(&layer, map, &[&weight], channels, window)
                    .value
            } else {
                let weight = weights.next(self, map.channels, Order::Taps)?;
                self.resized_conv(&layer, map, &[&weight], (channels, &sum.size))
            };
            sum.value = self.node(path, "Add", &[&sum.value, &term], Vec::new());
        }
        let value = self.node(path, "Relu", &[&sum.value], Vec::new());
        Ok(Map { value, ..sum })
    }

    /// A convolution of 3 x 3 with bias of a map that is resized to `size` first; the weights are
    /// `{path}.weight` and `{path}.bias`.
    pub(crate) fn conv_of_resized(
        &mut self,
        path: &str,
        x: &Map,
        channels: usize,
        size: [Size; 2],
    ) -> Result<Map, Error> {
        let [weight, bias] = ["weight", "bias"].map(|name| format!("{path}.{name}"));
        let (whole, one_each) = ([channels, x.channels, 3, 3], [channels]);
        let part = Part {
            inputs: x.channels,
            first: 0,
            count: x.channels,
            order: Order::Taps,
        };
        let (taps, stored) = (
            [9 * channels, x.channels, 1, 1],
            [(weight.as_str(), &whole[..])],
        );
        let taps = self.derived(&weight, &taps, Recipe::Part(part), &stored)?;
        // A resized constant is that constant, and the tap in the middle is never beyond the border.
        let stored = [(bias.as_str(), &one_each[..])];
        let bias = self.derived(&bias, &[9 * channels], Recipe::MiddleTaps, &stored)?;
        let value = self.resized_conv(path, x, &[&taps, &bias], (channels, &size));
        Ok(Map {
            value,
            channels,
            size,
        })
    }

    /// The convolution of a map that is resized first, to `channels` and `size`; `weights` are
    /// `[channels * 9, x.channels, 1, 1]` and, if there is one, `[channels * 9]`.
    fn resized_conv(
        &mut self,
        scope: &str,
        x: &Map,
        weights: &[&Value],
        (channels, size): (usize, &[Size; 2]),
    ) -> Value {
        let all = 9 * channels;
        let taps = self.conv_node(scope, x, weights, all, Window::patches(1));
        let [height, width] = x.size.clone();
        let three = || Size::Fixed(3);
        let [rows, columns] = [&height, &width].map(|size| self.times(size, &three()));
        // [N, (channel, row), column, h, w] to [N, (channel, row), h, (column, w)]
        let split = [(3 * channels).into(), three(), height.clone(), width];
        let taps = self.reshape(scope, &taps.value, &split);
        let taps = self.transpose(scope, &taps, &[0, 1, 3, 2, 4]);
        let lines = [(3 * channels).into(), height, columns];
        let taps = self.reshape(scope, &taps, &lines);
        let matrix = self.shifts(scope, &x.size[1], &size[1], Axis::Columns);
        let taps = self.node(scope, "MatMul", &[&taps, &matrix], Vec::new());
        // [N, (channel, row), h, W] to [N, channel, (row, h), W]
        let lines = [channels.into(), rows, size[1].clone()];
        let taps = self.reshape(scope, &taps, &lines);
        let matrix = self.shifts(scope, &x.size[0], &size[0], Axis::Rows);
        self.node(scope, "MatMul", &[&matrix, &taps], Vec::new())
    }

    /// The matrix that interpolates three lines of `from` values to `to` values, moves the first one
    /// position on and the last one back, and adds them up: `[to, 3 from]` for rows, transposed for
    /// columns. Beyond the ends of a line are zeros.
    fn shifts(&mut self, scope: &str, from: &Size, to: &Size, axis: Axis) -> Value {
        let (Some(from), Some(to)) = (from.fixed(), to.fixed()) else {
            let matrix = self.computed_shifts(scope, from, to);
            return match axis {
                Axis::Rows => matrix,
                Axis::Columns => self.transpose(scope, &matrix, &[1, 0]),
            };
        };
        let matrix = shifts(from, to);
        match axis {
            Axis::Rows => self.floats(&[to, 3 * from], &matrix),
            Axis::Columns => {
                let recipe = Recipe::Transposed { columns: 3 * from };
                self.floats(&[3 * from, to], &recipe.make(vec![matrix]))
            }
        }
    }

    /// The same matrix, made by the graph, in whole numbers up to the last division: position `p` is at
    /// `((2 p + 1) from - to) / (2 to)`, and what it takes of a value at distance `d` is `1 - d`, or
    /// nothing from 1 on.
    fn computed_shifts(&mut self, scope: &str, from: &Size, to: &Size) -> Value {
        let step = |graph: &mut Self, operator, inputs: [&Value; 2]| {
            graph.node(scope, operator, &inputs, Vec::new())
        };
        let [zero, one, two] = [0, 1, 2].map(|number| self.list(&[number]));
        let [from_value, to_value] = [from, to].map(|size| self.size_value(size));
        let positions = self.range(to);
        let shape = self.list(&[-1, 1, 1]);
        let positions = step(self, "Reshape", [&positions, &shape]); // [to, 1, 1]
        let moves = self.ints(&[1, 3, 1], &[-1, 0, 1]);
        let positions = step(self, "Add", [&positions, &moves]); // [to, 3, 1]
        let after = step(self, "GreaterOrEqual", [&positions, &zero]);
        let before = step(self, "Less", [&positions, &to_value]);
        let inside = step(self, "And", [&after, &before]);

        let whole = step(self, "Mul", [&two, &to_value]); // one position of the source
        let place = step(self, "Mul", [&positions, &two]);
        let place = step(self, "Add", [&place, &one]);
        let place = step(self, "Mul", [&place, &from_value]);
        let place = step(self, "Sub", [&place, &to_value]);
        let place = step(self, "Max", [&place, &zero]);
        let last = self.minus(from, &Size::Fixed(1));
        let last = self.size_value(&last);
        let last = step(self, "Mul", [&last, &whole]);
        let place = step(self, "Min", [&place, &last]);
        let sources = self.range(from); // [from]
        let sources = step(self, "Mul", [&sources, &whole]);
        let distance = step(self, "Sub", [&place, &sources]); // [to, 3, from]
        let distance = self.node(scope, "Abs", &[&distance], Vec::new());
        let [distance, whole, inside] = [distance, whole, inside].map(|value| {
            let to = Attribute::Int(Element::F32 as i64);
            self.node(scope, "Cast", &[&value], vec![("to", to)])
        });
        let distance = step(self, "Div", [&distance, &whole]);
        let all = self.floats(&[], &[1.0]);
        let taken = step(self, "Sub", [&all, &distance]);
        let taken = self.node(scope, "Relu", &[&taken], Vec::new());
        let taken = step(self, "Mul", [&taken, &inside]);
        let columns = self.times(from, &Size::Fixed(3));
        self.reshape(scope, &taken, &[columns])
    }
}

/// How the weights of a part are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// As in a convolution, `[channels, inputs, 3, 3]`.
    Filters,
    /// As the products of all taps, `[channels * 9, inputs, 1, 1]`.
    Taps,
}

/// The weights of a convolution, taken part by part of its input.
struct Parts<'a> {
    layer: &'a str,
    norm: String,
    /// Channels out and in.
    shape: [usize; 2],
    /// Channels in that were taken.
    used: usize,
}

impl Parts<'_> {
    fn bias(&self, graph: &mut Graph<'_>) -> Result<Value, Error> {
        let [channels, _] = self.shape;
        let norms = BATCH_NORM.map(|name| format!("{}.{name}", self.norm));
        let one_each = [channels];
        let stored = norms.each_ref().map(|key| (key.as_str(), &one_each[..]));
        let recipe = Recipe::NormedBias {
            epsilon: BATCH_NORM_EPS,
        };
        graph.derived(
            &format!("{}.bias", self.layer),
            &[channels],
            recipe,
            &stored,
        )
    }

    fn next(&mut self, graph: &mut Graph<'_>, count: usize, order: Order) -> Result<Value, Error> {
        let [channels, inputs] = self.shape;
        let key = format!("{}.weight", self.layer);
        let norms = BATCH_NORM.map(|name| format!("{}.{name}", self.norm));
        let whole = [channels, inputs, 3, 3];
        let one_each = [channels];
        let mut stored: Vec<(&str, &[usize])> = vec![(&key, &whole)];
        stored.extend(norms.iter().map(|key| (key.as_str(), &one_each[..])));
        let part = Part {
            inputs,
            first: self.used,
            count,
            order,
        };
        let dims = match order {
            Order::Filters => [channels, count, 3, 3],
            Order::Taps => [9 * channels, count, 1, 1],
        };
        let name = format!("{key}/inputs_{}_to_{}", self.used, self.used + count);
        self.used += count;
        let epsilon = BATCH_NORM_EPS;
        graph.derived(&name, &dims, Recipe::NormedPart { epsilon, part }, &stored)
    }
}

/// The matrix of [`Graph::shifts`] for rows.
fn shifts(from: usize, to: usize) -> Vec<f32> {
    let mut matrix = vec![0.0; to * 3 * from];
    for (row, weights) in matrix.chunks_exact_mut(3 * from).enumerate() {
        for (tap, weights) in weights.chunks_exact_mut(from).enumerate() {
            if let Some(position) = (row + tap).checked_sub(1).filter(|&position| position < to) {
                add_taps(weights, position, to);
            }
        }
    }
    matrix
}

/// Adds to `weights` what output position `position` of `to` takes of each source position.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the source position is clamped to 0 ..= from - 1 before it becomes an index"
)]
fn add_taps(weights: &mut [f32], position: usize, to: usize) {
    let from = weights.len();
    let source = (position as f64 + 0.5) * from as f64 / to as f64 - 0.5;
    let source = source.clamp(0.0, (from - 1) as f64);
    let low = source as usize;
    let high = (low + 1).min(from - 1);
    let fraction = (source - low as f64) as f32;
    weights[low] += 1.0 - fraction;
    weights[high] += fraction;
}

#[cfg(test)]
mod tests {
    use super::shifts;

    #[test]
    fn the_tap_in_the_middle_interpolates() {
        // torch.nn.functional.interpolate(torch.eye(2)[None], size=4, mode="linear")[0].T
        let expected = [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]];
        let matrix = shifts(2, 4);
        for (row, expected) in matrix.chunks_exact(6).zip(expected) {
            assert_eq!(row[2..4], expected);
        }
    }

    #[test]
    fn the_other_taps_see_the_neighbours_and_zeros_beyond_the_ends() {
        let matrix = shifts(3, 5);
        let tap = |row: usize, tap: usize| &matrix[row * 9 + 3 * tap..][..3];
        for row in 1..5 {
            assert_eq!(tap(row, 0), tap(row - 1, 1));
            assert_eq!(tap(row - 1, 2), tap(row, 1));
        }
        assert_eq!(tap(0, 0), [0.0; 3]);
        assert_eq!(tap(4, 2), [0.0; 3]);
    }
}
