//! Lengths of axes: constants where the image's size is one, computed by the graph where it is not.
//!
//! One lowering serves both. With constants nothing is left of this arithmetic in the file.

use super::{Attribute, Graph, Value};

/// The length of an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Size {
    /// Known now.
    Fixed(usize),
    /// Known when the network runs: a vector of one whole number.
    Computed(Value),
}

/// Where nodes that compute sizes belong.
const SCOPE: &str = "sizes";

impl Size {
    /// The size, if it is known now.
    pub(crate) fn fixed(&self) -> Option<usize> {
        match self {
            Self::Fixed(size) => Some(*size),
            Self::Computed(_) => None,
        }
    }
}

impl From<usize> for Size {
    fn from(size: usize) -> Self {
        Self::Fixed(size)
    }
}

/// A size as ONNX has it.
pub(crate) fn signed(size: usize) -> i64 {
    i64::try_from(size).expect("sizes are far below 2^63")
}

impl Graph<'_> {
    /// The length of axis `axis` of `x`, computed.
    pub(crate) fn length(&mut self, x: &Value, axis: i64) -> Size {
        let ends = vec![
            ("start", Attribute::Int(axis)),
            ("end", Attribute::Int(axis + 1)),
        ];
        Size::Computed(self.node(SCOPE, "Shape", &[x], ends))
    }

    /// A size as a vector of one whole number.
    pub(crate) fn size_value(&mut self, size: &Size) -> Value {
        match size {
            Size::Fixed(size) => self.list(&[signed(*size)]),
            Size::Computed(value) => value.clone(),
        }
    }

    /// `size / by`, rounded down.
    pub(crate) fn divided(&mut self, size: &Size, by: usize) -> Size {
        self.arithmetic("Div", size, &by.into(), |size, by| size / by)
    }

    /// `size * by`.
    pub(crate) fn times(&mut self, size: &Size, by: &Size) -> Size {
        self.arithmetic("Mul", size, by, |size, by| size * by)
    }

    /// `size + by`.
    pub(crate) fn plus(&mut self, size: &Size, by: &Size) -> Size {
        self.arithmetic("Add", size, by, |size, by| size + by)
    }

    /// `size - by`, which must not be negative.
    pub(crate) fn minus(&mut self, size: &Size, by: &Size) -> Size {
        self.arithmetic("Sub", size, by, |size, by| size - by)
    }

    /// `size / by`, rounded up.
    pub(crate) fn divided_up(&mut self, size: &Size, by: usize) -> Size {
        let size = self.plus(size, &Size::Fixed(by - 1));
        self.divided(&size, by)
    }

    /// The least multiple of `of` that is not below `size`.
    pub(crate) fn next_multiple(&mut self, size: &Size, of: usize) -> Size {
        let count = self.divided_up(size, of);
        self.times(&count, &of.into())
    }

    fn arithmetic(
        &mut self,
        operator: &'static str,
        left: &Size,
        right: &Size,
        known: fn(usize, usize) -> usize,
    ) -> Size {
        match (left, right) {
            (Size::Fixed(left), Size::Fixed(right)) => Size::Fixed(known(*left, *right)),
            (left, Size::Fixed(1)) if operator != "Add" && operator != "Sub" => left.clone(),
            (left, Size::Fixed(0)) if operator == "Add" || operator == "Sub" => left.clone(),
            (left, right) => {
                let [left, right] = [left, right].map(|size| self.size_value(size));
                Size::Computed(self.node(SCOPE, operator, &[&left, &right], Vec::new()))
            }
        }
    }

    /// A vector of sizes, such as a shape.
    pub(crate) fn sizes(&mut self, sizes: &[Size]) -> Value {
        let known: Option<Vec<i64>> = sizes.iter().map(|size| size.fixed().map(signed)).collect();
        if let Some(known) = known {
            return self.list(&known);
        }
        let parts: Vec<Value> = sizes.iter().map(|size| self.size_value(size)).collect();
        self.joined(&parts)
    }

    /// Brings `x` to `[N, sizes...]`; the batch is what is left.
    pub(crate) fn reshape(&mut self, scope: &str, x: &Value, sizes: &[Size]) -> Value {
        let known: Option<Vec<i64>> = sizes.iter().map(|size| size.fixed().map(signed)).collect();
        let shape = if let Some(known) = known {
            self.list(&[vec![-1], known].concat())
        } else {
            let mut parts = vec![self.list(&[-1])];
            for size in sizes {
                parts.push(self.size_value(size));
            }
            self.joined(&parts)
        };
        self.node(scope, "Reshape", &[x, &shape], Vec::new())
    }

    /// The numbers from 0 up to `size` as a vector of whole numbers.
    pub(crate) fn range(&mut self, size: &Size) -> Value {
        match size {
            Size::Fixed(size) => {
                let numbers: Vec<i64> = (0..signed(*size)).collect();
                self.list(&numbers)
            }
            Size::Computed(size) => {
                let [zero, one] = [0, 1].map(|number| self.ints(&[], &[number]));
                let end = self.node(SCOPE, "Squeeze", &[size], Vec::new());
                self.node(SCOPE, "Range", &[&zero, &end, &one], Vec::new())
            }
        }
    }

    fn joined(&mut self, parts: &[Value]) -> Value {
        let parts: Vec<&Value> = parts.iter().collect();
        self.node(SCOPE, "Concat", &parts, vec![("axis", Attribute::Int(0))])
    }
}

#[cfg(test)]
mod tests {
    use super::Size;
    use crate::graph::{Graph, tests::Counted};

    #[test]
    fn what_is_known_leaves_no_node() {
        let weights = Counted::default();
        let mut graph = Graph::new(&weights);
        assert_eq!(graph.divided_up(&Size::Fixed(13), 4), Size::Fixed(4));
        assert_eq!(graph.divided(&Size::Fixed(13), 4), Size::Fixed(3));
        assert_eq!(graph.next_multiple(&Size::Fixed(13), 7), Size::Fixed(14));
        assert_eq!(graph.next_multiple(&Size::Fixed(14), 7), Size::Fixed(14));
        let difference = graph.minus(&Size::Fixed(14), &Size::Fixed(13));
        assert_eq!(difference, Size::Fixed(1));
        assert!(graph.nodes.is_empty());
    }

    #[test]
    fn what_is_not_is_computed() {
        let weights = Counted::default();
        let mut graph = Graph::new(&weights);
        let x = graph.input("x");
        let size = graph.length(&x, 2);
        graph.next_multiple(&size, 7);
        let operators: Vec<_> = graph.nodes.iter().map(|node| node.operator).collect();
        assert_eq!(operators, ["Shape", "Add", "Div", "Mul"]);
    }

    #[test]
    fn neutral_steps_are_left_out() {
        let weights = Counted::default();
        let mut graph = Graph::new(&weights);
        let x = graph.input("x");
        let size = graph.length(&x, 2);
        assert_eq!(graph.next_multiple(&size, 1), size);
        assert_eq!(graph.minus(&size, &Size::Fixed(0)), size);
        assert_eq!(graph.nodes.len(), 1);
    }
}
