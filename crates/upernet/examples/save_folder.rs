//! Loads a model folder and writes it back: `save_folder MODEL OUT`.
//!
//! `scripts/check_saved_folder.py OUT MODEL` then shows that `transformers` computes the same with
//! both.

#![expect(clippy::print_stdout, reason = "an example that reports to a person")]

use std::{env, error::Error, path::Path};

use upernet::{
    device,
    hf::{ModelFolder, Overwrite},
    zoo,
};

fn main() -> Result<(), Box<dyn Error>> {
    let [model, out] = [1, 2].map(|index| env::args().nth(index));
    let (Some(model), Some(out)) = (model, out) else {
        return Err("usage: save_folder MODEL OUT".into());
    };
    let folder = ModelFolder::open(Path::new(&model))?;
    let (model, report) = zoo::load(&folder, &device::open("flex")?)?;
    let processor = folder.processor.clone().unwrap_or_default();
    zoo::save(
        &model,
        &folder.config,
        &processor,
        Path::new(&out),
        Overwrite::Refuse,
    )?;
    println!(
        "{} tensors from {:?} names written to {out}",
        report.applied.len(),
        report.dialect
    );
    Ok(())
}
