//! Images a second of the input pipeline alone, as JSON, one line for each case:
//! `cargo run --release -p upernet-data --example throughput [-- FOLDER SPLIT]`.
//!
//! Without a folder, 64 photos of 360 x 480 pixels are made up and held as JPEG and PNG in memory. Crops
//! are 256 x 320 at ratios of 0.5 to 2, batches of 8; first each step alone on one thread, then the
//! loader, decoding every sample anew or keeping it decoded.
#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use upernet_data::augment::{Augmentation, Rotate};
use upernet_data::dataset::{self, DatasetOptions};
use upernet_data::loader::{Loader, LoaderOptions};
use upernet_data::pixels::image::{ImageFormat, Rgb, RgbImage};
use upernet_data::pixels::{
    DecodeLimits, LabelMap, Palette, decode_image, decode_label_png, encode_label_png,
};
use upernet_data::{Sample, SampleSource, random};

const CROP: [usize; 2] = [256, 320];
const BATCH: usize = 8;
/// Of so many rounds the fastest counts, since other programs only ever slow one down.
const ROUNDS: usize = 12;
/// How often a round does its work.
const REPEATS: usize = 48;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let source: Arc<dyn SampleSource> = match (arguments.next(), arguments.next()) {
        (Some(folder), Some(split)) => {
            let dataset = dataset::open(folder, &DatasetOptions::default())?;
            Arc::new(dataset.split(&split)?)
        }
        _ => Arc::new(MadeUp::new(64)?),
    };
    let no_colors = Augmentation {
        photometric_distortion: None,
        ..Augmentation::mmseg(CROP)
    };
    let turned = Augmentation {
        rotate: Some(Rotate {
            degrees: 10.0,
            probability: 1.0,
        }),
        ..no_colors.clone()
    };
    print_step("read", &source, &|index| {
        source.read(index)?;
        Ok(())
    })?;
    let decoded = (0..source.len().min(64))
        .map(|index| source.read(index))
        .collect::<Result<Vec<Sample>, _>>()?;
    for (name, augmentation) in [
        ("resize, crop, flip, pad", no_colors),
        ("the same and colours", Augmentation::mmseg(CROP)),
        ("the same, turned, no colours", turned),
    ] {
        print_step(name, &source, &|index| {
            let sample = &decoded[index % decoded.len()];
            augmentation.apply(sample, &mut random(0, 0, index as u64))?;
            Ok(())
        })?;
    }
    for workers in [0, 1, 2] {
        for cache_bytes in [0, 2 << 30] {
            print_loader(&source, workers, cache_bytes)?;
        }
    }
    Ok(())
}

type Step<'a> = &'a dyn Fn(usize) -> Result<(), upernet_data::Error>;

fn print_step(
    name: &str,
    source: &Arc<dyn SampleSource>,
    step: Step<'_>,
) -> Result<(), Box<dyn Error>> {
    let mut next = 0;
    let seconds = least_seconds(|| {
        next += 1;
        step(next % source.len())
    })?;
    let milliseconds = seconds * 1e3;
    println!(
        "{}",
        json!({ "step": name, "milliseconds": rounded(milliseconds) })
    );
    Ok(())
}

fn print_loader(
    source: &Arc<dyn SampleSource>,
    workers: usize,
    cache_bytes: u64,
) -> Result<(), Box<dyn Error>> {
    let options = LoaderOptions {
        batch_size: BATCH,
        augmentation: Augmentation::mmseg(CROP),
        workers,
        prefetch: 4,
        cache_bytes,
        ..LoaderOptions::default()
    };
    let mut loader = Loader::new(Arc::clone(source), options)?;
    let images = BATCH as f64 / least_seconds(|| loader.next_batch().map(drop))?;
    println!(
        "{}",
        json!({
            "workers": workers,
            "decoded": if cache_bytes == 0 { "each time" } else { "once" },
            "images_per_second": rounded(images),
        })
    );
    Ok(())
}

/// The time of one call in the fastest round.
fn least_seconds(
    mut work: impl FnMut() -> Result<(), upernet_data::Error>,
) -> Result<f64, upernet_data::Error> {
    let mut least = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..REPEATS {
            work()?;
        }
        least = least.min(start.elapsed().as_secs_f64());
    }
    Ok(least / REPEATS as f64)
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Waves with noise and bands of labels, encoded.
struct MadeUp {
    files: Vec<[Vec<u8>; 2]>,
    classes: Vec<String>,
}

impl MadeUp {
    fn new(count: u64) -> Result<Self, Box<dyn Error>> {
        let classes: Vec<String> = (0..11).map(|class| format!("class {class}")).collect();
        let files = (0..count)
            .map(|index| {
                let sample = waves(index)?;
                let mut photo = std::io::Cursor::new(Vec::new());
                sample.image.write_to(&mut photo, ImageFormat::Jpeg)?;
                let mask = encode_label_png(&sample.labels, &Palette::generated(classes.len()))?;
                Ok([photo.into_inner(), mask])
            })
            .collect::<Result<_, Box<dyn Error>>>()?;
        Ok(Self { files, classes })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "waves of 0 to 255, and of 0 to 10"
)]
fn waves(index: u64) -> Result<Sample, upernet_data::Error> {
    use rand::RngExt;

    let mut random = random(0, 0, index);
    let phase: f32 = random.random_range(0.0..6.0);
    let wave = |x: u32, y: u32| (x as f32 * 0.03 + phase).sin() + (y as f32 * 0.05).cos();
    let image = RgbImage::from_fn(480, 360, |x, y| {
        let noise: f32 = random.random_range(-12.0..12.0);
        Rgb([0.0, 1.0, 2.0].map(|channel| (128.0 + 50.0 * wave(x, y) + noise * channel) as u8))
    });
    let labels = (0..360 * 480).map(|at| ((wave(at % 480, at / 480) + 2.0) * 2.7) as u16);
    Ok(Sample {
        image,
        labels: LabelMap::new([360, 480], labels.collect())?,
    })
}

impl SampleSource for MadeUp {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn class_names(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        format!("waves_{index}")
    }

    fn read(&self, index: usize) -> Result<Sample, upernet_data::Error> {
        let [photo, mask] = &self.files[index];
        Ok(Sample {
            image: decode_image(photo, &DecodeLimits::default())?,
            labels: decode_label_png(mask, &DecodeLimits::default())?,
        })
    }
}
