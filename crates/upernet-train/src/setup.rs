//! From settings to a dataset and a model.

use std::{fs, path::PathBuf, sync::Arc};

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Device, Tensor},
};
use upernet::{
    Inference,
    hf::{
        BackboneFolder, ModelFolder,
        config::HfConfig,
        processor::{HfProcessorConfig, Resample as HfResample},
    },
    pixels::{ImageProcessor, Resample},
    source,
    zoo::{self, BuildOptions, Model, start},
};
use upernet_data::{
    SampleSource,
    check::Severity,
    dataset::{self, Dataset},
    synth::{SceneOptions, Scenes},
};

use crate::{
    Error,
    config::{DataConfig, ModelConfig, ScenesConfig, Start, TrainingConfig, ValidationConfig},
    folder::failed,
};

/// Bytes that a `config.json` may have.
const LARGEST_CONFIG: u64 = 1 << 20;

/// What a run learns from.
#[derive(Clone)]
pub struct Data {
    /// Samples to train on.
    pub train: Arc<dyn SampleSource>,
    /// Samples to score on, if there are any.
    pub validation: Option<Arc<dyn SampleSource>>,
    /// One line each on what was found.
    pub notes: Vec<String>,
}

impl std::fmt::Debug for Data {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Data")
            .field("train", &self.train.len())
            .field(
                "validation",
                &self.validation.as_ref().map(|split| split.len()),
            )
            .finish_non_exhaustive()
    }
}

fn scene_options(settings: &ScenesConfig) -> Result<SceneOptions, upernet_data::Error> {
    let options = SceneOptions::new(settings.size)?;
    match settings.least_width {
        Some(least_width) => options.with_least_width(least_width),
        None => Ok(options),
    }
}

/// Opens the dataset, or sets scenes up.
///
/// # Errors
///
/// Returns an error that names the folder, the split or the setting.
pub fn data(config: &DataConfig) -> Result<Data, Error> {
    if let Some(scenes) = &config.scenes {
        let options = scene_options(scenes).map_err(|error| Error::DataSetting {
            section: "data.scenes",
            error,
        })?;
        let train = Scenes::new(scenes.count, options, scenes.seed);
        let unseen = Scenes::new(
            scenes.validation_count,
            options,
            scenes.seed.wrapping_add(1),
        );
        let [height, width] = scenes.size;
        return Ok(Data {
            notes: vec![format!(
                "data: {} synthetic scenes of {height} x {width} pixels, {} others to validate",
                train.len(),
                unseen.len()
            )],
            train: Arc::new(train),
            validation: (!unseen.is_empty()).then(|| Arc::new(unseen) as Arc<dyn SampleSource>),
        });
    }
    let path = config.path.as_ref().ok_or_else(|| Error::Setting {
        name: "data.path",
        problem: "name the dataset's folder".to_owned(),
    })?;
    let dataset = dataset::open(path, &config.dataset)?;
    let train = chosen(
        &dataset,
        config.train_split.as_deref(),
        dataset.training_split(),
    )?;
    let train = match train {
        Some(name) => name,
        None => only_split(&dataset, path)?,
    };
    let validation = chosen(
        &dataset,
        config.validation_split.as_deref(),
        dataset.validation_split(),
    )?;
    let mut notes = vec![format!("data: {}", dataset.layout())];
    notes.push(format!("labels: {}", dataset.label_mapping()));
    let split = |name: &str| dataset.split(name);
    let train_split = split(&train)?;
    notes.push(format!(
        "training split: {train}, {} samples",
        train_split.len()
    ));
    let validation = match validation {
        Some(name) if name != train => {
            let split = split(&name)?;
            notes.push(format!("validation split: {name}, {} samples", split.len()));
            Some(Arc::new(split) as Arc<dyn SampleSource>)
        }
        _ => {
            notes.push(
                "validation split: none, so nothing is scored; make one with upernet data split"
                    .to_owned(),
            );
            None
        }
    };
    Ok(Data {
        train: Arc::new(train_split),
        validation,
        notes,
    })
}

