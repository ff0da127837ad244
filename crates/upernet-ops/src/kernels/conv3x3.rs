//! 3 x 3 convolution, stride 1, zero padding 1: Winograd's where it pays, the definition elsewhere.

use super::{
    gemm::Epilogue,
    map::MapSize,
    upsample_taps::{TapWeights, upsample_conv3x3},
    winograd::{WinogradWeights, winograd},
};
use crate::bytes::Bytes;

/// Up to this many pixels of a map the definition is faster: most of a tile lies past the border.
/// Measured on a Zen 5 with AVX-512: 4 x 4 pixels take 0.3 to 0.75 of the time with 4 to 256 channels,
/// 16 x 16 pixels 0.6 to 0.9 with up to 8 channels, and everything larger takes longer.
const DIRECT_PIXELS: usize = 4 * 4;
/// Below this many channels, on either side, that is so up to [`DIRECT_PIXELS_OF_FEW_CHANNELS`].
const FEW_CHANNELS: usize = 12;
const DIRECT_PIXELS_OF_FEW_CHANNELS: usize = 16 * 16;
/// Both forms of the weights are kept up to this many pairs of channels. Above, Winograd's serves all
/// maps: it loses microseconds on the tiny ones.
const KEEP_BOTH: usize = 64 * 64;

/// The weights of a 3 x 3 convolution, laid out once.
#[derive(Clone, Debug)]
pub(crate) struct Conv3x3Weights {
    winograd: WinogradWeights,
    direct: Option<TapWeights>,
}

impl Conv3x3Weights {
    /// Lays out weights `[out, in, 3, 3]`.
    ///
    /// # Panics
    ///
    /// Panics if there are not `out * in * 9` of them.
    pub(crate) fn new(weights: &[f32], channels: [usize; 2]) -> Self {
        let [outputs, inputs] = channels;
        let keep_both = outputs * inputs <= KEEP_BOTH;
        Self {
            winograd: WinogradWeights::new(weights, channels),
            direct: keep_both.then(|| TapWeights::new(weights, channels)),
        }
    }

    /// Lays out weights `[out, in, 3, 3]` for the convolution that turns the gradient of the output
    /// into that of the input.
    ///
    /// # Panics
    ///
    /// Panics if there are not `out * in * 9` of them.
    pub(crate) fn backward(weights: &[f32], channels: [usize; 2]) -> Self {
        Self {
            winograd: WinogradWeights::backward(weights, channels),
            direct: None,
        }
    }

    pub(crate) fn inputs(&self) -> usize {
        self.winograd.inputs()
    }

    pub(crate) fn outputs(&self) -> usize {
        self.winograd.outputs()
    }

    fn direct_for(&self, size: MapSize) -> Option<&TapWeights> {
        let few = self.inputs().min(self.outputs()) < FEW_CHANNELS;
        let most = if few {
            DIRECT_PIXELS_OF_FEW_CHANNELS
        } else {
            DIRECT_PIXELS
        };
        self.direct
            .as_ref()
            .filter(|_| size.height * size.width <= most)
    }
}

impl Bytes for Conv3x3Weights {
    fn bytes(&self) -> usize {
        self.winograd.bytes() + self.direct.as_ref().map_or(0, Bytes::bytes)
    }
}

/// `out = epilogue(conv3x3(x))` for `x` of `[N, H, W, in]` and `out` of `[N, H, W, out]`.
///
/// # Panics
///
/// Panics if a length does not fit.
pub(crate) fn conv3x3(
    x: &[f32],
    size: MapSize,
    weights: &Conv3x3Weights,
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    match weights.direct_for(size) {
        // A map that is resized to its own size.
        Some(direct) => {
            upsample_conv3x3(x, size, direct, [size.height, size.width], epilogue, out);
        }
        None => winograd(x, size, &weights.winograd, epilogue, out),
    }
}
