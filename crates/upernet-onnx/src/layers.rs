//! Layers that backbones and heads share.

use crate::{
    Error,
    graph::{Attribute, Graph, Size, Value, signed},
    weights::{BATCH_NORM, Recipe},
};

/// A map `[N, channels, height, width]`.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    pub(crate) value: Value,
    pub(crate) channels: usize,
    /// Height and width, in cells.
    pub(crate) size: [Size; 2],
}

/// A map with channels last, `[N, height, width, channels]`.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) value: Value,
    pub(crate) channels: usize,
    /// Height and width, in cells.
    pub(crate) size: [Size; 2],
}

impl Tokens {
    /// A map with its channels moved.
    pub(crate) fn from_map(graph: &mut Graph<'_>, scope: &str, x: &Map) -> Self {
        Self {
            value: graph.channels_last(scope, &x.value),
            channels: x.channels,
            size: x.size.clone(),
        }
    }

    /// The map with its channels moved back.
    pub(crate) fn channels_first(&self, graph: &mut Graph<'_>, scope: &str) -> Map {
        Map {
            value: graph.channels_first(scope, &self.value),
            channels: self.channels,
            size: self.size.clone(),
        }
    }
}

/// How a convolution goes over its map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Side of the kernel.
    pub(crate) kernel: usize,
    /// Cells from one position to the next.
    pub(crate) stride: usize,
    /// Zeros on each side.
    pub(crate) padding: usize,
    /// Parts that the channels are split into.
    pub(crate) groups: usize,
}

impl Window {
    /// Patches that do not overlap.
    pub(crate) fn patches(side: usize) -> Self {
        Self {
            kernel: side,
            stride: side,
            padding: 0,
            groups: 1,
        }
    }

    /// Keeps the size of the map; the kernel's side is odd.
    pub(crate) fn same(kernel: usize) -> Self {
        Self {
            kernel,
            stride: 1,
            padding: kernel / 2,
            groups: 1,
        }
    }
}

/// Which axes of a map are height and width.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Layout {
    ChannelsFirst,
    ChannelsLast,
}

/// Epsilon of every batch normalisation of the heads.
pub(crate) const BATCH_NORM_EPS: f64 = 1e-5;

