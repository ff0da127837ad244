//! `demo`: a scene nobody has seen, its mask, and how good it is.

use std::{fs, path::Path};

use serde::Serialize;
use upernet::{
    Segmenter, demo,
    pixels::{LabelMap, Overwrite, image::RgbImage, overlay, write_label_png, write_png},
};
use upernet_data::{
    scores::{ConfusionMatrix, Convention, Scores},
    synth::{SceneOptions, render},
};

use crate::{
    cli::DemoArgs,
    console::Console,
    failure::Failure,
    interrupt,
    model::Chosen,
    output::{Align, Stdout, Table, one_line},
};

/// Height and width of the scene, and least width of what is thin: those of the scenes that the model was
/// trained on last.
const SIZE: [usize; 2] = [384, 480];
/// Least width of what is thin: that of the scenes that the model was trained on.
const LEAST_WIDTH: f32 = 0.028;
/// Seed of all demo scenes, of which the user's is one; training and its validation have 1 and 2.
const SCENES: u64 = 0x0064_656d_6f00;
/// Share of the class colours over the scene.
const OPACITY: f32 = 0.6;

pub(crate) fn run(args: &DemoArgs, console: Console) -> Result<(), Failure> {
    let overwrite = if args.force {
        Overwrite::Replace
    } else {
        refuse_existing(&args.out)?;
        Overwrite::Refuse
    };
    let mut chosen = Chosen::open(&args.device.device)?;
    let segmenter = Segmenter::load(&demo::model()?, &chosen.found.device, |_| {})?;
    let options = SceneOptions::new(SIZE)?.with_least_width(LEAST_WIDTH)?;
    let scene = render(&options, SCENES, args.seed);
    let labels = segmenter.segment(&scene.image)?.labels;
    let mut matrix = ConfusionMatrix::new(segmenter.class_names().len())?;
    matrix.add(&scene.labels, &labels)?;
    let scores = Scores::new(&matrix, Convention::default());

    let pictures = Pictures {
        scene: &scene.image,
        truth: &scene.labels,
        mask: &labels,
    };
    pictures.write(&args.out, &segmenter, overwrite)?;
    chosen.announce(console);
    console.note(&format!(
        "scene {} of {} x {} pixels, segmented by {}",
        args.seed,
        SIZE[0],
        SIZE[1],
        demo::ABOUT
    ));
    report(args, &segmenter, &labels, &scores)
}

fn refuse_existing(out: &Path) -> Result<(), Failure> {
    let found = NAMES
        .iter()
        .map(|name| out.join(name))
        .find(|path| path.exists());
    match found {
        Some(path) => Err(Failure::Failed(format!(
            "{}: already exists; use --force to replace it, or another --out",
            path.display()
        ))),
        None => Ok(()),
    }
}

/// The files, in the order in which they are written.
const NAMES: [&str; 4] = ["scene.png", "truth.png", "overlay.png", "mask.png"];

struct Pictures<'a> {
    scene: &'a RgbImage,
    truth: &'a LabelMap,
    mask: &'a LabelMap,
}

impl Pictures<'_> {
    fn write(
        &self,
        out: &Path,
        segmenter: &Segmenter,
        overwrite: Overwrite,
    ) -> Result<(), Failure> {
        let _whole = interrupt::writing();
        fs::create_dir_all(out).map_err(|error| {
            Failure::Failed(format!(
                "{}: cannot make the folder: {error}",
                out.display()
            ))
        })?;
        let palette = segmenter.palette();
        let [scene, truth, tinted, mask] = NAMES.map(|name| out.join(name));
        write_png(scene, self.scene, overwrite)?;
        write_label_png(truth, self.truth, palette, overwrite)?;
        let picture = overlay(self.scene, self.mask, palette, OPACITY)?;
        write_png(tinted, &picture, overwrite)?;
        write_label_png(mask, self.mask, palette, overwrite)?;
        Ok(())
    }
}

#[derive(Serialize)]
struct Report<'a> {
    seed: u64,
    size: [usize; 2],
    out: &'a Path,
    class_names: &'a [String],
    scores: &'a Scores,
}

fn report(
    args: &DemoArgs,
    segmenter: &Segmenter,
    labels: &LabelMap,
    scores: &Scores,
) -> Result<(), Failure> {
    let mut stdout = Stdout::default();
    if args.json {
        return stdout.print_json(&Report {
            seed: args.seed,
            size: SIZE,
            out: &args.out,
            class_names: segmenter.class_names(),
            scores,
        });
    }
    let mut table = Table::new(&[
        ("class", Align::Left),
        ("area", Align::Right),
        ("IoU", Align::Right),
    ]);
    for area in labels.class_areas() {
        let class = &scores.classes[usize::from(area.label)];
        table.row([
            segmenter.class_name(area.label).to_owned(),
            format!("{:.1} %", 100.0 * area.fraction),
            percent(class.iou),
        ]);
    }
    stdout.print(&table.to_string())?;
    stdout.print(&format!(
        "\nmIoU {} against the scene's own mask; {} shows it\n",
        percent(scores.mean_iou),
        one_line(&args.out.join("overlay.png").display().to_string())
    ))
}

fn percent(score: Option<f64>) -> String {
    score.map_or_else(|| "-".to_owned(), |score| format!("{:.1}", 100.0 * score))
}
