//! From the settings of `preprocessor_config.json` to what runs them.

use upernet_hf::processor::{HfProcessorConfig, Resample as HfResample};
use upernet_image::{ImageProcessor, Resample};

/// Hugging Face's processor settings as the pixel crate runs them.
///
/// # Errors
///
/// Returns what is wrong, in one line without the file's name, if the mean or the deviation is not that
/// of photos.
///
/// # Example
///
/// ```
/// use upernet::{hf::processor::HfProcessorConfig, image_processor, pixels::ImageProcessor};
///
/// let mut config = HfProcessorConfig::default();
/// assert_eq!(image_processor(&config)?, ImageProcessor::default());
/// config.image_mean = vec![0.5; 4];
/// let problem = image_processor(&config).unwrap_err();
/// assert_eq!(problem, "image_mean has 4 entries, photos have 3 channels");
/// # Ok::<(), String>(())
/// ```
pub fn image_processor(config: &HfProcessorConfig) -> Result<ImageProcessor, String> {
    Ok(ImageProcessor {
        do_resize: config.do_resize,
        size: config.size,
        resample: match config.resample {
            HfResample::Nearest => Resample::Nearest,
            HfResample::Lanczos => Resample::Lanczos,
            HfResample::Bilinear => Resample::Bilinear,
            HfResample::Bicubic => Resample::Bicubic,
            HfResample::Box => Resample::Box,
            HfResample::Hamming => Resample::Hamming,
        },
        do_rescale: config.do_rescale,
        rescale_factor: config.rescale_factor,
        do_normalize: config.do_normalize,
        image_mean: three("image_mean", &config.image_mean)?,
        image_std: three("image_std", &config.image_std)?,
        do_reduce_labels: config.do_reduce_labels,
    })
}

/// One value for each channel of a photo; a single one is for all.
fn three(name: &str, values: &[f64]) -> Result<[f64; 3], String> {
    match values {
        [value] => Ok([*value; 3]),
        [red, green, blue] => Ok([*red, *green, *blue]),
        _ => Err(format!(
            "{name} has {} entries, photos have 3 channels",
            values.len()
        )),
    }
}