impl Graph<'_> {
    /// A convolution with bias; the weights are `{path}.weight` and `{path}.bias`.
    pub(crate) fn conv(
        &mut self,
        path: &str,
        x: &Map,
        channels: usize,
        window: Window,
    ) -> Result<Map, Error> {
        let dims = filters(x, channels, window);
        let weight = self.weight(&format!("{path}.weight"), &dims)?;
        let bias = self.weight(&format!("{path}.bias"), &[channels])?;
        Ok(self.conv_node(path, x, &[&weight, &bias], channels, window))
    }

    /// A convolution without bias, the batch normalisation after it (folded in) and a ReLU.
    pub(crate) fn conv_module(
        &mut self,
        path: &str,
        x: &Map,
        channels: usize,
        window: Window,
    ) -> Result<Map, Error> {
        let (conv, norm) = (format!("{path}.conv"), format!("{path}.batch_norm"));
        let map = self.normed_conv([&conv, &norm], x, channels, window)?;
        let value = self.node(path, "Relu", &[&map.value], Vec::new());
        Ok(Map { value, ..map })
    }

    /// A convolution without bias and the batch normalisation after it, folded in.
    pub(crate) fn normed_conv(
        &mut self,
        [conv, norm]: [&str; 2],
        x: &Map,
        channels: usize,
        window: Window,
    ) -> Result<Map, Error> {
        let dims = filters(x, channels, window);
        let key = format!("{conv}.weight");
        let norms = BATCH_NORM.map(|name| format!("{norm}.{name}"));
        let of_norm: Vec<(&str, &[usize])> = norms
            .iter()
            .map(|key| (key.as_str(), std::slice::from_ref(&channels)))
            .collect();
        let mut all: Vec<(&str, &[usize])> = vec![(&key, &dims)];
        all.extend(&of_norm);
        let epsilon = BATCH_NORM_EPS;
        let weight = self.derived(&key, &dims, Recipe::NormedWeight { epsilon }, &all)?;
        let bias = format!("{conv}.bias");
        let recipe = Recipe::NormedBias { epsilon };
        let bias = self.derived(&bias, &[channels], recipe, &of_norm)?;
        Ok(self.conv_node(conv, x, &[&weight, &bias], channels, window))
    }

    /// A convolution; `weights` are the filters and, if there is one, the bias.
    pub(crate) fn conv_node(
        &mut self,
        scope: &str,
        x: &Map,
        weights: &[&Value],
        channels: usize,
        window: Window,
    ) -> Map {
        let mut attributes = vec![("group", Attribute::Int(signed(window.groups)))];
        attributes.extend(placed(window));
        let inputs = [&[&x.value], weights].concat();
        let value = self.node(scope, "Conv", &inputs, attributes);
        let size = x.size.each_ref().map(|size| self.convolved(size, window));
        Map {
            value,
            channels,
            size,
        }
    }

    /// The largest value of each window; beyond the map there is none.
    pub(crate) fn max_pool(&mut self, scope: &str, x: &Map, window: Window) -> Map {
        let attributes = placed(window);
        let value = self.node(scope, "MaxPool", &[&x.value], attributes);
        let size = x.size.each_ref().map(|size| self.convolved(size, window));
        Map {
            value,
            channels: x.channels,
            size,
        }
    }

    /// Positions of a window along an axis: `(size + 2 padding - kernel) / stride + 1`.
    fn convolved(&mut self, size: &Size, window: Window) -> Size {
        if window.stride == 1 && 2 * window.padding + 1 == window.kernel {
            return size.clone();
        }
        let (more, less) = (window.stride + 2 * window.padding, window.kernel);
        let size = if more >= less {
            self.plus(size, &(more - less).into())
        } else {
            self.minus(size, &(less - more).into())
        };
        self.divided(&size, window.stride)
    }

    /// A linear layer over the last axis, with a bias.
    pub(crate) fn linear(
        &mut self,
        path: &str,
        x: &Value,
        channels: [usize; 2],
    ) -> Result<Value, Error> {
        let product = self.product(path, x, channels)?;
        let bias = self.weight(&format!("{path}.bias"), &channels[1..])?;
        Ok(self.node(path, "Add", &[&product, &bias], Vec::new()))
    }

    /// A linear layer over the last axis, without a bias.
    pub(crate) fn product(
        &mut self,
        path: &str,
        x: &Value,
        [inputs, outputs]: [usize; 2],
    ) -> Result<Value, Error> {
        let key = format!("{path}.weight");
        let recipe = Recipe::Transposed { columns: inputs };
        let stored = [(key.as_str(), &[outputs, inputs][..])];
        let weight = self.derived(&key, &[inputs, outputs], recipe, &stored)?;
        Ok(self.node(path, "MatMul", &[x, &weight], Vec::new()))
    }

    /// A layer norm over the last axis.
    pub(crate) fn layer_norm(
        &mut self,
        path: &str,
        x: &Value,
        channels: usize,
        epsilon: f64,
    ) -> Result<Value, Error> {
        let weight = self.weight(&format!("{path}.weight"), &[channels])?;
        let bias = self.weight(&format!("{path}.bias"), &[channels])?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "ONNX has the epsilon in 32 bits"
        )]
        let epsilon = Attribute::Float(epsilon as f32);
        let attributes = vec![("axis", Attribute::Int(-1)), ("epsilon", epsilon)];
        let inputs = [x, &weight, &bias];
        Ok(self.node(path, "LayerNormalization", &inputs, attributes))
    }

    /// GELU by the error function, in the steps that runtimes know as one operation.
    pub(crate) fn gelu(&mut self, scope: &str, x: &Value) -> Value {
        let root = self.floats(&[], &[std::f32::consts::SQRT_2]);
        let [one, half] = [1.0, 0.5].map(|number| self.floats(&[], &[number]));
        let scaled = self.node(scope, "Div", &[x, &root], Vec::new());
        let erf = self.node(scope, "Erf", &[&scaled], Vec::new());
        let share = self.node(scope, "Add", &[&erf, &one], Vec::new());
        let product = self.node(scope, "Mul", &[x, &share], Vec::new());
        self.node(scope, "Mul", &[&product, &half], Vec::new())
    }

    pub(crate) fn transpose(&mut self, scope: &str, x: &Value, order: &[i64]) -> Value {
        let order = vec![("perm", Attribute::Ints(order.to_vec()))];
        self.node(scope, "Transpose", &[x], order)
    }

    /// `[N, C, H, W]` to `[N, H, W, C]`.
    pub(crate) fn channels_last(&mut self, scope: &str, x: &Value) -> Value {
        self.transpose(scope, x, &[0, 2, 3, 1])
    }

    /// `[N, H, W, C]` to `[N, C, H, W]`.
    pub(crate) fn channels_first(&mut self, scope: &str, x: &Value) -> Value {
        self.transpose(scope, x, &[0, 3, 1, 2])
    }

    /// Cuts `from..to` out of one axis; negative numbers count from its end.
    pub(crate) fn slice(
        &mut self,
        scope: &str,
        x: &Value,
        axis: i64,
        [from, to]: [i64; 2],
    ) -> Value {
        let [from, to, axis] = [from, to, axis].map(|number| self.list(&[number]));
        self.node(scope, "Slice", &[x, &from, &to, &axis], Vec::new())
    }

    /// Adds zeros at the bottom and at the right until both sides of a map are multiples of `of`.
    pub(crate) fn padded_to_multiple(&mut self, scope: &str, x: &Map, of: usize) -> Map {
        let size = x.size.each_ref().map(|size| self.next_multiple(size, of));
        let value = self.padded(scope, &x.value, Layout::ChannelsFirst, [&x.size, &size]);
        Map {
            value,
            channels: x.channels,
            size,
        }
    }

    /// Adds zeros at the bottom and at the right until a map has the second size.
    pub(crate) fn padded(
        &mut self,
        scope: &str,
        x: &Value,
        layout: Layout,
        [from, to]: [&[Size; 2]; 2],
    ) -> Value {
        let fixed = from.iter().all(|size| size.fixed().is_some());
        if fixed && from == to {
            return x.clone();
        }
        let [bottom, right] = [0, 1].map(|axis| self.minus(&to[axis], &from[axis]));
        let none = || Size::Fixed(0);
        let after = match layout {
            Layout::ChannelsFirst => [none(), none(), bottom, right],
            Layout::ChannelsLast => [none(), bottom, right, none()],
        };
        let mut amounts = vec![none(); 4];
        amounts.extend(after);
        let amounts = self.sizes(&amounts);
        let mode = vec![("mode", Attribute::Text("constant"))];
        self.node(scope, "Pad", &[x, &amounts], mode)
    }

    /// Brings a map to another size as Hugging Face does: bilinear, by the centres of cells, without
    /// antialiasing.
    pub(crate) fn resize(&mut self, scope: &str, x: &Map, size: &[Size; 2]) -> Map {
        let known = size.iter().all(|size| size.fixed().is_some());
        if known && x.size == *size {
            return x.clone();
        }
        let mode = ("mode", Attribute::Text("linear"));
        self.resize_node(scope, x, size, vec![mode])
    }

    /// A `Resize` by the centres of cells.
    pub(crate) fn resize_node(
        &mut self,
        scope: &str,
        x: &Map,
        size: &[Size; 2],
        mode: Vec<(&'static str, Attribute)>,
    ) -> Map {
        let batch = self.length(&x.value, 0);
        let [height, width] = size.clone();
        let sizes = self.sizes(&[batch, x.channels.into(), height, width]);
        let mut attributes = vec![(
            "coordinate_transformation_mode",
            Attribute::Text("half_pixel"),
        )];
        attributes.extend(mode);
        let absent = Value::absent();
        let inputs = [&x.value, &absent, &absent, &sizes];
        let value = self.node(scope, "Resize", &inputs, attributes);
        Map {
            value,
            channels: x.channels,
            size: size.clone(),
        }
    }
}

/// Where a window is put, as attributes of a node.
fn placed(window: Window) -> Vec<(&'static str, Attribute)> {
    let twice = |number: usize| Attribute::Ints(vec![signed(number); 2]);
    vec![
        ("kernel_shape", twice(window.kernel)),
        ("pads", Attribute::Ints(vec![signed(window.padding); 4])),
        ("strides", twice(window.stride)),
    ]
}

fn filters(x: &Map, channels: usize, window: Window) -> [usize; 4] {
    let side = window.kernel;
    [channels, x.channels / window.groups, side, side]
}
