//! `models info`: configuration, cost, and what becomes of every key.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use serde::Serialize;
use upernet::{
    hf::{
        ModelFolder,
        config::{HfBackboneConfig, HfConfig, HfNeck, HfVariant},
    },
    zoo::{Cost, KeyReport, cost, key_report},
};

use super::{any_device, millions};
use crate::{
    cli::InfoArgs,
    console::Console,
    failure::Failure,
    model::open_folder,
    output::{Stdout, one_line},
};

#[derive(Serialize)]
struct Document<'a> {
    model: &'a str,
    backbone: &'static str,
    num_labels: usize,
    classes: &'a [String],
    auxiliary_head: bool,
    size: [usize; 2],
    parameters: u64,
    backbone_parameters: u64,
    macs: u64,
    auxiliary_macs: u64,
    files: Vec<File>,
    keys: Keys<'a>,
}

#[derive(Serialize)]
struct File {
    path: PathBuf,
    bytes: u64,
}

#[derive(Serialize)]
struct Keys<'a> {
    dialect: &'static str,
    complete: bool,
    applied: &'a [String],
    ignored: &'a [String],
    split: &'a [String],
    reordered: &'a [String],
    dropped: Vec<&'a str>,
    missing: &'a [String],
    unexpected: &'a [String],
    mismatched: Vec<Mismatch<'a>>,
}

#[derive(Serialize)]
struct Mismatch<'a> {
    key: &'a str,
    found: &'a [usize],
    expected: &'a [usize],
}

pub(super) fn run(args: &InfoArgs, console: Console) -> Result<(), Failure> {
    let folder = open_folder(&args.model, console)?;
    let device = any_device()?;
    let processed = folder.processor.clone().unwrap_or_default().size;
    let size = args.size.unwrap_or(processed);
    let cost = cost(&folder.config, size, &device)?;
    let report = key_report(&folder, &device)?;
    let mut stdout = Stdout::default();
    if args.json {
        stdout.print_json(&Document::new(&args.model, &folder, size, &cost, &report))?;
    } else {
        stdout.print(&text(&folder, size, &cost, &report, console.is_verbose()))?;
    }
    if report.is_complete() {
        return Ok(());
    }
    let weights = folder.checkpoint.files()[0].display();
    let problems = report.problems();
    Err(Failure::BadData(format!(
        "{weights}: weights do not fit config.json: {problems}"
    )))
}

fn text(
    folder: &ModelFolder,
    size: [usize; 2],
    cost: &Cost,
    report: &KeyReport,
    verbose: bool,
) -> String {
    let config = &folder.config;
    let [height, width] = size;
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<13}  {}", one_line(&value));
    };
    line("backbone", backbone(config));
    line("head", head(config));
    line("classes", classes(config));
    let (parameters, backbone) = (
        millions(cost.parameters),
        millions(cost.backbone_parameters),
    );
    line(
        "parameters",
        format!("{parameters}, of them {backbone} in the backbone"),
    );
    let gmacs = cost.macs as f64 / 1e9;
    line(
        "multiply-adds",
        format!("{gmacs:.2} G for an image of {height} x {width}"),
    );
    for file in files(folder.checkpoint.files()) {
        line(
            "file",
            format!(
                "{} ({:.1} MB)",
                file.path.display(),
                file.bytes as f64 / 1e6
            ),
        );
    }
    line("dialect", report.dialect.title().to_owned());
    line("keys", counts(report));
    if verbose {
        for (kind, keys) in names(report) {
            for key in keys {
                line(kind, key);
            }
        }
    }
    text
}

