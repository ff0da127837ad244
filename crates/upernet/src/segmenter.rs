//! Photo in, class of every pixel out.

use std::path::Path;

use burn::tensor::Device;
use upernet_head::PreparedUperNet;
use upernet_hf::ModelFolder;
use upernet_image::{
    DecodeLimits, ImageProcessor, Palette, image::RgbImage, palette_for, read_image,
};
use upernet_nn::Precision;
use upernet_zoo::{BuildOptions, check_input, hf::config::HfConfig, load_prepared};

use crate::{
    Error, Inference, InputSize, Prediction, Segmentation, Timings, forward::size_of,
    image_processor, source,
};

/// Choices about how a [`Segmenter`] computes.
///
/// # Example
///
/// ```
/// use upernet::{SegmenterOptions, nn::Precision};
///
/// let mut options = SegmenterOptions::default();
/// options.precision = Precision::Bf16;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmenterOptions {
    /// The number format of products.
    pub precision: Precision,
    /// Whether the network sees a photo at once or through a window.
    pub inference: Inference,
    /// At which size photos go into the network.
    pub input_size: InputSize,
}

/// A model with its image processor and class names, ready for photos.
///
/// # Example
///
/// ```
/// use upernet::{Segmenter, device, pixels::image::{Rgb, RgbImage}};
///
/// # let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/tiny");
/// let segmenter = Segmenter::open(model, &device::open("flex")?)?;
/// let photo = RgbImage::from_pixel(61, 47, Rgb([120, 160, 220]));
/// let segmentation = segmenter.segment(&photo)?;
/// assert_eq!(segmentation.labels.size(), [47, 61]);
/// # Ok::<(), upernet::Error>(())
/// ```
#[derive(Debug)]
pub struct Segmenter {
    model: PreparedUperNet,
    config: HfConfig,
    processor: ImageProcessor,
    inference: Inference,
    palette: Palette,
    device: Device,
}

impl Segmenter {
    /// Opens a model by path or, with the `hub` feature, by hub id, and loads it onto `device`.
    ///
    /// If the hub cannot be reached and the cache has the model, that is taken;
    /// [`source::locate`] and [`load`](Self::load) tell the two apart.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file if the model is not there, malformed, or not supported.
    pub fn open(model: &str, device: &Device) -> Result<Self, Error> {
        let path = source::locate(model, &mut |_, _, _| {})?.path;
        Self::load(&ModelFolder::open(&path)?, device, |_| {})
    }

    /// Loads an opened model folder onto `device`; `progress` hears the share loaded, from 0 to 1.
    ///
    /// A folder without `preprocessor_config.json` gets Hugging Face's default processor.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file if something in it is not supported or does not fit.
    pub fn load(
        folder: &ModelFolder,
        device: &Device,
        progress: impl FnMut(f64),
    ) -> Result<Self, Error> {
        Self::load_with(folder, &SegmenterOptions::default(), device, progress)
    }

