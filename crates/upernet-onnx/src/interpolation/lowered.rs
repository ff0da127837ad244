//! Interpolation by the graph, for sizes that are known when the network runs.

use super::{ANTIALIASED_SLOPE, Interpolation, SLOPE};
use crate::{
    graph::{Attribute, Element, Graph, Size, Value},
    layers::Map,
};

/// The cubic kernel of an antialiased interpolation up to a distance of 1, highest power first.
const NEAR: [f32; 4] = [ANTIALIASED_SLOPE + 2.0, -ANTIALIASED_SLOPE - 3.0, 0.0, 1.0];

/// The same from 1 to 2.
const FAR: [f32; 4] = [
    ANTIALIASED_SLOPE,
    -5.0 * ANTIALIASED_SLOPE,
    8.0 * ANTIALIASED_SLOPE,
    -4.0 * ANTIALIASED_SLOPE,
];

impl Graph<'_> {
    /// Brings a square grid, `[1, channels, from, from]`, to another size.
    pub(crate) fn interpolated(
        &mut self,
        scope: &str,
        (grid, [channels, from]): (&Value, [usize; 2]),
        size: &[Size; 2],
        interpolation: Interpolation,
    ) -> Value {
        let map = Map {
            value: grid.clone(),
            channels,
            size: [from.into(), from.into()],
        };
        match interpolation {
            Interpolation::Bilinear => self.resize(scope, &map, size).value,
            Interpolation::Bicubic => {
                let kernel = ("cubic_coeff_a", Attribute::Float(SLOPE));
                let mode = ("mode", Attribute::Text("cubic"));
                self.resize_node(scope, &map, size, vec![kernel, mode])
                    .value
            }
            Interpolation::AntialiasedBicubic => {
                let [rows, columns] = size.each_ref().map(|to| self.antialiased(scope, from, to));
                let columns = self.transpose(scope, &columns, &[1, 0]);
                let tall = self.node(scope, "MatMul", &[&rows, grid], Vec::new());
                self.node(scope, "MatMul", &[&tall, &columns], Vec::new())
            }
        }
    }

    /// The matrix `[to, from]` that interpolates a line, made by the graph: `Resize` antialiases from
    /// operator set 18 on.
    fn antialiased(&mut self, scope: &str, from: usize, to: &Size) -> Value {
        let step = |graph: &mut Self, operator, inputs: [&Value; 2]| {
            graph.node(scope, operator, &inputs, Vec::new())
        };
        let [half, one, two] = [0.5, 1.0, 2.0].map(|number| self.floats(&[], &[number]));
        let length = self.floats(&[], &[from as f32]);
        let positions = self.range(to);
        let count = self.size_value(to);
        let [positions, count] = [positions, count].map(|value| {
            let to = Attribute::Int(Element::F32 as i64);
            self.node(scope, "Cast", &[&value], vec![("to", to)])
        });
        let scale = step(self, "Div", [&length, &count]);
        let stretch = step(self, "Max", [&scale, &one]);
        let centers = step(self, "Add", [&positions, &half]);
        let centers = step(self, "Mul", [&centers, &scale]);
        let centers = self.reshape(scope, &centers, &[Size::Fixed(1)]); // [to, 1]
        let cells: Vec<f32> = (0..from).map(|cell| cell as f32 + 0.5).collect();
        let cells = self.floats(&[from], &cells);
        let distance = step(self, "Sub", [&cells, &centers]); // [to, from]
        let distance = self.node(scope, "Abs", &[&distance], Vec::new());
        let distance = step(self, "Div", [&distance, &stretch]);

        // Up to 1 the kernel is one polynomial, up to 2 another; each is 0 where it ends, and the second
        // where it begins.
        let near = step(self, "Min", [&distance, &one]);
        let far = step(self, "Max", [&distance, &one]);
        let far = step(self, "Min", [&far, &two]);
        let near = self.polynomial(scope, &near, NEAR);
        let far = self.polynomial(scope, &far, FAR);
        let weights = step(self, "Add", [&near, &far]);
        let ones = self.floats(&[from, 1], &vec![1.0; from]);
        let sums = step(self, "MatMul", [&weights, &ones]);
        step(self, "Div", [&weights, &sums])
    }

    /// The polynomial of these coefficients, that of the highest power first.
    fn polynomial(&mut self, scope: &str, x: &Value, [first, others @ ..]: [f32; 4]) -> Value {
        let mut sum = self.floats(&[], &[first]);
        for coefficient in others {
            let coefficient = self.floats(&[], &[coefficient]);
            sum = self.node(scope, "Mul", &[&sum, x], Vec::new());
            sum = self.node(scope, "Add", &[&sum, &coefficient], Vec::new());
        }
        sum
    }
}
