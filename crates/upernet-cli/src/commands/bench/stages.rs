//! One run through the network, with a clock in hand.

use std::time::Instant;

use upernet::{
    Segmenter,
    burn::tensor::{Tensor, TensorData},
    pixels::{ImageProcessor, Logits, image::RgbImage},
    zoo::check_input,
};

use crate::failure::Failure;

/// The stages of a run, in order; the first and the last are the host's.
pub(super) const STAGES: [&str; 4] = ["preprocess", "backbone", "head", "postprocess"];

/// Seconds of each stage of one run.
pub(super) type Run = [f64; STAGES.len()];

/// A loaded model, and how many images go through it together.
#[derive(Debug)]
pub(super) struct Bench<'a> {
    segmenter: &'a Segmenter,
    batch: usize,
}

impl<'a> Bench<'a> {
    pub(super) fn new(segmenter: &'a Segmenter, batch: usize) -> Self {
        Self { segmenter, batch }
    }

    /// Fails if the network does not take images of `size`, `[height, width]`.
    pub(super) fn check(&self, [height, width]: [usize; 2]) -> Result<(), Failure> {
        let channels = self.segmenter.config().backbone.num_channels();
        let shape = [self.batch, channels, height, width];
        check_input(self.segmenter.config(), shape)?;
        Ok(())
    }

    /// Segments `photo`, as often as the batch is large.
    pub(super) fn run(&self, photo: &RgbImage, size: [usize; 2]) -> Result<Run, Failure> {
        let device = self.segmenter.device();
        let mut seconds = Run::default();
        let mut clock = Instant::now();
        let mut lap = |stage: usize| {
            let now = Instant::now();
            seconds[stage] = (now - clock).as_secs_f64();
            clock = now;
        };

        let pixels = self.preprocess(photo, size)?;
        lap(0);

        let network = self.segmenter.model();
        let features = network
            .backbone()
            .forward(Tensor::from_data(pixels, device));
        device.sync().map_err(|error| failed(&error.to_string()))?;
        lap(1);

        let logits = network.decode_head().forward(features);
        let [_, num_labels, height, width] = logits.dims();
        let logits = logits.try_into_vec_as::<f32>();
        let logits = logits.map_err(|error| failed(&error.to_string()))?;
        lap(2);

        let photo_size = [photo.height() as usize, photo.width() as usize];
        for image in logits.chunks_exact(num_labels * height * width) {
            let image = Logits::new(image, num_labels, [height, width])?;
            let labels = image.argmax_resized(size, photo_size)?;
            std::hint::black_box(&labels);
        }
        lap(3);
        Ok(seconds)
    }

    /// Pixel values `[batch, 3, height, width]`.
    fn preprocess(&self, photo: &RgbImage, size: [usize; 2]) -> Result<TensorData, Failure> {
        let processor = ImageProcessor {
            do_resize: true,
            size,
            ..self.segmenter.processor().clone()
        };
        let mut batch = processor.process(photo)?.pixels;
        for _ in 1..self.batch {
            batch.extend(processor.process(photo)?.pixels);
        }
        let [height, width] = size;
        Ok(TensorData::new(batch, [self.batch, 3, height, width]))
    }
}

fn failed(message: &str) -> Failure {
    Failure::Failed(format!("the device failed: {message}"))
}
