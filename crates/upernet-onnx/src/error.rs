//! What can go wrong on the way to an ONNX file, in one line each.

/// Everything that an export can fail with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor cannot be read, or the file cannot be written.
    #[error(transparent)]
    File(#[from] upernet_hf::Error),
    /// The backbone family has no lowering.
    #[error(
        "backbone \"{model_type}\" cannot be written as ONNX; those that can: {}",
        crate::LOWERED_BACKBONES.join(", ")
    )]
    Backbone {
        /// Hugging Face's name of the family.
        model_type: &'static str,
    },
    /// The network takes no image of this size.
    #[error(
        "the network takes no image of {} x {} pixels (height x width): it needs {needs}",
        size[0], size[1]
    )]
    Size {
        /// `[height, width]`, in pixels.
        size: [usize; 2],
        /// What would do.
        needs: String,
    },
    /// The network takes images of one size alone, so its file cannot leave the size open.
    #[error("the network cannot be written for images of any size: it needs {needs}")]
    OneSize {
        /// What it needs.
        needs: String,
    },
    /// The weights lack a tensor that the config asks for.
    #[error("the weights hold no tensor \"{key}\", which config.json asks for")]
    Missing {
        /// The hub key.
        key: String,
    },
    /// A tensor of the weights has another shape than the config says.
    #[error("tensor \"{key}\" has the shape {found:?}; config.json asks for {expected:?}")]
    Shape {
        /// The hub key.
        key: String,
        /// The shape in the weights.
        found: Vec<usize>,
        /// The shape in the network.
        expected: Vec<usize>,
    },
    /// The file would be longer than protobuf can have it.
    #[error(
        "{bytes} bytes do not fit in one ONNX file, which has {} at most; write the weights to a file \
         of their own",
        crate::write::MOST_BYTES
    )]
    TooLarge {
        /// Bytes that the file would have.
        bytes: u64,
    },
}
