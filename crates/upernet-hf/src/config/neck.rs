//! What makes maps of several sizes of the maps of one size that a plain transformer has.

/// A neck between a plain transformer and the heads: four maps in, maps of four, two, one and half times
/// their sides out. Hugging Face has neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HfNeck {
    /// Deconvolutions enlarge maps, pooling halves one: mmsegmentation's `Feature2Pyramid`.
    FeaturePyramid,
    /// Every map is resized bilinearly, between a pointwise convolution and one of 3 x 3:
    /// mmsegmentation's `MultiLevelNeck`.
    MultiLevel {
        /// Channels of the maps that it makes.
        channels: usize,
    },
}

impl HfNeck {
    /// Maps that it takes and makes.
    pub const LEVELS: usize = 4;

    /// Channels of the maps that it makes of maps of `channels`.
    #[must_use]
    pub fn out_channels(self, channels: usize) -> usize {
        match self {
            Self::FeaturePyramid => channels,
            Self::MultiLevel { channels } => channels,
        }
    }

    /// Estimates its parameters for maps of `channels`.
    pub(crate) fn parameters(self, channels: usize) -> f64 {
        let inner = channels as f64;
        match self {
            // Three deconvolutions of 2 x 2 cells, and batch normalisation.
            Self::FeaturePyramid => inner * (12.0 * inner + 5.0),
            Self::MultiLevel { channels } => {
                let outer = channels as f64;
                Self::LEVELS as f64 * outer * (inner + 9.0 * outer + 2.0)
            }
        }
    }
}
