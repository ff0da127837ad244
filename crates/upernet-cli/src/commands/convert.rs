//! `convert`: another library's weights to a Hugging Face folder, with every tensor accounted for.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use serde::Serialize;
use serde_json::{Value, json};
use upernet::{
    hf::{Overwrite, weights::StoredAs},
    zoo::{ConfigOrigin, Conversion, ConvertOptions, Converted, WeightFormat, convert},
};

use super::models::any_device;
use crate::{
    cli::{ConvertArgs, Dtype, Format},
    console::Console,
    failure::Failure,
    output::{Stdout, one_line},
};

#[derive(Serialize)]
struct Document<'a> {
    source: &'a Path,
    destination: &'a Path,
    /// `upernet` or `backbone`.
    made: &'static str,
    dialect: &'static str,
    dtype: &'static str,
    backbone: &'static str,
    num_labels: Option<usize>,
    /// Path of a config.json, or null if the shapes of the tensors tell it.
    config: Option<&'a Path>,
    assumed: &'a [String],
    keys: Keys<'a>,
    /// Other weights in the file, which were left alone.
    other_weights: &'a [String],
    files: &'a [std::path::PathBuf],
}

#[derive(Serialize)]
struct Keys<'a> {
    applied: &'a [String],
    split: &'a [String],
    reordered: &'a [String],
    ignored: &'a [String],
    dropped: Vec<Value>,
    missing: Vec<Value>,
}

pub(super) fn run(args: &ConvertArgs, console: Console) -> Result<(), Failure> {
    let mut options = ConvertOptions::default();
    options.config.clone_from(&args.config);
    options.stored = match args.dtype {
        Dtype::F32 => StoredAs::F32,
        Dtype::F16 => StoredAs::F16,
        Dtype::Bf16 => StoredAs::Bf16,
        Dtype::Int8 => StoredAs::Int8,
    };
    options.format = match args.format {
        Format::Safetensors => WeightFormat::Safetensors,
        Format::Burnpack => WeightFormat::Burnpack,
    };
    if args.force {
        options.overwrite = Overwrite::Replace;
    }
    let done = convert(&args.source, &args.destination, &options, &any_device()?)?;
    let mut stdout = Stdout::default();
    if args.json {
        stdout.print_json(&document(args, &options, &done))
    } else {
        stdout.print(&text(args, &done, console.is_verbose()))
    }
}

fn document<'a>(
    args: &'a ConvertArgs,
    options: &ConvertOptions,
    done: &'a Conversion,
) -> Document<'a> {
    let dropped = done.keys.dropped.iter();
    let missing = done.absent.iter();
    Document {
        source: &args.source,
        destination: &args.destination,
        made: match done.made {
            Converted::Backbone => "backbone",
            _ => "upernet",
        },
        dialect: done.keys.dialect.name(),
        dtype: options.stored.name(),
        backbone: done.config.backbone.model_type(),
        num_labels: (done.made == Converted::UperNet).then(|| done.config.num_labels()),
        config: match &done.config_origin {
            ConfigOrigin::File(path) => Some(path),
            _ => None,
        },
        assumed: &done.assumed,
        keys: Keys {
            applied: &done.keys.applied,
            split: &done.keys.split,
            reordered: &done.keys.reordered,
            ignored: &done.keys.ignored,
            dropped: dropped
                .map(|dropped| json!({"key": dropped.key, "why": dropped.reason}))
                .collect(),
            missing: missing
                .map(|absent| json!({"key": absent.key, "why": absent.reason}))
                .collect(),
        },
        other_weights: &done.other_weights,
        files: &done.files,
    }
}

fn text(args: &ConvertArgs, done: &Conversion, verbose: bool) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<10}  {}", one_line(value));
    };
    let title = done.config.backbone.title();
    let made = match done.made {
        Converted::Backbone => format!("a {title} backbone"),
        _ => format!("a UPerNet on {title}, {} classes", done.config.num_labels()),
    };
    line("source", &args.source.display().to_string());
    line("names", done.keys.dialect.title());
    line("made", &made);
    line(
        "config",
        &match &done.config_origin {
            ConfigOrigin::File(path) => path.display().to_string(),
            _ => "told by the shapes of the tensors".to_owned(),
        },
    );
    if !done.assumed.is_empty() {
        line(
            "assumed",
            &format!("{} (no tensor tells)", done.assumed.join("; ")),
        );
    }
    let keys = &done.keys;
    let mut applied = format!("{} tensors", keys.applied.len());
    if !keys.split.is_empty() {
        let _ = write!(
            applied,
            ", {} of them split from fused ones",
            keys.split.len()
        );
    }
    if !keys.reordered.is_empty() {
        let _ = write!(
            applied,
            ", {} reordered (patch merging)",
            keys.reordered.len()
        );
    }
    line("applied", &applied);
    if !keys.ignored.is_empty() {
        let count = keys.ignored.len();
        line(
            "ignored",
            &format!("{count}: follow from the window size, or nothing reads them"),
        );
    }
    for (reason, count) in counted(keys.dropped.iter().map(|dropped| dropped.reason)) {
        line("dropped", &format!("{count}: {reason}"));
    }
    for (reason, count) in counted(done.absent.iter().map(|absent| absent.reason)) {
        line("missing", &format!("{count}: {reason}"));
    }
    for other in &done.other_weights {
        line(
            "left alone",
            &format!("other weights in the file, `{other}`"),
        );
    }
    if verbose {
        let lists = [
            ("split", &keys.split),
            ("reordered", &keys.reordered),
            ("ignored", &keys.ignored),
        ];
        for (kind, keys) in lists {
            for key in keys {
                line(kind, key);
            }
        }
        for dropped in &keys.dropped {
            line("dropped", &dropped.key);
        }
        for absent in &done.absent {
            line("missing", &absent.key);
        }
    }
    for file in &done.files {
        line("written", &file.display().to_string());
    }
    text
}

/// How often each reason occurs.
fn counted<'a>(reasons: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for reason in reasons {
        *counts.entry(reason).or_default() += 1;
    }
    counts
}
