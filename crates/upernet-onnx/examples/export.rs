//! Writes a model folder as an ONNX file, with nothing but the config and the weights.
//!
//!     cargo run -p upernet-onnx --example export -- ./upernet-swin-tiny swin.onnx 512x512
//!
//! The last argument may be `dynamic`, for images of any size. The command line's `upernet export onnx`
//! does the same and knows more names of weights.
#![allow(clippy::print_stdout, reason = "an example shows what it wrote")]

use std::{env, error::Error, path::Path};

use upernet_hf::ModelFolder;
use upernet_onnx::{ExportOptions, ImageSize, export};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [model, out, size] = arguments.as_slice() else {
        return Err("usage: export MODEL OUT HEIGHTxWIDTH|dynamic".into());
    };
    let size = match size.split_once('x') {
        Some((height, width)) => ImageSize::Fixed([height.parse()?, width.parse()?]),
        None => ImageSize::Dynamic,
    };
    let folder = ModelFolder::open(Path::new(model))?;
    let options = ExportOptions {
        size,
        ..ExportOptions::default()
    };
    let processor = folder.processor.as_ref();
    let out = Path::new(out);
    let written = export(&folder.config, processor, &folder.checkpoint, out, &options)?;
    for file in &written.files {
        println!("{}", file.display());
    }
    Ok(())
}
