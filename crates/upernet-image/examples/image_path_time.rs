//! Times the steps around the network: `cargo run --release -p upernet-image --example image_path_time`.
//!
//! 150 classes from 128 x 128 through 512 x 512 to 1536 x 2048, against the version that materialises
//! both resizes, and the processor on a photo of that size. `RAYON_NUM_THREADS` sets the threads.
#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

use std::time::{Duration, Instant};

use rayon::prelude::*;
use upernet_image::{
    ImageProcessor, LabelMap, Logits, Overwrite, Palette, image::RgbImage, overlay,
    write_atomically,
};

const NUM_LABELS: usize = 150;
const GRID: [usize; 2] = [128, 128];
const MODEL: [usize; 2] = [512, 512];
const PHOTO: [usize; 2] = [1536, 2048];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("threads {}", rayon::current_num_threads());
    for (name, values) in [("smooth", smooth_logits()), ("noise", noise_logits())] {
        let (fused_time, fused) = best_of(5, || {
            let logits = Logits::new(&values, NUM_LABELS, GRID)?;
            logits.argmax_resized(MODEL, PHOTO)
        })?;
        let (slow_time, slow) = best_of(1, || materialised(&values))?;
        let differ = fused
            .labels()
            .iter()
            .zip(slow.labels())
            .filter(|(a, b)| a != b)
            .count();
        println!(
            "{name}: fused {fused_time:?}, materialised {slow_time:?}, {differ} pixels differ"
        );
    }

    let values = smooth_logits();
    let logits = Logits::new(&values, NUM_LABELS, GRID)?;
    let folder = tempfile::tempdir()?;
    let (save_time, ()) = best_of(1, || {
        write_atomically(
            folder.path().join("logits.bin"),
            Overwrite::Refuse,
            |file| {
                logits.stream_resized(MODEL, PHOTO, |piece| {
                    let bytes: Vec<u8> =
                        piece.iter().flat_map(|value| value.to_le_bytes()).collect();
                    file.write_all(&bytes)
                })
            },
        )
    })?;
    println!("all logits streamed to a file: {save_time:?}");

    let photo = RgbImage::from_fn(2048, 1536, |x, y| image::Rgb([x, y, x ^ y].map(low_byte)));
    let (time, _) = best_of(5, || ImageProcessor::default().process(&photo))?;
    println!("processor, 1536 x 2048 to 512 x 512: {time:?}");
    let labels = logits.argmax_resized(MODEL, PHOTO)?;
    let (time, _) = best_of(5, || overlay(&photo, &labels, &Palette::ade20k(), 0.5))?;
    println!("overlay: {time:?}");
    let (time, bytes) = best_of(3, || {
        upernet_image::encode_label_png(&labels, &Palette::ade20k())
    })?;
    println!("label PNG: {time:?}, {} bytes", bytes.len());
    let (time, bytes) = best_of(3, || upernet_image::encode_png(&photo))?;
    println!("photo PNG: {time:?}, {} bytes", bytes.len());
    Ok(())
}

fn best_of<T, E>(runs: usize, run: impl Fn() -> Result<T, E>) -> Result<(Duration, T), E> {
    let timed = || {
        let start = Instant::now();
        run().map(|result| (start.elapsed(), result))
    };
    let mut best = timed()?;
    for _ in 1..runs {
        let next = timed()?;
        if next.0 < best.0 {
            best = next;
        }
    }
    Ok(best)
}

/// Waves of a length that differs between classes: like a trained network, few classes are near the top.
fn smooth_logits() -> Vec<f32> {
    let value = |label: usize, y: usize, x: usize| {
        let phase = label as f32;
        let wave = (y as f32 * 0.09 + phase).sin() + (x as f32 * 0.07 + 1.7 * phase).cos();
        4.0 * wave - 0.02 * phase
    };
    values(value)
}

/// White noise: the bounds leave out nearly no class.
fn noise_logits() -> Vec<f32> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 16_777_216.0
    };
    (0..NUM_LABELS * GRID[0] * GRID[1])
        .map(|_| next())
        .collect()
}

fn values(value: impl Fn(usize, usize, usize) -> f32) -> Vec<f32> {
    let mut values = Vec::with_capacity(NUM_LABELS * GRID[0] * GRID[1]);
    for label in 0..NUM_LABELS {
        for y in 0..GRID[0] {
            values.extend((0..GRID[1]).map(|x| value(label, y, x)));
        }
    }
    values
}

/// Both resizes in full (all threads), then the argmax.
fn materialised(values: &[f32]) -> Result<LabelMap, upernet_image::Error> {
    let logits = Logits::new(values, NUM_LABELS, GRID)?;
    let middle = logits.resized(GRID, MODEL)?;
    let full = Logits::new(&middle, NUM_LABELS, MODEL)?.resized(MODEL, PHOTO)?;
    let pixels = PHOTO[0] * PHOTO[1];
    let labels = (0..pixels)
        .into_par_iter()
        .map(|pixel| {
            let mut best = (0, f32::NEG_INFINITY);
            for (label, plane) in (0_u16..).zip(full.chunks_exact(pixels)) {
                if plane[pixel] > best.1 {
                    best = (label, plane[pixel]);
                }
            }
            best.0
        })
        .collect();
    LabelMap::new(PHOTO, labels)
}

fn low_byte(value: u32) -> u8 {
    value.to_le_bytes()[0]
}
