//! A photo in, a mask and an overlay out.
//!
//!     cargo run --release -p upernet --example segment_photo -- MODEL PHOTO OUT
//!
//! Without arguments: the toy model of `testdata/tiny` (random weights) on its own drawing, into a
//! folder of the system's temporary directory.
#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use std::{env, fs, path::PathBuf};

// ANCHOR: library
use upernet::{
    Segmenter, device,
    pixels::{Overwrite, write_label_png},
};

fn segment(model: &str, photo: &str, mask: &str) -> Result<(), upernet::Error> {
    let segmenter = Segmenter::open(model, &device::open("auto")?)?;
    let labels = segmenter.segment_file(photo)?.labels;
    for area in labels.class_areas() {
        let name = segmenter.class_name(area.label);
        println!("{:>5.1} %  {name}", 100.0 * area.fraction);
    }
    write_label_png(mask, &labels, segmenter.palette(), Overwrite::Replace)?;
    Ok(())
}
// ANCHOR_END: library

// ANCHOR: overlay
use upernet::pixels::{DecodeLimits, Palette, overlay, read_image, read_label_png, write_png};

fn lay_over(photo: &str, mask: &str, picture: &str) -> Result<(), upernet::Error> {
    let limits = DecodeLimits::default();
    let (photo, labels) = (read_image(photo, &limits)?, read_label_png(mask, &limits)?);
    let blended = overlay(&photo, &labels, &Palette::generated(256), 0.5)?;
    write_png(picture, &blended, Overwrite::Replace)?;
    Ok(())
}
// ANCHOR_END: overlay

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [model, photo, out] = match arguments.as_slice() {
        [] => defaults(),
        [model, photo, out] => [model.clone(), photo.clone(), out.clone()],
        _ => return Err("usage: segment_photo [MODEL PHOTO OUT]".into()),
    };
    fs::create_dir_all(&out)?;
    let [mask, picture] = ["mask", "overlay"].map(|name| format!("{out}/{name}.png"));
    segment(&model, &photo, &mask)?;
    lay_over(&photo, &mask, &picture)?;
    println!("wrote {mask} and {picture}");
    Ok(())
}

fn defaults() -> [String; 3] {
    let tiny = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/tiny");
    let out = env::temp_dir().join("upernet-segment-photo");
    [tiny.clone(), tiny.join("photo.jpg"), out].map(|path| path.display().to_string())
}
