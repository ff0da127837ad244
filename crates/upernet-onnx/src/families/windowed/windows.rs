//! Windows: padding, shifting, cutting and joining, and the mask of shifted windows.

use crate::{
    graph::{Attribute, Element, Graph, Size, Value, signed},
    layers::{Layout, Tokens},
};

/// How the windows of a stage lie.
#[derive(Clone, Copy, Debug)]
pub(in crate::families) struct Cut {
    /// Side of a window, in cells.
    pub(in crate::families) side: usize,
    /// Cells by which every second block moves its windows; 0 if none does.
    pub(in crate::families) shift: usize,
    /// What is added to the logit of a pair of tokens that were no neighbours before the shift.
    pub(in crate::families) masked: f32,
}

/// The windows of a stage, for maps of one size.
#[derive(Debug)]
pub(in crate::families) struct Windows {
    channels: usize,
    cut: Cut,
    size: [Size; 2],
    /// Size with whole windows.
    padded: [Size; 2],
    /// Windows along each axis.
    counts: [Size; 2],
    /// `[windows, 1, tokens, tokens]` for the blocks whose windows are shifted.
    mask: Option<Value>,
}

impl Windows {
    /// The windows of maps like `x`; `scope` is the path of the stage.
    pub(in crate::families) fn new(
        graph: &mut Graph<'_>,
        scope: &str,
        x: &Tokens,
        cut: Cut,
    ) -> Self {
        let counts = x.size.clone().map(|size| graph.divided_up(&size, cut.side));
        let padded = counts
            .clone()
            .map(|count| graph.times(&count, &cut.side.into()));
        let mut windows = Self {
            channels: x.channels,
            cut,
            size: x.size.clone(),
            padded,
            counts,
            mask: None,
        };
        if cut.shift > 0 {
            windows.mask = Some(windows.lower_mask(graph, scope));
        }
        windows
    }

    /// `[N, H, W, C]` to `[N * windows, tokens, C]`, for the block of that number.
    pub(in crate::families) fn cut(
        &self,
        graph: &mut Graph<'_>,
        path: &str,
        x: &Value,
        block: usize,
    ) -> Value {
        let sizes = [&self.size, &self.padded];
        let mut x = graph.padded(path, x, Layout::ChannelsLast, sizes);
        if self.mask(block).is_some() {
            x = rolled(graph, path, &x, signed(self.cut.shift));
        }
        let [rows, columns] = self.counts.clone();
        let side = Size::Fixed(self.cut.side);
        let channels = Size::Fixed(self.channels);
        let split = [rows, side.clone(), columns, side, channels.clone()];
        let x = graph.reshape(path, &x, &split);
        let x = graph.transpose(path, &x, &[0, 1, 3, 2, 4, 5]);
        graph.reshape(path, &x, &[self.tokens().into(), channels])
    }

    /// `[N * windows, tokens, C]` to `[N, H, W, C]`; undoes [`cut`](Self::cut).
    pub(in crate::families) fn joined(
        &self,
        graph: &mut Graph<'_>,
        path: &str,
        x: &Value,
        block: usize,
    ) -> Value {
        let [rows, columns] = self.counts.clone();
        let side = Size::Fixed(self.cut.side);
        let channels = Size::Fixed(self.channels);
        let split = [rows, columns, side.clone(), side, channels.clone()];
        let x = graph.reshape(path, x, &split);
        let x = graph.transpose(path, &x, &[0, 1, 3, 2, 4, 5]);
        let [height, width] = self.padded.clone();
        let mut x = graph.reshape(path, &x, &[height, width, channels]);
        if self.mask(block).is_some() {
            x = rolled(graph, path, &x, -signed(self.cut.shift));
        }
        cropped(graph, path, &x, [&self.padded, &self.size])
    }

    /// Adds the mask of each window, whatever image of the batch it is from, to logits
    /// `[N * windows, heads, tokens, tokens]`, if the windows of that block are shifted.
    pub(in crate::families) fn masked(
        &self,
        graph: &mut Graph<'_>,
        scope: &str,
        (logits, heads): (Value, usize),
        block: usize,
    ) -> Value {
        let Some(mask) = self.mask(block) else {
            return logits;
        };
        let [rows, columns] = &self.counts;
        let count = graph.times(rows, columns);
        let square = [heads, self.tokens(), self.tokens()].map(Size::Fixed);
        let by_image = [&[count], square.as_slice()].concat();
        let logits = graph.reshape(scope, &logits, &by_image);
        let logits = graph.node(scope, "Add", &[&logits, mask], Vec::new());
        graph.reshape(scope, &logits, &square)
    }

