//! `config`: write and show the settings of training.

use std::path::Path;

use serde::Serialize;
use upernet::pixels::{Overwrite, write_atomically};
use upernet_train::{config::read, presets};

use crate::{
    cli::{ConfigVerb, SettingsArgs},
    commands::train::sources,
    failure::Failure,
    output::{Align, Stdout, Table},
};

pub(crate) fn run(verb: &ConfigVerb) -> Result<(), Failure> {
    match verb {
        ConfigVerb::Init { preset, out, force } => init(preset, out.as_deref(), *force),
        ConfigVerb::Show { settings, json } => show(settings, *json),
        ConfigVerb::Presets { json } => list(*json),
    }
}

fn init(preset: &str, out: Option<&Path>, force: bool) -> Result<(), Failure> {
    let text = presets::text(preset)?;
    let Some(path) = out else {
        return Stdout::default().print_verbatim(text.as_bytes());
    };
    let overwrite = if force {
        Overwrite::Replace
    } else {
        Overwrite::Refuse
    };
    write_atomically(path, overwrite, |file| file.write_all(text.as_bytes()))?;
    Ok(())
}

fn show(settings: &SettingsArgs, json: bool) -> Result<(), Failure> {
    let config = read(&sources(settings)?)?;
    if json {
        Stdout::default().print_json(&config)
    } else {
        Stdout::default().print_verbatim(config.to_toml()?.as_bytes())
    }
}

#[derive(Serialize)]
struct Preset {
    name: &'static str,
    about: &'static str,
}

fn list(json: bool) -> Result<(), Failure> {
    let all = presets::names().map(|(name, about)| Preset { name, about });
    let all: Vec<Preset> = all.collect();
    if json {
        return Stdout::default().print_json(&all);
    }
    let mut table = Table::new(&[("preset", Align::Left), ("what it is", Align::Left)]);
    for preset in all {
        table.row([preset.name.to_owned(), preset.about.to_owned()]);
    }
    Stdout::default().print(&table.to_string())
}
