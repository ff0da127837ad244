//! Writes synthetic scenes as pictures: photo, mask and overlay.
//!
//! `cargo run --release -p upernet-data --example scenes -- OUT COUNT SEED HxW`

use std::{error::Error, path::Path, time::Instant};

use upernet_data::{
    Sample, SampleSource,
    pixels::{Overwrite, Palette, overlay, write_label_png, write_png},
    synth::{SceneOptions, Scenes},
};

#[allow(clippy::print_stdout, reason = "the example reports what it drew")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [out, count, seed, size] = arguments.as_slice() else {
        return Err("usage: scenes OUT COUNT SEED HxW".into());
    };
    let (height, width) = size.split_once('x').ok_or("a size is HxW, as 256x320")?;
    let options = SceneOptions::new([height.parse()?, width.parse()?])?;
    let scenes = Scenes::new(count.parse()?, options, seed.parse()?);
    std::fs::create_dir_all(out)?;
    let mut areas = vec![0_usize; scenes.class_names().len()];
    let mut seconds = 0.0;
    for index in 0..scenes.len() {
        let start = Instant::now();
        let scene = scenes.read(index)?;
        seconds += start.elapsed().as_secs_f64();
        for &label in scene.labels.labels() {
            areas[usize::from(label)] += 1;
        }
        write(Path::new(out), &scenes.name(index), &scene)?;
    }
    let all: usize = areas.iter().sum();
    for (name, area) in scenes.class_names().iter().zip(areas) {
        println!("{name:12} {:6.2} %", 100.0 * area as f64 / all as f64);
    }
    println!(
        "{:.1} scenes/s on one thread",
        scenes.len() as f64 / seconds
    );
    Ok(())
}

fn write(out: &Path, name: &str, scene: &Sample) -> Result<(), Box<dyn Error>> {
    let (palette, again) = (Palette::camvid(), Overwrite::Replace);
    let picture = overlay(&scene.image, &scene.labels, &palette, 0.5)?;
    write_png(out.join(format!("{name}.png")), &scene.image, again)?;
    write_png(out.join(format!("{name}_overlay.png")), &picture, again)?;
    write_label_png(
        out.join(format!("{name}_mask.png")),
        &scene.labels,
        &palette,
        again,
    )?;
    Ok(())
}
