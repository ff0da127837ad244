//! Operations with a backward pass of their own on burn's CPU backend.
//!
//! Training runs on plain tensor operations wherever it can. On the CPU the costly ones are recorded
//! as one step each instead: a kernel forward, and kernels backward. An [`Operation`] is both; burn
//! hands it the tensors' memory and keeps it in its graph until the gradients are asked for.

mod attention;
mod batch_norm;
mod conv3x3;
mod cross_entropy;
mod depthwise;
mod gelu;
mod layer_norm;
mod linear;
mod resize;
mod response_norm;
mod upsample_conv3x3;

pub(crate) use attention::attention;
pub(crate) use batch_norm::batch_norm;
pub(crate) use conv3x3::conv3x3;
pub(crate) use cross_entropy::resized_cross_entropy;
pub(crate) use depthwise::depthwise;
pub(crate) use gelu::gelu;
pub(crate) use layer_norm::layer_norm;
pub(crate) use linear::linear;
pub(crate) use resize::resize_bilinear;
pub(crate) use response_norm::response_norm;
pub(crate) use upsample_conv3x3::upsample_conv3x3;

use std::{array, fmt::Debug, sync::Arc};

use burn::{
    backend::{
        Autodiff, Backend, Dispatch, DispatchTensor, Flex,
        autodiff::{
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

use crate::flex;

/// One step of a network, forward and backward, on the memory of burn's CPU backend.
trait Operation: Debug + Send + Sync {
    /// Computes the output.
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor;

    /// Computes the gradient of each input that is wanted, given that of the output; one entry for
    /// each input, empty where none is wanted.
    fn backward(
        &self,
        inputs: &[FlexTensor],
        gradient: FlexTensor,
        wanted: &[bool],
    ) -> Vec<Option<FlexTensor>>;
}

/// Whether an operation on a tensor is recorded as one step: on burn's CPU backend, gradients wanted,
/// kernels not switched off.
fn is_recorded<const D: usize>(x: &Tensor<D>) -> bool {
    x.is_autodiff() && flex::has_gradient_kernels(x)
}

/// Runs an operation and records it.
fn record<const D: usize, const N: usize>(
    operation: impl Operation + 'static,
    inputs: [DispatchTensor; N],
) -> Tensor<D> {
    let operation: Arc<dyn Operation> = Arc::new(operation);
    let mut inputs = inputs.into_iter();
    let mut next = || inputs.next().expect("there are as many inputs as N says");
    let output = match N {
        1 => Dispatch::unary(operation, next()),
        2 => Dispatch::binary(operation, next(), next()),
        3 => Dispatch::ternary(operation, next(), next(), next()),
        4 => Dispatch::quaternary(operation, next(), next(), next(), next()),
        _ => unreachable!("no operation has {N} inputs"),
    };
    Tensor::from_dispatch(output)
}

/// How an operation comes through burn's choice of a backend: one function for each number of inputs.
#[backend_extension(Flex: cfg(feature = "flex"), Autodiff)]
trait RecordedOps: Backend {
    fn unary(operation: Arc<dyn Operation>, x: FloatTensor<Self>) -> FloatTensor<Self>;

    fn binary(
        operation: Arc<dyn Operation>,
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    fn ternary(
        operation: Arc<dyn Operation>,
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        z: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    fn quaternary(
        operation: Arc<dyn Operation>,
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        z: FloatTensor<Self>,
        w: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

impl RecordedOps for Flex {
    fn unary(operation: Arc<dyn Operation>, x: FlexTensor) -> FlexTensor {
        operation.forward(&[x])
    }

    fn binary(operation: Arc<dyn Operation>, x: FlexTensor, y: FlexTensor) -> FlexTensor {
        operation.forward(&[x, y])
    }

    fn ternary(
        operation: Arc<dyn Operation>,
        x: FlexTensor,
        y: FlexTensor,
        z: FlexTensor,
    ) -> FlexTensor {
        operation.forward(&[x, y, z])
    }

    fn quaternary(
        operation: Arc<dyn Operation>,
        x: FlexTensor,
        y: FlexTensor,
        z: FlexTensor,
        w: FlexTensor,
    ) -> FlexTensor {
        operation.forward(&[x, y, z, w])
    }
}

impl<B: Kernels, C: CheckpointStrategy> RecordedOps for Autodiff<B, C> {
    fn unary(operation: Arc<dyn Operation>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        record_step::<B, C, 1>(operation, [x])
    }

    fn binary(
        operation: Arc<dyn Operation>,
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        record_step::<B, C, 2>(operation, [x, y])
    }

    fn ternary(
        operation: Arc<dyn Operation>,
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        z: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        record_step::<B, C, 3>(operation, [x, y, z])
    }

    fn quaternary(
        operation: Arc<dyn Operation>,
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        z: FloatTensor<Self>,
        w: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        record_step::<B, C, 4>(operation, [x, y, z, w])
    }
}

/// A backend whose memory an [`Operation`] works on.
trait Kernels: Backend {
    fn forward(operation: &dyn Operation, inputs: &[FloatTensor<Self>]) -> FloatTensor<Self>;

    fn backward(
        operation: &dyn Operation,
        inputs: &[FloatTensor<Self>],
        gradient: FloatTensor<Self>,
        wanted: &[bool],
    ) -> Vec<Option<FloatTensor<Self>>>;
}

impl Kernels for Flex {
    fn forward(operation: &dyn Operation, inputs: &[FlexTensor]) -> FlexTensor {
        operation.forward(inputs)
    }

    fn backward(
        operation: &dyn Operation,
        inputs: &[FlexTensor],
        gradient: FlexTensor,
        wanted: &[bool],
    ) -> Vec<Option<FlexTensor>> {
        operation.backward(inputs, gradient, wanted)
    }
}

#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "burn does not export the type whose method it is"
)]
fn record_step<B: Kernels, C: CheckpointStrategy, const N: usize>(
    operation: Arc<dyn Operation>,
    inputs: [FloatTensor<Autodiff<B, C>>; N],
) -> FloatTensor<Autodiff<B, C>> {
    let guards = array::from_fn(|index| inputs[index].node());
    let inputs = inputs.map(|input| input.into_primitive());
    let output = B::forward(&*operation, &inputs);
    match RecordedStep.prepare::<C>(guards).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish((operation, inputs), output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

/// A step of burn's graph that runs an operation backward.
#[derive(Debug)]
struct RecordedStep;

impl<B: Kernels, const N: usize> Backward<B, N> for RecordedStep {
    type State = (Arc<dyn Operation>, [FloatTensor<B>; N]);

    fn backward(self, step: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (operation, inputs) = step.state;
        let gradient = gradients.consume::<B>(&step.node);
        let wanted = step.parents.each_ref().map(Option::is_some);
        let computed = B::backward(&*operation, &inputs, gradient, &wanted);
        for (parent, gradient) in step.parents.into_iter().zip(computed) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<B>(parent.id, gradient);
            }
        }
    }
}
