//! Global response normalisation. Paper: *ConvNeXt V2*, section 3.2. Upstream: `ConvNextV2GRN`.

use burn::{
    module::{Module, Param},
    nn::Initializer,
    tensor::{Device, Tensor},
};
use upernet_ops::ResponseNormWeights;

/// Multiplies each channel by its strength in the image beside all channels'.
#[derive(Module, Debug)]
pub(crate) struct ResponseNorm {
    /// `[1, 1, 1, channels]`, as upstream keeps it for maps with channels last.
    weight: Param<Tensor<4>>,
    /// `[1, 1, 1, channels]`.
    bias: Param<Tensor<4>>,
}

impl ResponseNorm {
    /// A norm that changes nothing yet.
    pub(crate) fn new(channels: usize, device: &Device) -> Self {
        let [weight, bias] =
            [(), ()].map(|()| Initializer::Zeros.init([1, 1, 1, channels], device));
        Self { weight, bias }
    }

    pub(crate) fn weights(&self) -> ResponseNormWeights {
        let [weight, bias] = [&self.weight, &self.bias].map(|param| param.val().reshape([-1]));
        ResponseNormWeights { weight, bias }
    }
}
