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
    pixels::{DecodeLimits, Overwrite, overlay, read_image, write_label_png, write_png},
};

fn segment(model: &str, photo: &str, out: &str) -> Result<(), upernet::Error> {
    let segmenter = Segmenter::open(model, &device::open("auto")?)?;
    let photo = read_image(photo, &DecodeLimits::default())?;
    let labels = segmenter.segment(&photo)?.labels;
    for area in labels.class_areas() {
        let name = segmenter.class_name(area.label);
        println!("{:>5.1} %  {name}", 100.0 * area.fraction);
    }
    let palette = segmenter.palette();
    let picture = overlay(&photo, &labels, palette, 0.5)?;
    write_label_png(
        format!("{out}/mask.png"),
        &labels,
        palette,
        Overwrite::Replace,
    )?;
    write_png(format!("{out}/overlay.png"), &picture, Overwrite::Replace)?;
    Ok(())
}
// ANCHOR_END: library

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [model, photo, out] = match arguments.as_slice() {
        [] => defaults(),
        [model, photo, out] => [model.clone(), photo.clone(), out.clone()],
        _ => return Err("usage: segment_photo [MODEL PHOTO OUT]".into()),
    };
    fs::create_dir_all(&out)?;
    segment(&model, &photo, &out)?;
    println!("wrote mask.png and overlay.png to {out}");
    Ok(())
}

fn defaults() -> [String; 3] {
    let tiny = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/tiny");
    let out = env::temp_dir().join("upernet-segment-photo");
    [tiny.clone(), tiny.join("photo.jpg"), out].map(|path| path.display().to_string())
}