    /// [`load`](Self::load) with choices.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn load_with(
        folder: &ModelFolder,
        options: &SegmenterOptions,
        device: &Device,
        progress: impl FnMut(f64),
    ) -> Result<Self, Error> {
        let processor = folder.processor.clone().unwrap_or_default();
        let mut processor = image_processor(&processor).map_err(|problem| {
            let weights = &folder.checkpoint.files()[0];
            let path = weights.with_file_name("preprocessor_config.json");
            Error::Processor {
                path: path.display().to_string(),
                problem,
            }
        })?;
        processor.do_resize &= options.input_size == InputSize::Processor;
        options.inference.check()?;
        let [height, width] = options.inference.window(processor.size);
        if processor.do_resize {
            check_input(&folder.config, [1, 3, height, width])?;
        }
        let build = BuildOptions::default();
        let (model, _) = load_prepared(folder, &build, options.precision, device, progress)?;
        let config = folder.config.clone();
        Self::from_network(config, processor, model, device).with_inference(options.inference)
    }

    /// Puts a network that is in memory behind the same photos and masks as one from a folder.
    ///
    /// A network that is being trained is scored this way, so that its score is what users of the
    /// saved folder get. `config` must be the one that `model` was built from, and `device` where it
    /// is; nothing is checked until the first photo.
    ///
    /// # Panics
    ///
    /// The segmenter panics at its first photo if `config` has other classes than `model`.
    ///
    /// # Example
    ///
    /// ```
    /// use upernet::{Segmenter, device, nn::Precision, pixels::{ImageProcessor, image::RgbImage}};
    /// use upernet::zoo::{build, hf::config::{HfBackboneConfig, HfConfig, HfConvNextConfig}};
    ///
    /// let mut config = HfConfig::new(HfBackboneConfig::ConvNext(HfConvNextConfig {
    ///     hidden_sizes: vec![8, 12, 16, 24],
    ///     depths: vec![1, 1, 1, 1],
    ///     out_stages: vec![1, 2, 3, 4],
    ///     ..HfConvNextConfig::default()
    /// }));
    /// config.hidden_size = 16;
    /// let device = device::open("flex")?;
    /// let model = build(&config, &device)?.prepare(Precision::F32);
    /// let processor = ImageProcessor { do_resize: false, ..ImageProcessor::default() };
    /// let segmenter = Segmenter::from_network(config, processor, model, &device);
    /// assert_eq!(segmenter.segment(&RgbImage::new(61, 47))?.labels.size(), [47, 61]);
    /// # Ok::<(), upernet::Error>(())
    /// ```
    #[must_use]
    pub fn from_network(
        config: HfConfig,
        processor: ImageProcessor,
        model: PreparedUperNet,
        device: &Device,
    ) -> Self {
        Self {
            model,
            palette: palette_for(&config.id2label),
            config,
            processor,
            inference: Inference::Whole,
            device: device.clone(),
        }
    }

    /// The same segmenter, going over photos in another way.
    ///
    /// # Errors
    ///
    /// Returns an error if windows would leave gaps between them.
    pub fn with_inference(self, inference: Inference) -> Result<Self, Error> {
        inference.check()?;
        Ok(Self { inference, ..self })
    }

    /// Labels every pixel of a photo.
    ///
    /// # Errors
    ///
    /// Returns an error if the photo is too small or too large for the model, or the device fails.
    pub fn segment(&self, photo: &RgbImage) -> Result<Segmentation, Error> {
        let input = self.input(photo)?;
        if let Some(grid) = self.windows(&input)
            && grid.size() == size_of(photo)
        {
            return self.segment_in_bands(&input, &grid);
        }
        let (prediction, timings) = self.predict_input(photo, input)?;
        prediction.segmentation(timings)
    }

    /// Reads a photo, within the default [`DecodeLimits`], and labels every pixel of it.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file if it is not there or no photo, and as
    /// [`segment`](Self::segment).
    pub fn segment_file(&self, path: impl AsRef<Path>) -> Result<Segmentation, Error> {
        self.segment(&read_image(path, &DecodeLimits::default())?)
    }

    /// Runs the network on a photo and returns its logits, with the time of the first two steps.
    ///
    /// # Errors
    ///
    /// As [`segment`](Self::segment).
    pub fn predict(&self, photo: &RgbImage) -> Result<(Prediction, Timings), Error> {
        self.predict_input(photo, self.input(photo)?)
    }

    /// Names of the classes, by class id.
    #[must_use]
    pub fn class_names(&self) -> &[String] {
        &self.config.id2label
    }

    /// Name of a class; `ignored` for an id that the model does not have.
    #[must_use]
    pub fn class_name(&self, label: u16) -> &str {
        self.class_names()
            .get(usize::from(label))
            .map_or("ignored", String::as_str)
    }

    /// Colours of the classes.
    #[must_use]
    pub fn palette(&self) -> &Palette {
        &self.palette
    }

    /// What the network was built from.
    #[must_use]
    pub fn config(&self) -> &HfConfig {
        &self.config
    }

    /// How a photo becomes the network's input.
    #[must_use]
    pub fn processor(&self) -> &ImageProcessor {
        &self.processor
    }

    /// The network itself, made ready for inference.
    #[must_use]
    pub fn model(&self) -> &PreparedUperNet {
        &self.model
    }

    /// Whether the network sees a photo at once or through a window.
    #[must_use]
    pub fn inference(&self) -> Inference {
        self.inference
    }

    /// Where the network runs.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }
}