/// Reads every photo and mask of the splits in use once, before anything is computed, and returns what is
/// not meant, perhaps.
///
/// # Errors
///
/// [`Error::Data`] names the first mistake that training would stumble over, its files and what to do.
pub fn check(config: &DataConfig) -> Result<Vec<String>, Error> {
    let Some(path) = config.path.as_ref().filter(|_| config.check) else {
        return Ok(Vec::new());
    };
    let dataset = dataset::open(path, &config.dataset)?;
    let train = chosen(
        &dataset,
        config.train_split.as_deref(),
        dataset.training_split(),
    )?;
    let validation = chosen(
        &dataset,
        config.validation_split.as_deref(),
        dataset.validation_split(),
    )?;
    let splits = [&train, &validation].into_iter();
    let splits: Vec<&str> = splits.filter_map(Option::as_deref).collect();
    let report = upernet_data::check::check(&dataset, &splits)?;
    if let Some(problem) = report.first_error() {
        let errors = report.problems.iter();
        let errors = errors.filter(|problem| problem.severity == Severity::Error);
        let more = match errors.count() - 1 {
            0 => String::new(),
            more => format!("; and {more} more, which upernet data check lists"),
        };
        return Err(Error::Data(upernet_data::Error::Invalid {
            path: path.clone(),
            problem: format!("{problem}{more}"),
        }));
    }
    Ok(report.problems.iter().map(ToString::to_string).collect())
}

/// The split that the settings name, or the usual one.
fn chosen(
    dataset: &Dataset,
    asked: Option<&str>,
    usual: Option<&str>,
) -> Result<Option<String>, Error> {
    if let Some(name) = asked {
        // Opening it says what is wrong if it is not there.
        dataset.split(name)?;
    }
    Ok(asked.or(usual).map(str::to_owned))
}

fn only_split(dataset: &Dataset, path: &std::path::Path) -> Result<String, Error> {
    match dataset.splits().as_slice() {
        [only] => Ok((*only).to_owned()),
        several => Err(Error::Data(upernet_data::Error::Invalid {
            path: path.to_owned(),
            problem: format!(
                "no split is called training or train; say which of {} with data.train_split",
                several.join(", ")
            ),
        })),
    }
}

/// A model to train, and what to say of it.
#[derive(Debug)]
pub struct NewModel {
    /// On an autodiff device.
    pub model: Model,
    /// What it was built from, with the dataset's classes.
    pub config: HfConfig,
    /// One line each on where weights come from.
    pub notes: Vec<String>,
}

/// Builds the model that `settings` describe, for the classes of a dataset.
///
/// # Errors
///
/// Returns an error that names the file or setting.
pub fn model(
    settings: &TrainingConfig,
    class_names: &[String],
    device: &Device,
) -> Result<NewModel, Error> {
    let options = build_options(&settings.model);
    device.seed(settings.seed);
    let config = config(&settings.model)?;
    let located = || -> Result<PathBuf, Error> {
        let name = settings.model.weights.as_deref().unwrap_or_default();
        Ok(source::locate(name, &mut |_, _, _| {})?.path)
    };
    let started = match settings.model.start {
        Start::Scratch => {
            let config = with_classes(config.ok_or_else(nothing_to_build)?, class_names);
            let model = zoo::build_with(&config, &options, device)?;
            NewModel {
                model,
                config,
                notes: vec!["weights: drawn at random".to_owned()],
            }
        }
        Start::Checkpoint => {
            let folder = ModelFolder::open(&located()?)?;
            let config = config.unwrap_or_else(|| folder.config.clone());
            let config = with_classes(config, class_names);
            let (model, report) = start::from_checkpoint(&folder, &config, &options, device)?;
            NewModel {
                model,
                config,
                notes: report.sentences,
            }
        }
        Start::Backbone => {
            let folder = BackboneFolder::open(&located()?)?;
            let own = || HfConfig::new(folder.config.clone().with_all_stages());
            let config = with_classes(config.unwrap_or_else(own), class_names);
            let (model, report) = start::from_backbone(&folder, &config, &options, device)?;
            NewModel {
                model,
                config,
                notes: report.sentences,
            }
        }
    };
    drawn(&started.model);
    Ok(NewModel {
        model: started.model.train(),
        ..started
    })
}

/// Choices about a network beside its config.
#[must_use]
pub fn build_options(settings: &ModelConfig) -> BuildOptions {
    let mut options = BuildOptions::default();
    options.drop_path_rate = settings.drop_path_rate;
    options
}

