//! Attention in windows. Upstream: `SwinAttention` and the half of `SwinLayer` around it.

use upernet_hf::config::HfSwinConfig;

use super::{Layout, Tokens, cropped, padded, rolled, shift};
use crate::{
    Error,
    graph::{Attribute, Element, Graph, Size, Value},
    weights::Recipe,
};

/// What is added to the logit of a pair of tokens that were no neighbours before the shift.
const MASKED: f32 = -100.0;

/// What the blocks of a stage share.
#[derive(Debug)]
pub(super) struct Attention {
    channels: usize,
    heads: usize,
    window: usize,
    bias: bool,
    size: [Size; 2],
    /// Size with whole windows.
    padded: [Size; 2],
    /// Windows along each axis.
    windows: [Size; 2],
    /// `[windows, 1, tokens, tokens]` for the blocks whose windows are shifted.
    mask: Option<Value>,
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
        let windows = x.size.clone().map(|size| graph.divided_up(&size, window));
        let padded = windows
            .clone()
            .map(|count| graph.times(&count, &window.into()));
        let mut attention = Self {
            channels: x.channels,
            heads: config.num_heads[stage],
            window,
            bias: config.qkv_bias,
            size: x.size.clone(),
            padded,
            windows,
            mask: None,
        };
        if config.depths[stage] > 1 && shift(window) > 0 {
            let scope = format!("backbone.encoder.layers.{stage}");
            attention.mask = Some(attention.lower_mask(graph, &scope));
        }
        attention
    }

    /// `[N, H, W, C]` to the same, for the block of that number.
    pub(super) fn lower(
        &self,
        graph: &mut Graph<'_>,
        path: &str,
        x: &Value,
        block: usize,
    ) -> Result<Value, Error> {
        let mask = self.mask.as_ref().filter(|_| block % 2 == 1);
        let shift = shift(self.window);
        let sizes = [&self.size, &self.padded];
        let mut x = padded(graph, path, x, Layout::ChannelsLast, sizes);
        if mask.is_some() {
            x = rolled(graph, path, &x, shift);
        }
        let x = self.partitioned(graph, path, &x); // [N * windows, tokens, C]
        let x = self.attended(graph, path, &x, mask)?;
        let mut x = self.joined(graph, path, &x);
        if mask.is_some() {
            x = rolled(graph, path, &x, -shift);
        }
        Ok(cropped(graph, path, &x, [&self.padded, &self.size]))
    }

    fn attended(
        &self,
        graph: &mut Graph<'_>,
        path: &str,
        x: &Value,
        mask: Option<&Value>,
    ) -> Result<Value, Error> {
        let (channels, heads, tokens) = (self.channels, self.heads, self.window * self.window);
        let each = channels / heads;
        let split = [tokens, heads, each].map(Size::Fixed);
        let project = |graph: &mut Graph<'_>, name: &str, order: [i64; 4]| {
            let layer = format!("{path}.self.{name}");
            let y = if self.bias {
                graph.linear(&layer, x, [channels, channels])?
            } else {
                graph.product(&layer, x, [channels, channels])?
            };
            let y = graph.reshape(&layer, &y, &split);
            Ok::<_, Error>(graph.transpose(&layer, &y, &order))
        };
        let query = project(graph, "query", [0, 2, 1, 3])?; // [N * windows, heads, tokens, each]
        let key = project(graph, "key", [0, 2, 3, 1])?; // [N * windows, heads, each, tokens]
        let value = project(graph, "value", [0, 2, 1, 3])?;

        let path_of_self = format!("{path}.self");
        let scope = path_of_self.as_str();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the file holds f32: rounding to it is what is asked for"
        )]
        let scale = graph.floats(&[], &[(each as f64).sqrt().recip() as f32]);
        let query = graph.node(scope, "Mul", &[&query, &scale], Vec::new());
        let logits = graph.node(scope, "MatMul", &[&query, &key], Vec::new());
        let bias = self.position_bias(graph, scope)?;
        let mut logits = graph.node(scope, "Add", &[&logits, &bias], Vec::new());
        if let Some(mask) = mask {
            logits = self.masked(graph, scope, &logits, mask);
        }
        let axis = vec![("axis", Attribute::Int(-1))];
        let weights = graph.node(scope, "Softmax", &[&logits], axis);
        let y = graph.node(scope, "MatMul", &[&weights, &value], Vec::new());
        let y = graph.transpose(scope, &y, &[0, 2, 1, 3]);
        let y = graph.reshape(scope, &y, &[tokens.into(), channels.into()]);
        graph.linear(&format!("{path}.output.dense"), &y, [channels, channels])
    }

    /// The learned bias of each pair of tokens, `[heads, tokens, tokens]`.
    fn position_bias(&self, graph: &mut Graph<'_>, path: &str) -> Result<Value, Error> {
        let (heads, window) = (self.heads, self.window);
        let tokens = window * window;
        let differences = (2 * window - 1) * (2 * window - 1);
        let key = format!("{path}.relative_position_bias_table");
        graph.derived(
            &format!("{path}.relative_position_bias"),
            &[heads, tokens, tokens],
            Recipe::RelativePositions { window },
            &[(&key, &[differences, heads])],
        )
    }

    /// Adds the mask of each window, whatever image of the batch it is from.
    fn masked(&self, graph: &mut Graph<'_>, scope: &str, logits: &Value, mask: &Value) -> Value {
        let [rows, columns] = &self.windows;
        let count = graph.times(rows, columns);
        let square = [self.heads, self.window.pow(2), self.window.pow(2)].map(Size::Fixed);
        let by_image = [&[count], square.as_slice()].concat();
        let logits = graph.reshape(scope, logits, &by_image);
        let logits = graph.node(scope, "Add", &[&logits, mask], Vec::new());
        graph.reshape(scope, &logits, &square)
    }

    /// `[N, H, W, C]` to `[N * windows, tokens, C]`.
    fn partitioned(&self, graph: &mut Graph<'_>, scope: &str, x: &Value) -> Value {
        let [rows, columns] = self.windows.clone();
        let side = Size::Fixed(self.window);
        let channels = Size::Fixed(self.channels);
        let split = [rows, side.clone(), columns, side, channels.clone()];
        let x = graph.reshape(scope, x, &split);
        let x = graph.transpose(scope, &x, &[0, 1, 3, 2, 4, 5]);
        let tokens = Size::Fixed(self.window * self.window);
        graph.reshape(scope, &x, &[tokens, channels])
    }

    /// `[N * windows, tokens, C]` to `[N, H, W, C]`.
    fn joined(&self, graph: &mut Graph<'_>, scope: &str, x: &Value) -> Value {
        let [rows, columns] = self.windows.clone();
        let side = Size::Fixed(self.window);
        let channels = Size::Fixed(self.channels);
        let split = [rows, columns, side.clone(), side, channels.clone()];
        let x = graph.reshape(scope, x, &split);
        let x = graph.transpose(scope, &x, &[0, 1, 3, 2, 4, 5]);
        let [height, width] = self.padded.clone();
        graph.reshape(scope, &x, &[height, width, channels])
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
        let side = Size::Fixed(self.window);
        let [down, across] = self.windows.clone();
        let split = graph.sizes(&[down, side.clone(), across, side]);
        let regions = graph.node(scope, "Reshape", &[&regions, &split], Vec::new());
        let regions = graph.transpose(scope, &regions, &[0, 2, 1, 3]);
        let tokens = Size::Fixed(self.window * self.window);
        let one = || Size::Fixed(1);
        let queries = graph.reshape(scope, &regions, &[one(), tokens.clone(), one()]);
        let keys = graph.reshape(scope, &regions, &[one(), one(), tokens]);
        let same = graph.node(scope, "Equal", &[&queries, &keys], Vec::new());
        let [kept, masked] = [0.0, MASKED].map(|number| graph.floats(&[], &[number]));
        graph.node(scope, "Where", &[&same, &kept, &masked], Vec::new())
    }

    /// The region of each cell of an axis, times `factor`.
    fn regions(&self, graph: &mut Graph<'_>, scope: &str, size: &Size, factor: i64) -> Value {
        let starts = [self.window, self.window / 2];
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
