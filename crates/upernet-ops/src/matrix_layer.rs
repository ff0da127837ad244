//! What the prepared linear layer and the prepared convolutions share: products of a map's cells with a
//! matrix, and what is done to them on the way out.

use burn::tensor::Tensor;

use crate::{
    Activation,
    bytes::Bytes,
    flex::{self, Map},
    form::Form,
    kernels::gemm::{Epilogue, Residual},
};

/// A layer in the form that its device computes with.
pub(crate) type MatrixLayer<W, const D: usize> =
    Form<(W, Option<Vec<f32>>), (Tensor<D>, Option<Tensor<1>>)>;

/// Weights of a layer as its kernel reads them.
pub(crate) trait MatrixWeights: Bytes {
    /// Channels of the map that goes in.
    fn inputs(&self) -> usize;

    /// Channels of the map that comes out.
    fn outputs(&self) -> usize;

    /// Height and width of the map that comes out.
    fn size(&self, [height, width]: [usize; 2]) -> [usize; 2] {
        [height, width]
    }

    /// The memory of a map that goes in.
    fn map(x: Tensor<4>) -> Map {
        Map::from_tensor(x)
    }

    /// Writes the products to `y`.
    fn compute(&self, x: &Map, epilogue: Epilogue<'_>, y: &mut Map);
}

impl<W: MatrixWeights, const D: usize> MatrixLayer<W, D> {
    /// Lays out weights and bias.
    pub(crate) fn of(
        weight: Tensor<D>,
        bias: Option<Tensor<1>>,
        pack: impl FnOnce(Tensor<D>) -> W,
    ) -> Self {
        let device = weight.device();
        Self::new((weight, bias), &device, |(weight, bias)| {
            (pack(weight), bias.map(flex::values))
        })
    }

    /// `activation(products + bias)`; `plain` computes both where there is no kernel.
    pub(crate) fn forward(
        &self,
        x: Tensor<4>,
        activation: Activation,
        plain: impl FnOnce(Tensor<4>, Tensor<D>, Option<Tensor<1>>) -> Tensor<4>,
    ) -> Tensor<4> {
        match self {
            Self::Kernel(weights) => {
                let x = W::map(x);
                let [batch, height, width, _] = x.dims();
                let [height, width] = weights.0.size([height, width]);
                let y = Map::to_fill([batch, height, width, weights.0.outputs()]);
                compute(weights, &x, y, Residual::None, activation)
            }
            Self::Plain((weight, bias)) => activation.apply(plain(x, weight.clone(), bias.clone())),
        }
    }

    /// `activation(products + bias + residual)`, likewise.
    pub(crate) fn forward_onto(
        &self,
        x: Tensor<4>,
        residual: Tensor<4>,
        activation: Activation,
        plain: impl FnOnce(Tensor<4>, Tensor<D>, Option<Tensor<1>>) -> Tensor<4>,
    ) -> Tensor<4> {
        match self {
            Self::Kernel(weights) => {
                let (x, y) = (W::map(x), Map::from_tensor(residual));
                compute(weights, &x, y, Residual::Output, activation)
            }
            Self::Plain((weight, bias)) => {
                let y = plain(x, weight.clone(), bias.clone());
                activation.apply(y + residual)
            }
        }
    }
}

fn compute<W: MatrixWeights>(
    (weight, bias): &(W, Option<Vec<f32>>),
    x: &Map,
    mut y: Map,
    residual: Residual<'_>,
    activation: Activation,
) -> Tensor<4> {
    assert_channels(x, weight.inputs());
    let epilogue = Epilogue {
        bias: bias.as_deref(),
        residual,
        activation: activation.into(),
    };
    weight.compute(x, epilogue, &mut y);
    y.into_tensor()
}

/// Panics if a map has other channels than a layer takes.
pub(crate) fn assert_channels(x: &Map, expected: usize) {
    let channels = x.channels();
    assert_eq!(
        channels, expected,
        "the layer takes {expected} channels, the map has {channels}"
    );
}
