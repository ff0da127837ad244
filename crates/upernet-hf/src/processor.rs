//! `preprocessor_config.json`: how an image becomes the network's input.

use std::{ops::RangeInclusive, path::Path};

use serde_json::{Value, json};

use crate::{
    config::{
        ConfigError,
        fields::{Fields, out_of_range},
        json_file,
    },
    error::Error,
    output::{Overwrite, write_file},
};

/// Most pixels along one side of a network's input.
pub const MAX_SIDE: usize = 16_384;
/// Most pixels of a network's input that a photo is resized to.
const MAX_PIXELS: usize = 8192 * 8192;
/// Standard deviations; pixel values are divided by them.
const DEVIATIONS: RangeInclusive<f64> = 1e-6..=1e6;
/// Entries of a mean or a standard deviation.
const MAX_CHANNELS: usize = 65_536;

/// The settings of Hugging Face's `SegformerImageProcessor`, the one that `UPerNet` uses.
///
/// [`Default`] is what that class does without a file.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "these are the file's fields")]
pub struct HfProcessorConfig {
    /// Whether the image is resized to [`size`](Self::size), without keeping its aspect.
    pub do_resize: bool,
    /// `[height, width]` of the network's input, in pixels.
    pub size: [usize; 2],
    /// How the image is resized.
    pub resample: Resample,
    /// Whether pixel values are multiplied by [`rescale_factor`](Self::rescale_factor).
    pub do_rescale: bool,
    /// What 8-bit pixel values are multiplied by.
    pub rescale_factor: f64,
    /// Whether pixel values are normalised by mean and standard deviation.
    pub do_normalize: bool,
    /// Mean of each channel, after rescaling.
    pub image_mean: Vec<f64>,
    /// Standard deviation of each channel, after rescaling.
    pub image_std: Vec<f64>,
    /// Whether label maps count from 1, with 0 meaning "ignore"; images are not affected.
    pub do_reduce_labels: bool,
}

/// The resampling filters, by Pillow's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Pillow's")]
pub enum Resample {
    Nearest = 0,
    Lanczos = 1,
    Bilinear = 2,
    Bicubic = 3,
    Box = 4,
    Hamming = 5,
}

/// Every filter, at the index that is its number.
const FILTERS: [Resample; 6] = [
    Resample::Nearest,
    Resample::Lanczos,
    Resample::Bilinear,
    Resample::Bicubic,
    Resample::Box,
    Resample::Hamming,
];

/// The names under which the class has been saved.
const SUPPORTED: [&str; 4] = [
    "SegformerImageProcessor",
    "SegformerImageProcessorFast",
    "SegformerImageProcessorPil",
    "SegformerFeatureExtractor",
];

impl Default for HfProcessorConfig {
    fn default() -> Self {
        Self {
            do_resize: true,
            size: [512, 512],
            resample: Resample::Bilinear,
            do_rescale: true,
            rescale_factor: 1.0 / 255.0,
            do_normalize: true,
            image_mean: vec![0.485, 0.456, 0.406],
            image_std: vec![0.229, 0.224, 0.225],
            do_reduce_labels: false,
        }
    }
}

impl HfProcessorConfig {
    /// Reads the text of a `preprocessor_config.json`; absent fields have the class's defaults.
    ///
    /// ```
    /// use upernet_hf::processor::HfProcessorConfig;
    ///
    /// let processor = HfProcessorConfig::from_json(br#"{"size": 640, "reduce_labels": true}"#)?;
    /// assert_eq!(processor.size, [640, 640]);
    /// assert!(processor.do_reduce_labels);
    /// # Ok::<(), upernet_hf::config::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error that names the field if the text is not JSON, is out of bounds, or asks for
    /// another processor.
    pub fn from_json(text: &[u8]) -> Result<Self, ConfigError> {
        Self::parse(&Fields::top(&json_file::parse(text)?)?)
    }