fn backbone(config: &HfConfig) -> String {
    let list = |numbers: &[usize]| {
        numbers
            .iter()
            .map(usize::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let channels = list(&config.backbone.stage_channels());
    if let HfBackboneConfig::Dinov2(_) | HfBackboneConfig::Dinov3Vit(_) | HfBackboneConfig::Vit(_) =
        &config.backbone
    {
        return plain(config);
    }
    let more = match &config.backbone {
        HfBackboneConfig::Swin(swin) => {
            let (heads, window) = (list(&swin.num_heads), swin.window_size);
            format!(", heads {heads}, windows {window} x {window}")
        }
        _ => variant(config),
    };
    let depths = list(config.backbone.depths());
    let title = config.backbone.title();
    format!("{title}, depths {depths}, channels {channels}{more}")
}

/// A plain transformer: its layers are alike, so their number says it all.
fn plain(config: &HfConfig) -> String {
    let backbone = &config.backbone;
    let (layers, channels) = (backbone.depths().len(), backbone.stage_channels()[0]);
    let maps: Vec<_> = backbone.out_stages().iter().map(usize::to_string).collect();
    format!(
        "{}, {layers} layers of {channels} channels, maps of layers {}{}",
        backbone.title(),
        maps.join(", "),
        variant(config)
    )
}

/// What makes it another network than Hugging Face's.
fn variant(config: &HfConfig) -> String {
    let what = match config.backbone.variant() {
        None => return String::new(),
        Some(HfVariant::Neck(HfNeck::FeaturePyramid)) => ", a feature pyramid on them".to_owned(),
        Some(HfVariant::Neck(HfNeck::MultiLevel { channels })) => {
            format!(", a neck of {channels} channels on them")
        }
        Some(HfVariant::SingleScale) => String::new(),
        Some(HfVariant::DeepStem) => ", a deep stem".to_owned(),
    };
    format!("{what} (not a network of Hugging Face's)")
}

fn head(config: &HfConfig) -> String {
    let scales = config
        .pool_scales
        .iter()
        .map(usize::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    let auxiliary = match config.auxiliary_input_channels() {
        Some(channels) => format!("auxiliary head on {channels} channels"),
        None => "no auxiliary head".to_owned(),
    };
    format!(
        "{} channels, pooling {scales}, {auxiliary}",
        config.hidden_size
    )
}

fn classes(config: &HfConfig) -> String {
    const NAMED: usize = 12;
    let named = config
        .id2label
        .iter()
        .take(NAMED)
        .map(String::as_str)
        .collect::<Vec<_>>();
    let more = if config.id2label.len() > NAMED {
        ", ..."
    } else {
        ""
    };
    format!("{}: {}{more}", config.num_labels(), named.join(", "))
}

fn counts(report: &KeyReport) -> String {
    let mut counts = format!(
        "{} applied, {} ignored, {} missing, {} unexpected, {} of another shape",
        report.applied.len(),
        report.ignored.len(),
        report.missing.len(),
        report.unexpected.len(),
        report.mismatched.len()
    );
    for (count, what) in [
        (report.dropped.len(), "dropped"),
        (report.split.len(), "split from fused ones"),
        (report.reordered.len(), "reordered"),
    ] {
        if count > 0 {
            let _ = write!(counts, ", {count} {what}");
        }
    }
    counts
}

/// Every key with what became of it, the troubles last, where a reader of a terminal is.
fn names(report: &KeyReport) -> [(&'static str, Vec<String>); 6] {
    let dropped = report.dropped.iter();
    let dropped = dropped.map(|dropped| format!("{}: {}", dropped.key, dropped.reason));
    let mismatched = report.mismatched.iter();
    let mismatched = mismatched
        .map(|wrong| format!("{} {:?}, not {:?}", wrong.key, wrong.found, wrong.expected));
    [
        ("applied", report.applied.clone()),
        ("ignored", report.ignored.clone()),
        ("dropped", dropped.collect()),
        ("missing", report.missing.clone()),
        ("unexpected", report.unexpected.clone()),
        ("shape", mismatched.collect()),
    ]
}

fn files(paths: &[PathBuf]) -> Vec<File> {
    let bytes = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    paths
        .iter()
        .map(|path| File {
            path: path.clone(),
            bytes: bytes(path),
        })
        .collect()
}

impl<'a> Document<'a> {
    fn new(
        model: &'a str,
        folder: &'a ModelFolder,
        size: [usize; 2],
        cost: &Cost,
        report: &'a KeyReport,
    ) -> Self {
        let config = &folder.config;
        Self {
            model,
            backbone: config.backbone.model_type(),
            num_labels: config.num_labels(),
            classes: &config.id2label,
            auxiliary_head: config.use_auxiliary_head,
            size,
            parameters: cost.parameters,
            backbone_parameters: cost.backbone_parameters,
            macs: cost.macs,
            auxiliary_macs: cost.auxiliary_macs,
            files: files(folder.checkpoint.files()),
            keys: Keys::from(report),
        }
    }
}

impl<'a> From<&'a KeyReport> for Keys<'a> {
    fn from(report: &'a KeyReport) -> Self {
        let mismatched = report.mismatched.iter().map(|wrong| Mismatch {
            key: &wrong.key,
            found: &wrong.found,
            expected: &wrong.expected,
        });
        Self {
            dialect: report.dialect.name(),
            complete: report.is_complete(),
            applied: &report.applied,
            ignored: &report.ignored,
            split: &report.split,
            reordered: &report.reordered,
            dropped: report
                .dropped
                .iter()
                .map(|dropped| dropped.key.as_str())
                .collect(),
            missing: &report.missing,
            unexpected: &report.unexpected,
            mismatched: mismatched.collect(),
        }
    }
}
