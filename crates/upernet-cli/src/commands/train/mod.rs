//! `train`: from a dataset and settings to a model folder.

mod progress;

use std::path::Path;

use serde::Serialize;
use upernet::{burn::tensor::Device, device};
use upernet_train::{
    Ending, Outcome, Trainer,
    config::{ConfigSource, TrainingConfig, read},
};

use crate::{
    cli::{SettingsArgs, TrainArgs},
    console::Console,
    failure::{Code, Failure},
    interrupt,
    output::{Stdout, one_line},
};
use progress::Progress;

pub(crate) fn run(args: &TrainArgs, console: Console) -> Result<(), Failure> {
    let (devices, chosen) = open(&args.devices)?;
    // Until the end, so that Ctrl-C waits for the checkpoint that it makes.
    let _whole = interrupt::writing();
    let (folder, trainer) = match (&args.resume, &args.out) {
        (Some(folder), _) => (folder, Trainer::resume(folder, &changes(args), &devices)?),
        (None, Some(folder)) => (folder, Trainer::create(folder, merged(args)?, &devices)?),
        (None, None) => return Err(Failure::Usage("name a folder with --out".to_owned())),
    };
    // With the first result, so that a call which fails has its error alone on stderr.
    for name in chosen {
        console.note(&format!("device: {name}"));
    }
    let mut progress = Progress::new(console);
    let outcome = trainer.run(&mut progress)?;
    progress.finish();
    report(&outcome, folder, args.json)?;
    if outcome.ending == Ending::Interrupted {
        return Err(Failure::Reported(Code::Interrupted));
    }
    Ok(())
}

/// The settings of a preset, a file and the command line.
pub(crate) fn sources(settings: &SettingsArgs) -> Result<Vec<ConfigSource>, Failure> {
    let mut sources = Vec::new();
    if let Some(name) = &settings.preset {
        sources.push(ConfigSource::preset(name)?);
    }
    if let Some(path) = &settings.config {
        sources.push(ConfigSource::file(path)?);
    }
    sources.extend(
        settings
            .settings
            .iter()
            .map(|setting| ConfigSource::set(setting)),
    );
    Ok(sources)
}

fn merged(args: &TrainArgs) -> Result<TrainingConfig, Failure> {
    let mut sources = sources(&args.settings)?;
    sources.extend(data(args));
    Ok(read(&sources)?)
}

fn changes(args: &TrainArgs) -> Vec<ConfigSource> {
    let settings = args.settings.settings.iter();
    let settings = settings.map(|setting| ConfigSource::set(setting));
    settings.chain(data(args)).collect()
}

fn data(args: &TrainArgs) -> Option<ConfigSource> {
    let path = args.data.as_ref()?;
    Some(ConfigSource::set(&format!("data.path={}", path.display())))
}

/// The devices of those names, and what to tell of them: those that the caller did not choose, and all if
/// they are several.
fn open(names: &[String]) -> Result<(Vec<Device>, Vec<String>), Failure> {
    let (mut devices, mut chosen) = (Vec::new(), Vec::new());
    for name in names {
        let found = device::find(name)?;
        if name == "auto" || names.len() > 1 {
            chosen.push(found.name);
        }
        devices.push(found.device);
    }
    Ok((devices, chosen))
}

#[derive(Serialize)]
struct Report<'a> {
    ending: &'static str,
    step: u64,
    seconds: f64,
    best: Option<Best<'a>>,
    last: &'a Path,
}

#[derive(Serialize)]
struct Best<'a> {
    step: u64,
    mean_iou: f64,
    folder: &'a Path,
}

fn report(outcome: &Outcome, folder: &Path, json: bool) -> Result<(), Failure> {
    let (best, last) = (folder.join("best"), folder.join("last"));
    let mut stdout = Stdout::default();
    if json {
        return stdout.print_json(&Report {
            ending: match outcome.ending {
                Ending::Finished => "finished",
                Ending::EarlyStop => "early_stop",
                Ending::Interrupted => "interrupted",
            },
            step: outcome.step,
            seconds: outcome.seconds,
            best: outcome.best.map(|score| Best {
                step: score.step,
                mean_iou: score.mean_iou,
                folder: &best,
            }),
            last: &last,
        });
    }
    if let Some(score) = outcome.best {
        stdout.print(&format!(
            "best  {}  mIoU {:.2} at step {}\n",
            one_line(&best.display().to_string()),
            100.0 * score.mean_iou,
            score.step
        ))?;
    }
    stdout.print(&format!(
        "last  {}  step {}, {:.1} minutes\n",
        one_line(&last.display().to_string()),
        outcome.step,
        outcome.seconds / 60.0
    ))
}
