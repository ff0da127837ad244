//! `export`: models for other programs.

use std::path::PathBuf;

use serde::Serialize;
use upernet::{hf::Overwrite, zoo::HubTensors};
use upernet_onnx::{ExportOptions, ImageSize, Summary, WeightPlace, Weights, export};

use super::{forward::check_output, models::any_device};
use crate::{
    cli::{ExportVerb, OnnxArgs},
    console::Console,
    failure::Failure,
    interrupt,
    model::open_folder,
    output::{Stdout, one_line},
};

pub(super) fn run(verb: &ExportVerb, console: Console) -> Result<(), Failure> {
    match verb {
        ExportVerb::Onnx(args) => onnx(args, console),
    }
}

#[derive(Serialize)]
struct Document<'a> {
    files: &'a [PathBuf],
    bytes: u64,
    nodes: usize,
    /// Height and width, or null if any will do.
    size: Option<[usize; 2]>,
    backbone: &'static str,
    num_labels: usize,
}

fn onnx(args: &OnnxArgs, console: Console) -> Result<(), Failure> {
    check_output(&args.out, args.force)?;
    let folder = open_folder(&args.model, console)?;
    let size = if args.dynamic_size {
        None
    } else {
        let processor = folder.processor.clone().unwrap_or_default();
        Some(args.size.unwrap_or(processor.size))
    };
    let options = ExportOptions {
        size: size.map_or(ImageSize::Dynamic, ImageSize::Fixed),
        weights: if args.external_data {
            WeightPlace::Beside
        } else {
            WeightPlace::Inside
        },
        overwrite: if args.force {
            Overwrite::Replace
        } else {
            Overwrite::Refuse
        },
    };
    let tensors = HubTensors::open(&folder, &any_device()?)?;
    console.detail(&format!(
        "weights: {} tensors applied, {} ignored",
        tensors.report().applied.len(),
        tensors.report().ignored.len()
    ));
    let written = {
        let _whole = interrupt::writing();
        let processor = folder.processor.as_ref();
        let tensors = Tensors(tensors);
        export(&folder.config, processor, &tensors, &args.out, &options)?
    };
    let mut stdout = Stdout::default();
    if args.json {
        return stdout.print_json(&Document {
            files: &written.files,
            bytes: written.bytes,
            nodes: written.nodes,
            size,
            backbone: folder.config.backbone.model_type(),
            num_labels: folder.config.num_labels(),
        });
    }
    stdout.print(&text(&written))
}

fn text(written: &Summary) -> String {
    let line = |file: &PathBuf| one_line(&file.display().to_string()) + "\n";
    written.files.iter().map(line).collect()
}

/// The zoo's tensors as the exporter asks for them.
struct Tensors<'a>(HubTensors<'a>);

impl Weights for Tensors<'_> {
    fn shape(&self, key: &str) -> Option<Vec<usize>> {
        Some(self.0.shape(key)?.to_vec())
    }

    fn read(&self, key: &str) -> Result<Vec<f32>, upernet::hf::Error> {
        self.0.read(key)
    }
}
