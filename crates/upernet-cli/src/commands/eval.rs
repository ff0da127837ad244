//! `eval`: a model against a split.

use std::{path::Path, sync::Arc};

use serde::Serialize;
use upernet::{SegmenterOptions, nn::Precision};
use upernet_data::{
    SampleSource,
    dataset::{self, Dataset, DatasetOptions},
    loader::EvaluationSamples,
    scores::{AbsentClasses, BoundaryIou, Convention, Scores},
};

use crate::{
    cli::{AbsentName, DatasetArgs, EvalArgs},
    console::Console,
    failure::Failure,
    interrupt,
    model::{Chosen, load_segmenter},
    output::{Stdout, one_line},
    precision,
};

/// Samples that are read ahead.
const AHEAD: usize = 4;

pub(crate) fn run(args: &EvalArgs, console: Console) -> Result<(), Failure> {
    let mut chosen = Chosen::open(&args.device.device)?;
    let dataset = open(&args.data, &args.dataset, console)?;
    let split = Arc::new(dataset.split(&split_name(&dataset, args)?)?);
    let precision = precision::choose(args.precision, &chosen.found, console);
    let mut options = SegmenterOptions::default();
    options.precision = precision;
    let segmenter = load_segmenter(Some(&args.model), &options, &chosen, console)?;
    check_classes(
        &args.model,
        segmenter.class_names(),
        split.class_names(),
        console,
    )?;
    chosen.announce(console);

    let convention = Convention {
        absent_classes: match args.absent_classes {
            AbsentName::Skip => AbsentClasses::Skip,
            AbsentName::Zero => AbsentClasses::Zero,
        },
        ..Convention::default()
    };
    let num_labels = split.class_names().len();
    let mut matrix = convention.matrix(num_labels)?;
    let mut boundary = None;
    if args.boundary {
        boundary = Some(BoundaryIou::new(num_labels)?);
    }
    let bar = console.images_bar(split.len(), "scoring".to_owned());
    for read in EvaluationSamples::new(Arc::clone(&split) as Arc<dyn SampleSource>, 1, AHEAD)? {
        if interrupt::is_pending() {
            break;
        }
        let (_, sample) = read?;
        let predicted = segmenter.segment(&sample.image)?.labels;
        matrix.add(&sample.labels, &predicted)?;
        if let Some(boundary) = &mut boundary {
            boundary.add(&sample.labels, &predicted)?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    interrupt::finish();

    let mut scores = Scores::new(&matrix, convention);
    if let Some(boundary) = &boundary {
        scores = scores.with_boundary(boundary);
    }
    if args.json {
        let rows = matrix.rows().map(<[u64]>::to_vec).collect();
        return Stdout::default().print_json(&Report {
            model: &args.model,
            data: &args.data,
            split: split.split_name(),
            images: split.len(),
            device: &chosen.found.name,
            precision: precision_name(precision),
            class_names: split.class_names(),
            convention: convention.to_string(),
            scores: &scores,
            confusion_matrix: rows,
        });
    }
    let names = split.class_names().iter().map(|name| one_line(name));
    let names: Vec<String> = names.collect();
    Stdout::default().print(&format!("{}\n", scores.table(&names)))
}

/// Opens a dataset as the arguments say and tells which layout it is.
pub(crate) fn open(path: &Path, args: &DatasetArgs, console: Console) -> Result<Dataset, Failure> {
    let dataset = dataset::open(path, &options(args)?)?;
    console.note(&format!("data: {}", dataset.layout()));
    console.note(&format!("labels: {}", dataset.label_mapping()));
    Ok(dataset)
}

/// How the arguments say a dataset is read.
pub(crate) fn options(args: &DatasetArgs) -> Result<DatasetOptions, Failure> {
    let layout = match &args.layout {
        Some(name) => {
            let value = serde_json::Value::String(name.clone());
            let layout = serde_json::from_value(value);
            Some(layout.map_err(|error| Failure::Usage(format!("--layout {name}: {error}")))?)
        }
        None => None,
    };
    Ok(DatasetOptions {
        layout,
        // Paths of the command line are relative to where it runs, not to the dataset.
        label_map_file: args
            .label_map
            .as_ref()
            .map(std::path::absolute)
            .transpose()
            .map_err(|error| Failure::Usage(format!("--label-map: {error}")))?,
        num_classes: args.num_classes.map(usize::from),
        ignore: args.ignore.clone(),
        unpaired: if args.skip_unpaired {
            dataset::Unpaired::Skip
        } else {
            dataset::Unpaired::Refuse
        },
        ..DatasetOptions::default()
    })
}

fn split_name(dataset: &Dataset, args: &EvalArgs) -> Result<String, Failure> {
    if let Some(name) = &args.split {
        return Ok(name.clone());
    }
    match (dataset.validation_split(), dataset.splits().as_slice()) {
        (Some(name), _) => Ok(name.to_owned()),
        (None, [only]) => Ok((*only).to_owned()),
        (None, several) => Err(Failure::Usage(format!(
            "{}: say which split to score with --split; there are {}",
            args.data.display(),
            several.join(", ")
        ))),
    }
}

/// A model and a dataset must mean the same by an id.
fn check_classes(
    model: &str,
    of_model: &[String],
    of_data: &[String],
    console: Console,
) -> Result<(), Failure> {
    if of_model.len() != of_data.len() {
        return Err(Failure::BadData(format!(
            "{model} has {} classes and the dataset {}; give a label map from the dataset's to the model's \
             with --label-map",
            of_model.len(),
            of_data.len()
        )));
    }
    let mut pairs = of_model.iter().zip(of_data).enumerate();
    if let Some((id, (model, data))) = pairs.find(|(_, (model, data))| !same_name(model, data)) {
        console.note(&format!(
            "class {id} is {model:?} to the model and {data:?} to the dataset; ids are what is compared"
        ));
    }
    Ok(())
}

fn same_name(left: &str, right: &str) -> bool {
    left.trim().eq_ignore_ascii_case(right.trim())
}

#[derive(Serialize)]
struct Report<'a> {
    model: &'a str,
    data: &'a Path,
    split: &'a str,
    images: usize,
    device: &'a str,
    precision: &'static str,
    class_names: &'a [String],
    convention: String,
    scores: &'a Scores,
    confusion_matrix: Vec<Vec<u64>>,
}

fn precision_name(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "f32",
        Precision::Bf16 => "bf16",
    }
}
