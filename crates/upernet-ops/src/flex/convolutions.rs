//! The convolutions that networks are trained with, as operations of burn's CPU backend.
//!
//! Unlike the prepared layers these take their weights as tensors, laid out anew with each call, and
//! have gradients: kernels too, registered with burn's autodiff by hand.

use burn::{
    backend::{
        Autodiff, Backend, Dispatch, Flex,
        autodiff::{
            NodeId,
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        backend_extension,
        tensor::FloatTensor,
    },
    tensor::Tensor,
};
use burn_flex::FlexTensor;

use super::Map;
use crate::kernels::{
    conv3x3::{self, Conv3x3Weights},
    gemm::Epilogue,
    upsample_taps::{self, TapWeights},
    upsample_taps_backward::{self, UpsampleGradient, Wanted},
    winograd_backward,
};

/// The convolutions as burn routes them.
#[backend_extension(Flex: cfg(feature = "flex"), Autodiff)]
pub(crate) trait ConvolutionOps: Backend {
    /// See [`conv3x3`](crate::conv3x3).
    fn conv3x3(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self>;

    /// See [`upsample_conv3x3`](crate::upsample_conv3x3).
    fn upsample_conv3x3(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        size: [usize; 2],
    ) -> FloatTensor<Self>;
}

/// What their backward passes compute. Each result is there if it is `wanted`: that of the input
/// first, that of the weights second.
pub(crate) trait ConvolutionGradients: Backend {
    fn conv3x3_gradients(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        wanted: [bool; 2],
    ) -> [Option<FloatTensor<Self>>; 2];

    fn upsample_conv3x3_gradients(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        wanted: [bool; 2],
    ) -> [Option<FloatTensor<Self>>; 2];
}

/// [`ConvolutionOps::conv3x3`] on tensors.
pub(crate) fn conv3x3(x: Tensor<4>, weight: Tensor<4>) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::conv3x3(x.into_dispatch(), weight.into_dispatch()))
}

/// [`ConvolutionOps::upsample_conv3x3`] on tensors.
pub(crate) fn upsample_conv3x3(x: Tensor<4>, weight: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(Dispatch::upsample_conv3x3(x, weight, size))
}

impl ConvolutionOps for Flex {
    fn conv3x3(x: FlexTensor, weight: FlexTensor) -> FlexTensor {
        let (x, weight) = (Map::from_primitive(x), Weight::new(weight));
        let weights = Conv3x3Weights::new(weight.values(), weight.channels);
        let y = fill(x.dims(), weight.outputs(), |y| {
            conv3x3::conv3x3(x.values(), x.size(), &weights, Epilogue::default(), y);
        });
        y.into_primitive()
    }

    fn upsample_conv3x3(x: FlexTensor, weight: FlexTensor, size: [usize; 2]) -> FlexTensor {
        let (x, weight) = (Map::from_primitive(x), Weight::new(weight));
        let weights = TapWeights::new(weight.values(), weight.channels);
        let [batch, ..] = x.dims();
        let y = fill([batch, size[0], size[1], 0], weight.outputs(), |y| {
            let epilogue = Epilogue::default();
            upsample_taps::upsample_conv3x3(x.values(), x.size(), &weights, size, epilogue, y);
        });
        y.into_primitive()
    }
}

impl ConvolutionGradients for Flex {
    fn conv3x3_gradients(
        x: FlexTensor,
        weight: FlexTensor,
        gradient: FlexTensor,
        [input_wanted, weight_wanted]: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let weight = Weight::new(weight);
        let (x, gradient) = (Map::from_primitive(x), Map::from_primitive(gradient));
        let input = input_wanted.then(|| {
            let weights = Conv3x3Weights::backward(weight.values(), weight.channels);
            let (values, size) = (gradient.values(), gradient.size());
            let input = fill(x.dims(), x.channels(), |input| {
                conv3x3::conv3x3(values, size, &weights, Epilogue::default(), input);
            });
            input.into_primitive()
        });
        let weights = weight_wanted.then(|| {
            weight.gradient(|weights| {
                let (values, size) = (gradient.values(), x.size());
                let channels = weight.channels;
                winograd_backward::weight_gradient(x.values(), size, values, channels, weights);
            })
        });
        [input, weights]
    }

    fn upsample_conv3x3_gradients(
        x: FlexTensor,
        weight: FlexTensor,
        gradient: FlexTensor,
        [input_wanted, weight_wanted]: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let weight = Weight::new(weight);
        let (x, gradient) = (Map::from_primitive(x), Map::from_primitive(gradient));
        let [_, height, width, _] = gradient.dims();
        let given = UpsampleGradient {
            x: x.values(),
            from: x.size(),
            gradient: gradient.values(),
            to: [height, width],
            channels: weight.channels,
        };
        let mut input = input_wanted.then(|| Map::to_fill(x.dims()));
        let mut weights = weight_wanted.then(|| vec![0.0; weight.values().len()]);
        let wanted = Wanted {
            input: input
                .as_mut()
                .map(|input| (weight.values(), input.values_mut())),
            weights: weights.as_deref_mut(),
        };
        upsample_taps_backward::gradients(given, wanted);
        [
            input.map(Map::into_primitive),
            weights.map(|weights| weight.wrap(weights)),
        ]
    }
}

