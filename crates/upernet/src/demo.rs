//! A small model that is part of the program.
//!
//! A `UPerNet` on a ConvNeXt of 3.3 M parameters, trained by `upernet train --preset demo` on synthetic street
//! scenes and nothing else; `docs/src/demo-model.md` has the command, the time and the score. It knows the
//! eleven classes of CamVid as those scenes show them. On photos it is a first step, not a result.

use upernet_hf::{
    ModelFolder, config::HfConfig, processor::HfProcessorConfig, weights::Checkpoint,
};

use crate::Error;

/// What to tell whoever gets a mask from this model.
pub const ABOUT: &str = "the embedded demo model: trained on synthetic street scenes alone, 11 classes; for \
                         results on photos name a model of your own or of the hub";

const CONFIG: &[u8] = include_bytes!("../demo/config.json");
const PROCESSOR: &[u8] = include_bytes!("../demo/preprocessor_config.json");
const WEIGHTS: &[u8] = include_bytes!("../demo/model.safetensors");
/// What messages call the weights.
const NAME: &str = "the embedded demo model";

/// The model, as if it were opened from a folder.
///
/// # Errors
///
/// Returns an error if the files that were built in are malformed, which a test of this crate rules out.
///
/// # Example
///
/// ```
/// use upernet::{Segmenter, demo, device, pixels::image::RgbImage};
///
/// let segmenter = Segmenter::load(&demo::model()?, &device::open("flex")?, |_| {})?;
/// assert_eq!(segmenter.class_names()[3], "Road");
/// assert_eq!(segmenter.segment(&RgbImage::new(96, 64))?.labels.size(), [64, 96]);
/// # Ok::<(), upernet::Error>(())
/// ```
pub fn model() -> Result<ModelFolder, Error> {
    let wrong = |problem: String| Error::Processor {
        path: NAME.to_owned(),
        problem,
    };
    let config = HfConfig::from_json(CONFIG).map_err(|error| wrong(error.to_string()))?;
    let processor =
        HfProcessorConfig::from_json(PROCESSOR).map_err(|error| wrong(error.to_string()))?;
    let checkpoint = Checkpoint::from_static(NAME, WEIGHTS)?;
    Ok(ModelFolder::from_parts(config, Some(processor), checkpoint))
}
