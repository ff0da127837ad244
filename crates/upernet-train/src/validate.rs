//! Scores of a model on a split, and pictures of what it predicts.

use std::{sync::Arc, time::Instant};

use burn::tensor::Device;
use upernet::{
    Segmenter,
    hf::config::HfConfig,
    nn::Precision,
    pixels::{ImageProcessor, LabelMap, Palette, image::RgbImage, overlay},
    zoo::Model,
};
use upernet_data::{
    Sample, SampleSource,
    loader::EvaluationSamples,
    scores::{ConfusionMatrix, Convention, Scores},
};

use crate::Error;

/// Samples that are read ahead.
const AHEAD: usize = 4;
/// Share of the class colours over a photo.
const OPACITY: f32 = 0.6;

/// What a validation found.
#[derive(Debug)]
pub struct Validation {
    /// The scores, in mmsegmentation's convention.
    pub scores: Scores,
    /// Which class was taken for which.
    pub matrix: ConfusionMatrix,
    /// Photos beside their labels and predictions.
    pub pictures: Vec<Picture>,
    /// Images scored.
    pub images: usize,
    /// Seconds it took.
    pub seconds: f64,
}

/// A photo and its classes, as they are and as they were predicted.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The sample's name.
    pub name: String,
    /// The photo.
    pub photo: RgbImage,
    /// The photo, tinted by its labels.
    pub truth: RgbImage,
    /// The photo, tinted by what was predicted.
    pub prediction: RgbImage,
}

/// Scores a model on samples of a split, as `upernet eval` scores the saved folder: the network is the
/// prepared one, and masks have their photo's own size.
///
/// `indices` says which samples, and the first `pictures` of them are drawn.
///
/// # Errors
///
/// Returns an error that names the photo or mask that cannot be read or does not fit the model.
pub fn validate(
    segmenter: &Segmenter,
    source: &Arc<dyn SampleSource>,
    indices: &[usize],
    pictures: usize,
    mut keep_going: impl FnMut() -> bool,
) -> Result<Option<Validation>, Error> {
    let start = Instant::now();
    let mut matrix = ConfusionMatrix::new(source.class_names().len())?;
    let mut rows = Vec::new();
    let subset = Subset {
        source: Arc::clone(source),
        indices: indices.to_vec(),
    };
    for read in EvaluationSamples::new(Arc::new(subset), 1, AHEAD)? {
        if !keep_going() {
            return Ok(None);
        }
        let (index, sample) = read?;
        let predicted = segmenter.segment(&sample.image)?.labels;
        matrix.add(&sample.labels, &predicted)?;
        if rows.len() < pictures {
            rows.push(row(
                source.name(indices[index]),
                &sample,
                &predicted,
                segmenter.palette(),
            )?);
        }
    }
    Ok(Some(Validation {
        scores: Scores::new(&matrix, Convention::default()),
        matrix,
        pictures: rows,
        images: indices.len(),
        seconds: start.elapsed().as_secs_f64(),
    }))
}

/// A model that is being trained, ready for photos.
#[must_use]
pub fn segmenter(
    model: Model,
    config: &HfConfig,
    processor: ImageProcessor,
    device: &Device,
) -> Segmenter {
    let model = model.prepare(Precision::F32);
    Segmenter::from_network(config.clone(), processor, model, device)
}

/// Evenly spread indices of `count` of `len` samples.
#[must_use]
pub fn spread(len: usize, count: Option<usize>) -> Vec<usize> {
    let count = count
        .unwrap_or(len)
        .clamp(usize::from(len > 0), len.max(1))
        .min(len);
    (0..count).map(|index| index * len / count).collect()
}

/// Some samples of a source.
struct Subset {
    source: Arc<dyn SampleSource>,
    indices: Vec<usize>,
}

impl SampleSource for Subset {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn class_names(&self) -> &[String] {
        self.source.class_names()
    }

    fn name(&self, index: usize) -> String {
        self.source.name(self.indices[index])
    }

    fn read(&self, index: usize) -> Result<Sample, upernet_data::Error> {
        self.source.read(self.indices[index])
    }

    fn read_labels(&self, index: usize) -> Result<LabelMap, upernet_data::Error> {
        self.source.read_labels(self.indices[index])
    }
}

fn row(
    name: String,
    sample: &Sample,
    predicted: &LabelMap,
    palette: &Palette,
) -> Result<Picture, Error> {
    let tinted = |labels: &LabelMap| -> Result<RgbImage, Error> {
        Ok(overlay(&sample.image, labels, palette, OPACITY)?)
    };
    Ok(Picture {
        name,
        truth: tinted(&sample.labels)?,
        prediction: tinted(predicted)?,
        photo: sample.image.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn samples_are_spread_over_the_split() {
        assert_eq!(spread(10, Some(4)), [0, 2, 5, 7]);
        assert_eq!(spread(3, None), [0, 1, 2]);
        assert_eq!(spread(3, Some(9)), [0, 1, 2]);
        assert_eq!(spread(0, Some(9)), [0_usize; 0]);
    }
}
