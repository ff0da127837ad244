//! Gradients of all parameters together: their norm, their sum.

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{ElementConversion, Tensor},
};
use burn_optim::GradientsParams;

/// The Euclidean norm of all gradients of `module` as one vector.
///
/// Upstream: what `torch.nn.utils.clip_grad_norm_` returns. Summed in single precision on the device,
/// tensor by tensor, and over the tensors in double precision.
#[must_use]
pub fn norm<M: Module>(module: &M, gradients: &GradientsParams) -> f64 {
    struct Norm<'a> {
        gradients: &'a GradientsParams,
        squares: Vec<Tensor<1>>,
    }
    impl ModuleVisitor for Norm<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.get::<D>(param.id) {
                self.squares.push(gradient.square().sum());
            }
        }
    }
    let mut norm = Norm {
        gradients,
        squares: Vec::new(),
    };
    module.visit(&mut norm);
    if norm.squares.is_empty() {
        return 0.0;
    }
    // One transfer for all of them.
    let squares = Tensor::cat(norm.squares, 0).into_data();
    let sum: f64 = squares.iter::<f32>().map(f64::from).sum();
    sum.sqrt()
}

/// Multiplies every gradient by `factor`.
#[must_use]
pub fn scaled<M: Module>(module: &M, gradients: GradientsParams, factor: f64) -> GradientsParams {
    struct Scale {
        gradients: GradientsParams,
        scaled: GradientsParams,
        factor: f32,
    }
    impl ModuleVisitor for Scale {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.remove::<D>(param.id) {
                self.scaled.register(param.id, gradient * self.factor);
            }
        }
    }
    let mut scale = Scale {
        gradients,
        scaled: GradientsParams::new(),
        factor: factor.elem(),
    };
    module.visit(&mut scale);
    scale.scaled
}
