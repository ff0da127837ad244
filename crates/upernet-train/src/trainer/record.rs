//! What a run folder shows to the eye.

use std::path::Path;

use upernet::pixels::{Overwrite, image::RgbImage, write_png};

use crate::{
    Error,
    folder::failed,
    journal::Entry,
    plots::{
        AxisScale, ConfusionChart, CurveChart, Panel, SampleRow, SampleSheet, Series, SeriesStyle,
        confusion as confusion_chart, curves, sample_sheet,
    },
    validate::Validation,
};

/// Draws the curves so far and what the model predicts now.
pub(super) fn pictures(
    folder: &Path,
    step: u64,
    validation: &Validation,
    entries: &[Entry],
) -> Result<(), Error> {
    write(&folder.join("curves.png"), &curves(&chart(entries)))?;
    if validation.pictures.is_empty() {
        return Ok(());
    }
    let samples = folder.join("samples");
    std::fs::create_dir_all(&samples).map_err(failed(&samples, "make the folder"))?;
    let rows = validation.pictures.iter().map(|picture| SampleRow {
        caption: picture.name.clone(),
        pictures: vec![&picture.photo, &picture.truth, &picture.prediction],
    });
    let sheet = SampleSheet {
        title: format!("step {step}"),
        columns: ["photo", "labels", "prediction"]
            .map(str::to_owned)
            .to_vec(),
        rows: rows.collect(),
        classes: Vec::new(),
    };
    write(
        &samples.join(format!("step-{step:08}.png")),
        &sample_sheet(&sheet),
    )
}

/// Draws which class was taken for which.
pub(super) fn confusion(
    folder: &Path,
    validation: &Validation,
    class_names: &[String],
) -> Result<(), Error> {
    let rows: Vec<Vec<u64>> = validation.matrix.rows().map(<[u64]>::to_vec).collect();
    let chart = ConfusionChart {
        class_names,
        rows: &rows,
    };
    write(&folder.join("confusion.png"), &confusion_chart(&chart))
}

fn write(path: &Path, picture: &RgbImage) -> Result<(), Error> {
    Ok(write_png(path, picture, Overwrite::Replace)?)
}

fn chart(entries: &[Entry]) -> CurveChart {
    let train = |value: fn(&crate::journal::TrainEntry) -> f64| {
        let points = entries.iter().filter_map(move |entry| match entry {
            Entry::Train(entry) => Some([entry.step as f64, value(entry)]),
            Entry::Validation(_) => None,
        });
        points.collect::<Vec<_>>()
    };
    let scores = |value: fn(&crate::journal::ValidationEntry) -> f64| {
        let points = entries.iter().filter_map(move |entry| match entry {
            Entry::Validation(entry) => Some([entry.step as f64, 100.0 * value(entry)]),
            Entry::Train(_) => None,
        });
        points.collect::<Vec<_>>()
    };
    let series = |name: &str, points, style| Series {
        name: name.to_owned(),
        points,
        style,
    };
    let panel = |title: &str, scale, series| Panel {
        title: title.to_owned(),
        scale,
        series,
    };
    CurveChart {
        title: "training".to_owned(),
        x_label: "step".to_owned(),
        panels: vec![
            panel(
                "loss",
                AxisScale::Linear,
                vec![series(
                    "loss",
                    train(|entry| entry.loss),
                    SeriesStyle::Smoothed,
                )],
            ),
            panel(
                "scores on the validation split, percent",
                AxisScale::Linear,
                vec![
                    series("mIoU", scores(|entry| entry.mean_iou), SeriesStyle::Dots),
                    series(
                        "aAcc",
                        scores(|entry| entry.pixel_accuracy),
                        SeriesStyle::Dots,
                    ),
                ],
            ),
            panel(
                "learning rate",
                AxisScale::Linear,
                vec![series(
                    "rate",
                    train(|entry| entry.learning_rate),
                    SeriesStyle::Line,
                )],
            ),
            panel(
                "norm of the gradients",
                AxisScale::Logarithmic,
                vec![series(
                    "norm",
                    train(|entry| entry.gradient_norm),
                    SeriesStyle::Smoothed,
                )],
            ),
        ],
    }
}
