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
                // An operand brings its device's way of differentiation with it.
                let one = Tensor::<D>::ones([1; D], self.device);
                one * value.to_device(self.device)
            })
        }
    }
    plain.map(&mut Enter { device }).train()
}