impl<B: ConvolutionOps + ConvolutionGradients, C: CheckpointStrategy> ConvolutionOps
    for Autodiff<B, C>
{
    fn conv3x3(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Conv3x3;

        impl<B: ConvolutionGradients> Backward<B, 2> for Conv3x3 {
            type State = [NodeId; 2];

            fn backward(
                self,
                ops: Ops<Self::State, 2>,
                gradients: &mut Gradients,
                checkpointer: &mut Checkpointer,
            ) {
                backward::<B>(ops, gradients, checkpointer, B::conv3x3_gradients);
            }
        }

        let prepared = Conv3x3.prepare::<C>([x.node(), weight.node()]);
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let state = [prepared.checkpoint(&x), prepared.checkpoint(&weight)];
                prepared.finish(
                    state,
                    B::conv3x3(x.into_primitive(), weight.into_primitive()),
                )
            }
            OpsKind::UnTracked(prepared) => {
                prepared.finish(B::conv3x3(x.into_primitive(), weight.into_primitive()))
            }
        }
    }

    fn upsample_conv3x3(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        size: [usize; 2],
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct UpsampleConv3x3;

        impl<B: ConvolutionGradients> Backward<B, 2> for UpsampleConv3x3 {
            type State = [NodeId; 2];

            fn backward(
                self,
                ops: Ops<Self::State, 2>,
                gradients: &mut Gradients,
                checkpointer: &mut Checkpointer,
            ) {
                backward::<B>(ops, gradients, checkpointer, B::upsample_conv3x3_gradients);
            }
        }

        let prepared = UpsampleConv3x3.prepare::<C>([x.node(), weight.node()]);
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let state = [prepared.checkpoint(&x), prepared.checkpoint(&weight)];
                let y = B::upsample_conv3x3(x.into_primitive(), weight.into_primitive(), size);
                prepared.finish(state, y)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::upsample_conv3x3(
                x.into_primitive(),
                weight.into_primitive(),
                size,
            )),
        }
    }
}

/// The backward pass of an operation on an input and weights: `compute` gives their gradients.
fn backward<B: Backend>(
    ops: Ops<[NodeId; 2], 2>,
    gradients: &mut Gradients,
    checkpointer: &mut Checkpointer,
    compute: impl FnOnce(
        FloatTensor<B>,
        FloatTensor<B>,
        FloatTensor<B>,
        [bool; 2],
    ) -> [Option<FloatTensor<B>>; 2],
) {
    let gradient = gradients.consume::<B>(&ops.node);
    let [x, weight] = ops
        .state
        .map(|node| checkpointer.retrieve_node_output::<FloatTensor<B>>(node));
    let wanted = [0, 1].map(|parent| ops.parents[parent].is_some());
    let computed = compute(x, weight, gradient, wanted);
    for (parent, gradient) in ops.parents.into_iter().zip(computed) {
        if let (Some(parent), Some(gradient)) = (parent, gradient) {
            gradients.register::<B>(parent.id, gradient);
        }
    }
}

/// Weights `[out, in, 3, 3]`, contiguous.
struct Weight {
    tensor: FlexTensor,
    /// Outputs and inputs.
    channels: [usize; 2],
}

impl Weight {
    fn new(tensor: FlexTensor) -> Self {
        let [outputs, inputs, height, width] = tensor.layout().shape().dims();
        assert_eq!(
            [height, width],
            [3, 3],
            "not the weights of a 3 x 3 convolution"
        );
        let tensor = if tensor.is_contiguous() {
            tensor
        } else {
            tensor.to_contiguous()
        };
        Self {
            tensor,
            channels: [outputs, inputs],
        }
    }

    fn outputs(&self) -> usize {
        self.channels[0]
    }

    fn values(&self) -> &[f32] {
        self.tensor.as_slice().expect("weights are contiguous f32")
    }

    /// A tensor of the weights' shape that `compute` fills.
    fn gradient(&self, compute: impl FnOnce(&mut [f32])) -> FlexTensor {
        let mut weights = vec![0.0; self.values().len()];
        compute(&mut weights);
        self.wrap(weights)
    }

    fn wrap(&self, weights: Vec<f32>) -> FlexTensor {
        let [outputs, inputs] = self.channels;
        super::contiguous(weights, [outputs, inputs, 3, 3])
    }
}

/// A map of the batch and size of `dims`, `[N, H, W, _]`, that `compute` fills.
fn fill(dims: [usize; 4], channels: usize, compute: impl FnOnce(&mut [f32])) -> Map {
    let [batch, height, width, _] = dims;
    let mut map = Map::to_fill([batch, height, width, channels]);
    compute(map.values_mut());
    map
}