    /// Tokens of a window.
    pub(in crate::families) fn tokens(&self) -> usize {
        self.cut.side * self.cut.side
    }

    fn mask(&self, block: usize) -> Option<&Value> {
        self.mask.as_ref().filter(|_| block % 2 == 1)
    }

    /// The mask of shifted windows: pairs whose tokens come from different regions of the map.
    ///
    /// Along an axis, cells from `size - window` on belong to a second region, and from
    /// `size - shift` on to a third.
    fn lower_mask(&self, graph: &mut Graph<'_>, scope: &str) -> Value {
        let [rows, columns] = self.padded.clone();
        let rows = self.regions(graph, scope, &rows, 3);
        let columns = self.regions(graph, scope, &columns, 1);
        let column_of_rows = graph.list(&[-1, 1]);
        let rows = graph.node(scope, "Reshape", &[&rows, &column_of_rows], Vec::new()); // [H, 1]
        let regions = graph.node(scope, "Add", &[&rows, &columns], Vec::new()); // [H, W]
        let side = Size::Fixed(self.cut.side);
        let [down, across] = self.counts.clone();
        let split = graph.sizes(&[down, side.clone(), across, side]);
        let regions = graph.node(scope, "Reshape", &[&regions, &split], Vec::new());
        let regions = graph.transpose(scope, &regions, &[0, 2, 1, 3]);
        let tokens = Size::Fixed(self.tokens());
        let one = || Size::Fixed(1);
        let queries = graph.reshape(scope, &regions, &[one(), tokens.clone(), one()]);
        let keys = graph.reshape(scope, &regions, &[one(), one(), tokens]);
        let same = graph.node(scope, "Equal", &[&queries, &keys], Vec::new());
        let [kept, masked] = [0.0, self.cut.masked].map(|number| graph.floats(&[], &[number]));
        graph.node(scope, "Where", &[&same, &kept, &masked], Vec::new())
    }

    /// The region of each cell of an axis, times `factor`.
    fn regions(&self, graph: &mut Graph<'_>, scope: &str, size: &Size, factor: i64) -> Value {
        let starts = [self.cut.side, self.cut.shift];
        if let Some(size) = size.fixed() {
            let region = |cell| {
                let beyond = starts.iter().filter(|&&start| cell >= size - start);
                factor * beyond.map(|_| 1).sum::<i64>()
            };
            let regions: Vec<i64> = (0..size).map(region).collect();
            return graph.list(&regions);
        }
        let cells = graph.range(size);
        let [second, third] = starts.map(|start| {
            let start = graph.minus(size, &start.into());
            let start = graph.size_value(&start);
            let beyond = graph.node(scope, "GreaterOrEqual", &[&cells, &start], Vec::new());
            let to = Attribute::Int(Element::I64 as i64);
            graph.node(scope, "Cast", &[&beyond], vec![("to", to)])
        });
        let regions = graph.node(scope, "Add", &[&second, &third], Vec::new());
        let factor = graph.list(&[factor]);
        graph.node(scope, "Mul", &[&regions, &factor], Vec::new())
    }
}

/// Cuts a map with channels last back to its first rows and columns.
fn cropped(graph: &mut Graph<'_>, scope: &str, x: &Value, [from, to]: [&[Size; 2]; 2]) -> Value {
    let fixed = from.iter().all(|size| size.fixed().is_some());
    if fixed && from == to {
        return x.clone();
    }
    let starts = graph.list(&[0, 0]);
    let ends = graph.sizes(to);
    let axes = graph.list(&[1, 2]);
    graph.node(scope, "Slice", &[x, &starts, &ends, &axes], Vec::new())
}

/// Moves a map with channels last by so many cells towards its start, along both axes; what leaves
/// comes in on the other side.
fn rolled(graph: &mut Graph<'_>, scope: &str, x: &Value, cells: i64) -> Value {
    [1, 2].into_iter().fold(x.clone(), |x, axis| {
        let front = graph.slice(scope, &x, axis, [cells, i64::MAX]);
        let back = graph.slice(scope, &x, axis, [0, cells]);
        let axis = vec![("axis", Attribute::Int(axis))];
        graph.node(scope, "Concat", &[&front, &back], axis)
    })
}
