//! The weights of a 3 x 3 convolution as burn keeps them, read a few channels at a time.

/// Taps of a 3 x 3 convolution.
pub(crate) const TAPS: usize = 9;

/// Weights `[out, in, 3, 3]`, in the roles that the forward or the backward pass gives them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConvWeights<'a> {
    values: &'a [f32],
    /// `[out, in]` as they lie in memory.
    channels: [usize; 2],
    /// Whether the convolution runs from `out` to `in`, as gradients do.
    backward: bool,
}

impl<'a> ConvWeights<'a> {
    /// The forward convolution.
    ///
    /// # Panics
    ///
    /// Panics if there are not `out * in * 9` weights.
    pub(crate) fn forward(values: &'a [f32], channels: [usize; 2]) -> Self {
        let [outputs, inputs] = channels;
        assert_eq!(
            values.len(),
            outputs * inputs * TAPS,
            "not the weights of a 3 x 3 convolution"
        );
        Self {
            values,
            channels,
            backward: false,
        }
    }

    /// The roles of the channels exchanged; the taps stay where they are.
    pub(crate) fn backward(values: &'a [f32], channels: [usize; 2]) -> Self {
        Self {
            backward: true,
            ..Self::forward(values, channels)
        }
    }

    /// Channels that are summed over.
    pub(crate) fn inputs(self) -> usize {
        self.channels[usize::from(!self.backward)]
    }

    /// Channels that come out.
    pub(crate) fn outputs(self) -> usize {
        self.channels[usize::from(self.backward)]
    }

    /// Whether the roles are exchanged.
    pub(crate) fn is_backward(self) -> bool {
        self.backward
    }

    /// Fills `taps`, `[9, width]`, with the weights from `input` to `width` outputs from `first` on;
    /// zeros past the last one.
    pub(crate) fn gather(self, input: usize, first: usize, width: usize, taps: &mut [f32]) {
        let count = width.min(self.outputs() - first);
        let [_, row] = self.channels;
        let (start, step) = if self.backward {
            ((input * row + first) * TAPS, TAPS)
        } else {
            ((first * row + input) * TAPS, row * TAPS)
        };
        if count < width {
            taps.fill(0.0);
        }
        for lane in 0..count {
            let kernel = &self.values[start + lane * step..][..TAPS];
            for (tap, &value) in kernel.iter().enumerate() {
                taps[tap * width + lane] = value;
            }
        }
    }
}