/// How a saved model's photos are prepared: as in validation.
#[must_use]
pub fn processor(model: &ModelConfig, validation: &ValidationConfig) -> HfProcessorConfig {
    let default = HfProcessorConfig::default();
    HfProcessorConfig {
        do_resize: validation.size.is_some(),
        size: validation.size.unwrap_or(default.size),
        resample: HfResample::Bilinear,
        image_mean: model.image_mean.to_vec(),
        image_std: model.image_std.to_vec(),
        ..default
    }
}

/// The same for the pixels in memory.
#[must_use]
pub fn image_processor(model: &ModelConfig, validation: &ValidationConfig) -> ImageProcessor {
    let default = ImageProcessor::default();
    ImageProcessor {
        do_resize: validation.size.is_some(),
        size: validation.size.unwrap_or(default.size),
        resample: Resample::Bilinear,
        image_mean: model.image_mean,
        image_std: model.image_std,
        ..default
    }
}

/// Checks every size that the network will meet, so that a size it cannot take is said before the first step.
///
/// # Errors
///
/// [`Error::Setting`] names the setting and what the network needs.
pub fn check_sizes(settings: &TrainingConfig, config: &HfConfig) -> Result<(), Error> {
    let (validation, augmentation) = (&settings.validation, &settings.augmentation);
    let scenes = settings.data.scenes.as_ref();
    let photo = augmentation.random_resize.is_none().then_some(scenes);
    let photo = photo.flatten().map(|scenes| scenes.size);
    // Without a pad, a crop is the most that is left of a photo.
    let crop = augmentation.random_crop.as_ref().map(|crop| crop.size);
    for (name, size) in [
        (
            "augmentation",
            augmentation.output_size().or(crop).or(photo),
        ),
        ("validation.size", validation.size),
        ("validation.slide_crop", validation.slide_crop),
    ] {
        if let Some([height, width]) = size {
            let shape = [1, config.backbone.num_channels(), height, width];
            zoo::check_input(config, shape).map_err(|error| Error::Setting {
                name,
                problem: error.to_string(),
            })?;
        }
    }
    if let (Some(crop), Some(stride)) = (validation.slide_crop, validation.slide_stride)
        && (0..2).any(|axis| stride[axis] == 0 || stride[axis] > crop[axis])
    {
        return Err(Error::Setting {
            name: "validation.slide_stride",
            problem: "use sides from 1 to those of validation.slide_crop".to_owned(),
        });
    }
    Ok(())
}

/// Whether validation sees photos at once or through a window.
#[must_use]
pub fn inference(validation: &ValidationConfig) -> Inference {
    match (validation.slide_crop, validation.slide_stride) {
        (Some(crop), Some(stride)) => Inference::Slide { crop, stride },
        (Some(crop), None) => Inference::slide(crop),
        (None, _) => Inference::Whole,
    }
}

fn with_classes(config: HfConfig, class_names: &[String]) -> HfConfig {
    HfConfig {
        id2label: class_names.to_vec(),
        ..config
    }
}

fn nothing_to_build() -> Error {
    Error::Setting {
        name: "model.config",
        problem: "say what to build".to_owned(),
    }
}

/// The config in a file or in place.
fn config(settings: &ModelConfig) -> Result<Option<HfConfig>, Error> {
    if let Some(path) = &settings.config_file {
        let bytes = fs::metadata(path).map_err(failed(path, "read"))?.len();
        if bytes > LARGEST_CONFIG {
            return Err(Error::Config {
                origin: path.display().to_string(),
                problem: format!("{bytes} bytes are more than a config has ({LARGEST_CONFIG})"),
            });
        }
        return Ok(Some(HfConfig::read(path)?));
    }
    let Some(table) = &settings.config else {
        return Ok(None);
    };
    let wrong = |problem: String| Error::Config {
        origin: "model.config".to_owned(),
        problem,
    };
    let text = serde_json::to_vec(table).map_err(|error| wrong(error.to_string()))?;
    let config = HfConfig::from_json(&text).map_err(|error| wrong(error.to_string()))?;
    Ok(Some(config))
}

/// Has every parameter draw its values now, in the order of the model, so that they depend on the seed
/// alone and not on which is used first.
fn drawn(model: &Model) {
    struct Draw;
    impl ModuleVisitor for Draw {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let _ = param.val();
        }
    }
    model.visit(&mut Draw);
}
