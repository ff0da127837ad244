//! A model on one more device.

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Device, Tensor},
};
use upernet::zoo::Model;

/// Brings `plain`, a model off its autodiff device, to `device`, an autodiff one, to train there.
///
/// burn's `fork` of a model would share its running statistics and move them to the other device.
pub(super) fn replica(plain: Model, device: &Device) -> Model {
    struct Enter<'a> {
        device: &'a Device,
    }
    impl ModuleMapper for Enter<'_> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|value| {
                let value = Tensor::from_inner(value.to_device(self.device));
                match self.device.gradient_checkpointing_strategy() {
                    Some(strategy) => value.with_gradient_checkpointing_strategy(strategy),
                    None => value,
                }
            })
        }
    }
    plain.map(&mut Enter { device }).train()
}
