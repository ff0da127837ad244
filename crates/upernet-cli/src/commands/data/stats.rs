//! `data stats`: how much there is of each class.

use serde::Serialize;
use upernet_data::{
    Error, SampleSource,
    class_weights::{ClassCounts, ClassWeights},
    dataset::Dataset,
};

use crate::{
    cli::LookArgs,
    commands::eval::open,
    console::Console,
    failure::Failure,
    output::{Align, Stdout, Table, one_line},
};

#[derive(Serialize)]
struct Report<'a> {
    layout: String,
    splits: Vec<SplitSize<'a>>,
    classes: Vec<Class<'a>>,
}

#[derive(Serialize)]
struct Class<'a> {
    name: &'a str,
    pixels: u64,
    share: f64,
    inverse_frequency: f32,
    median_frequency: f32,
    enet: f32,
}

pub(super) fn run(look: &LookArgs, split: Option<&str>, console: Console) -> Result<(), Failure> {
    let dataset = open(&look.path, &look.dataset, console)?;
    let names = match split {
        Some(name) => vec![name],
        None => dataset.splits(),
    };
    let (counts, splits) = count(&dataset, &names)?;
    let weights = |method: ClassWeights| method.weights(&counts);
    let inverse = weights(ClassWeights::InverseFrequency)?;
    let median = weights(ClassWeights::MedianFrequency)?;
    let enet = weights(ClassWeights::Enet)?;
    let total = counts.pixels.iter().sum::<u64>().max(1) as f64;
    let classes = dataset.class_names().iter().enumerate();
    let classes = classes.map(|(id, name)| Class {
        name,
        pixels: counts.pixels[id],
        share: counts.pixels[id] as f64 / total,
        inverse_frequency: inverse[id],
        median_frequency: median[id],
        enet: enet[id],
    });
    let report = Report {
        layout: dataset.layout().to_string(),
        splits,
        classes: classes.collect(),
    };
    if look.json {
        return Stdout::default().print_json(&report);
    }
    print(&report)
}

/// A split's name and its number of samples.
type SplitSize<'a> = (&'a str, usize);

fn count<'a>(
    dataset: &Dataset,
    names: &[&'a str],
) -> Result<(ClassCounts, Vec<SplitSize<'a>>), Error> {
    let mut counts = ClassCounts::new(dataset.class_names().len());
    let mut splits = Vec::new();
    for &name in names {
        let split = dataset.split(name)?;
        counts.merge(&ClassCounts::scan(&split)?)?;
        splits.push((name, split.len()));
    }
    Ok((counts, splits))
}

fn print(report: &Report<'_>) -> Result<(), Failure> {
    let mut stdout = Stdout::default();
    for (name, samples) in &report.splits {
        stdout.print(&format!("{}: {samples} samples\n", one_line(name)))?;
    }
    let mut table = Table::new(&[
        ("class", Align::Left),
        ("pixels", Align::Right),
        ("share", Align::Right),
        ("inverse_frequency", Align::Right),
        ("median_frequency", Align::Right),
        ("enet", Align::Right),
    ]);
    for class in &report.classes {
        table.row([
            class.name.to_owned(),
            class.pixels.to_string(),
            format!("{:.2} %", 100.0 * class.share),
            format!("{:.2}", class.inverse_frequency),
            format!("{:.2}", class.median_frequency),
            format!("{:.2}", class.enet),
        ]);
    }
    stdout.print(&table.to_string())
}
