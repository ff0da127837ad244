//! `data`: check, look at, divide, convert and make datasets.

mod stats;

use std::{fs, path::Path};

use upernet::pixels::{Overwrite, write_png};
use upernet_data::{
    SampleSource, check,
    dataset::{self, ContactSheet, contact_sheet},
    synth::{self, PhotoFormat, SceneOptions},
};

use crate::{
    cli::{DataVerb, DatasetArgs, LookArgs},
    commands::eval::{open, options},
    console::Console,
    failure::{Code, Failure},
    interrupt,
    output::{Stdout, one_line},
};

pub(crate) fn run(verb: &DataVerb, console: Console) -> Result<(), Failure> {
    match verb {
        DataVerb::Check(look) => check(look),
        DataVerb::Stats { look, split } => stats::run(look, split.as_deref(), console),
        DataVerb::Preview {
            path,
            dataset,
            out,
            split,
            count,
            force,
        } => {
            let split = split.as_deref();
            let count = usize::from(*count);
            preview(path, dataset, split, count, out, overwrite(*force), console)
        }
        DataVerb::Split {
            path,
            dataset,
            validation,
            seed,
            force,
        } => split(path, dataset, *validation, *seed, overwrite(*force)),
        DataVerb::Convert {
            path,
            dataset,
            out,
            force,
        } => convert(path, dataset, out, overwrite(*force), console),
        DataVerb::Synth {
            count,
            size,
            least_width,
            seed,
            validation,
            out,
            force,
        } => {
            let scenes = SceneOptions::new(*size)?;
            let options = synth::DatasetOptions {
                scenes: match least_width {
                    Some(least_width) => scenes.with_least_width(*least_width)?,
                    None => scenes,
                },
                count: *count as usize,
                seed: *seed,
                validation_share: f64::from(*validation),
                photos: PhotoFormat::Png,
                overwrite: overwrite(*force),
            };
            synth(&options, out, console)
        }
    }
}

fn overwrite(force: bool) -> Overwrite {
    if force {
        Overwrite::Replace
    } else {
        Overwrite::Refuse
    }
}

fn check(look: &LookArgs) -> Result<(), Failure> {
    let report = check::check_folder(&look.path, &options(&look.dataset)?)?;
    let mut stdout = Stdout::default();
    if look.json {
        stdout.print_json(&report)?;
    } else {
        stdout.print(&format!("{}\n", escaped(&report)))?;
    }
    if report.has_errors() {
        return Err(Failure::Reported(Code::BadData));
    }
    Ok(())
}

/// The report with each of its texts on one line.
fn escaped(report: &check::Report) -> check::Report {
    let mut report = report.clone();
    let texts = [Some(&mut report.layout), report.label_mapping.as_mut()];
    let splits = report.splits.iter_mut().map(|split| &mut split.name);
    let values = report
        .values
        .iter_mut()
        .flat_map(|value| [Some(&mut value.value), value.class.as_mut()]);
    let problems = report.problems.iter_mut().flat_map(|problem| {
        let words = [&mut problem.what, &mut problem.fix];
        words.into_iter().chain(&mut problem.files)
    });
    let texts = texts.into_iter().chain(values).flatten();
    for text in texts.chain(splits).chain(problems) {
        *text = one_line(text);
    }
    report
}

fn preview(
    path: &Path,
    args: &DatasetArgs,
    split: Option<&str>,
    count: usize,
    out: &Path,
    overwrite: Overwrite,
    console: Console,
) -> Result<(), Failure> {
    let dataset = open(path, args, console)?;
    let name = split.or_else(|| dataset.splits().first().copied());
    let split = dataset.split(name.unwrap_or_default())?;
    let indices = upernet_train::validate::spread(split.len(), Some(count));
    let sheet = contact_sheet(&split, &indices, ContactSheet::default())?;
    let _whole = interrupt::writing();
    write_png(out, &sheet, overwrite)?;
    Ok(())
}

fn split(
    path: &Path,
    args: &DatasetArgs,
    validation: f32,
    seed: u64,
    overwrite: Overwrite,
) -> Result<(), Failure> {
    let validation = f64::from(validation);
    let shares = [("training", 1.0 - validation), ("validation", validation)];
    let _whole = interrupt::writing();
    let sizes = dataset::split_folder(path, &options(args)?, &shares, seed, overwrite)?;
    print_sizes(&sizes)
}

fn convert(
    path: &Path,
    args: &DatasetArgs,
    out: &Path,
    overwrite: Overwrite,
    console: Console,
) -> Result<(), Failure> {
    let dataset = open(path, args, console)?;
    let _whole = interrupt::writing();
    let sizes = dataset::convert(&dataset, out, overwrite)?;
    print_sizes(&sizes)
}

fn synth(options: &synth::DatasetOptions, out: &Path, console: Console) -> Result<(), Failure> {
    let bar = console.images_bar(options.count, "drawing".to_owned());
    let _whole = interrupt::writing();
    if let Some(parent) = out.parent() {
        fs::create_dir_all(parent).map_err(|error| {
            Failure::Failed(format!(
                "{}: cannot make the folder: {error}",
                parent.display()
            ))
        })?;
    }
    let written = synth::write_dataset(out, options, || bar.inc(1))?;
    bar.finish_and_clear();
    print_sizes(&[
        ("training".to_owned(), written.training),
        ("validation".to_owned(), written.validation),
    ])
}

fn print_sizes(sizes: &[(String, usize)]) -> Result<(), Failure> {
    let mut stdout = Stdout::default();
    for (name, samples) in sizes.iter().filter(|(_, samples)| *samples > 0) {
        stdout.print(&format!("{}: {samples} samples\n", one_line(name)))?;
    }
    Ok(())
}