    /// Reads a `preprocessor_config.json`.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file if it cannot be read, and those of
    /// [`from_json`](Self::from_json).
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = json_file::read(path)?;
        Self::from_json(&text).map_err(|problem| Error::Config {
            path: path.into(),
            problem,
        })
    }

    /// Returns the text of a `preprocessor_config.json` that Hugging Face loads to the same
    /// processor.
    #[must_use]
    pub fn to_json(&self) -> String {
        let value = json!({
            "image_processor_type": SUPPORTED[0],
            "do_resize": self.do_resize,
            "size": {"height": self.size[0], "width": self.size[1]},
            "resample": self.resample as u8,
            "do_rescale": self.do_rescale,
            "rescale_factor": self.rescale_factor,
            "do_normalize": self.do_normalize,
            "image_mean": self.image_mean,
            "image_std": self.image_std,
            "do_reduce_labels": self.do_reduce_labels,
        });
        format!("{value:#}\n")
    }

    /// Writes a `preprocessor_config.json`; nothing is left behind if it fails.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file if it exists and may not be replaced, or cannot be
    /// written.
    pub fn write(&self, path: &Path, overwrite: Overwrite) -> Result<(), Error> {
        write_file(path, self.to_json().as_bytes(), overwrite)
    }

    fn parse(fields: &Fields<'_>) -> Result<Self, ConfigError> {
        let default = Self::default();
        check_class(fields)?;
        let old_reduce_labels = fields.boolean("reduce_labels", default.do_reduce_labels)?;
        let number = fields.integer("resample", default.resample as usize, &(0..=5))?;
        let lengths = 1..=MAX_CHANNELS;
        let means = &(-1e6..=1e6);
        let config = Self {
            do_resize: fields.boolean("do_resize", default.do_resize)?,
            size: size(fields)?.unwrap_or(default.size),
            resample: FILTERS[number],
            do_rescale: fields.boolean("do_rescale", default.do_rescale)?,
            rescale_factor: fields.number(
                "rescale_factor",
                default.rescale_factor,
                &(-1e6..=1e6),
            )?,
            do_normalize: fields.boolean("do_normalize", default.do_normalize)?,
            image_mean: fields.numbers("image_mean", &default.image_mean, &lengths, means)?,
            image_std: fields.numbers("image_std", &default.image_std, &lengths, &DEVIATIONS)?,
            do_reduce_labels: fields.boolean("do_reduce_labels", old_reduce_labels)?,
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let [height, width] = self.size;
        if self.do_resize && height * width > MAX_PIXELS {
            return Err(ConfigError::OutOfRange {
                field: "size".into(),
                found: format!("{height} x {width}"),
                allowed: "8192 x 8192 pixels in all".into(),
            });
        }
        if self.image_mean.len() != self.image_std.len() {
            return Err(ConfigError::Disagree {
                first: "image_mean".into(),
                second: "image_std".into(),
                detail: format!(
                    "the first has {} channels, the second {}",
                    self.image_mean.len(),
                    self.image_std.len()
                ),
            });
        }
        Ok(())
    }
}

fn check_class(fields: &Fields<'_>) -> Result<(), ConfigError> {
    for name in ["image_processor_type", "feature_extractor_type"] {
        if let Some(class) = fields
            .string(name)?
            .filter(|class| !SUPPORTED.contains(class))
        {
            return Err(ConfigError::Unsupported {
                field: name.into(),
                found: class.into(),
                hint: format!("supported is {}", SUPPORTED[0]),
            });
        }
    }
    Ok(())
}

/// Reads `size` as one number, a pair, or `{"height", "width"}`.
fn size(fields: &Fields<'_>) -> Result<Option<[usize; 2]>, ConfigError> {
    let range = 1..=MAX_SIDE;
    match fields.get("size") {
        None => Ok(None),
        Some(Value::Object(map)) => {
            let sides = fields.object("size", "size.")?;
            let side = |name: &str| {
                let number = sides
                    .map(|sides| sides.optional_integer(name, &range))
                    .transpose()?;
                number.flatten().ok_or_else(|| ConfigError::Unsupported {
                    field: "size".into(),
                    found: map
                        .keys()
                        .map(String::as_str)
                        .collect::<Vec<_>>()
                        .join(", "),
                    hint: "supported are one number, or height and width".into(),
                })
            };
            Ok(Some([side("height")?, side("width")?]))
        }
        Some(Value::Array(_)) => {
            let pair = fields.integers("size", &[], &(2..=2), &range)?;
            pair.try_into().map(Some).map_err(|pair: Vec<usize>| {
                out_of_range("size", format!("a list of {}", pair.len()), &(2..=2))
            })
        }
        Some(_) => Ok(fields
            .optional_integer("size", &range)?
            .map(|side| [side, side])),
    }
}
