//! Configs on top of each other: a preset, a file, single settings.

use std::path::Path;

use toml::{Table, Value};

use super::TrainingConfig;
use crate::{Error, presets};

/// Bytes that a config file may have.
const LARGEST: u64 = 1 << 20;

/// One layer of a config.
#[derive(Clone, Debug)]
pub struct ConfigSource {
    origin: String,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Toml(String),
    Yaml(String),
    Setting(String),
}

impl ConfigSource {
    /// The text of a TOML file; `origin` is what messages call it.
    #[must_use]
    pub fn toml(origin: &str, text: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            content: Content::Toml(text.to_owned()),
        }
    }

    /// The text of a YAML file.
    #[must_use]
    pub fn yaml(origin: &str, text: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            content: Content::Yaml(text.to_owned()),
        }
    }

    /// One setting, `section.field=value`. The value is TOML; what is no TOML is a text.
    #[must_use]
    pub fn set(setting: &str) -> Self {
        Self {
            origin: format!("--set {setting}"),
            content: Content::Setting(setting.to_owned()),
        }
    }

    /// A preset of this crate.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there is no such preset.
    pub fn preset(name: &str) -> Result<Self, Error> {
        Ok(Self::toml(&format!("preset {name}"), presets::text(name)?))
    }

    /// Reads a file: YAML if its name ends in `.yaml` or `.yml`, else TOML.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file if it cannot be read or is larger than 1 MiB.
    pub fn file(path: &Path) -> Result<Self, Error> {
        let failed = |cause| Error::Io {
            path: path.to_owned(),
            action: "read the config",
            cause,
        };
        let metadata = std::fs::metadata(path).map_err(failed)?;
        // Opening a pipe waits for its writer.
        if !metadata.is_file() {
            return Err(Error::Config {
                origin: path.display().to_string(),
                problem: "is not a regular file; give the path of one".to_owned(),
            });
        }
        let bytes = metadata.len();
        if bytes > LARGEST {
            return Err(Error::Config {
                origin: path.display().to_string(),
                problem: format!("{bytes} bytes are more than a config has ({LARGEST})"),
            });
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let origin = path.display().to_string();
        let is_yaml = path.extension().is_some_and(|extension| {
            extension.eq_ignore_ascii_case("yaml") || extension.eq_ignore_ascii_case("yml")
        });
        Ok(if is_yaml {
            Self::yaml(&origin, &text)
        } else {
            Self::toml(&origin, &text)
        })
    }

    fn table(&self) -> Result<Table, Error> {
        match &self.content {
            Content::Toml(text) => {
                toml::from_str(text).map_err(|error| self.wrong(&placed(&error, text)))
            }
            Content::Yaml(text) => {
                serde_saphyr::from_str(text).map_err(|error| self.wrong(&error.to_string()))
            }
            Content::Setting(setting) => self.setting(setting),
        }
    }

    fn setting(&self, setting: &str) -> Result<Table, Error> {
        let Some((path, value)) = setting.split_once('=') else {
            return Err(self.wrong("write section.field=value"));
        };
        let value = value.trim();
        let parsed = toml::from_str::<Table>(&format!("value = {value}"));
        let value = match parsed {
            Ok(mut table) => table.remove("value"),
            Err(_) => None,
        };
        let text = || {
            Value::String(
                setting
                    .split_once('=')
                    .map_or("", |(_, text)| text)
                    .trim()
                    .into(),
            )
        };
        let mut value = value.unwrap_or_else(text);
        for name in path.trim().rsplit('.') {
            if name.is_empty() {
                return Err(self.wrong("write section.field=value"));
            }
            value = Value::Table(Table::from_iter([(name.to_owned(), value)]));
        }
        match value {
            Value::Table(table) => Ok(table),
            _ => Err(self.wrong("write section.field=value")),
        }
    }

    fn wrong(&self, problem: &str) -> Error {
        // Parsers draw the place over several lines; a message has one.
        let lines = problem
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty());
        Error::Config {
            origin: self.origin.clone(),
            problem: lines.collect::<Vec<_>>().join(" "),
        }
    }
}

/// Merges layers, later ones over earlier ones, field by field.
///
/// A list or a number is replaced as a whole; tables are merged. `data.path` and `data.scenes` take each
/// other's place. A layer may say `preset = "name"` at its
/// top: that preset then lies below it.
///
/// # Errors
///
/// [`Error::Config`] names the layer, the field and what it may be.
pub fn read(sources: &[ConfigSource]) -> Result<TrainingConfig, Error> {
    let mut merged = Table::new();
    for source in sources {
        lay(&mut merged, source)?;
        // After each layer, so that a message names the one that brought the mistake.
        parse(&merged).map_err(|error| source.wrong(&error.to_string()))?;
    }
    let last = ConfigSource::toml("the merged config", "");
    parse(&merged).map_err(|error| last.wrong(&error.to_string()))
}

/// What a parser says, after the line that it says it of.
fn placed(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    match before {
        Some(before) => format!(
            "line {}: {}",
            before.matches('\n').count() + 1,
            error.message()
        ),
        None => error.message().to_owned(),
    }
}

/// Lays `source` over `below`, and the preset that it names under it. Presets name others, none itself.
fn lay(below: &mut Table, source: &ConfigSource) -> Result<(), Error> {
    let mut table = source.table()?;
    if let Some(name) = table.remove("preset") {
        let Some(name) = name.as_str() else {
            return Err(source.wrong("preset: name one in quotes"));
        };
        lay(below, &ConfigSource::preset(name)?)?;
    }
    leave_one_origin(below, &table);
    merge(below, table);
    Ok(())
}

fn parse(table: &Table) -> Result<TrainingConfig, toml::de::Error> {
    table.clone().try_into()
}

/// Takes out of `below` the kind of data that `above` has the other kind of.
fn leave_one_origin(below: &mut Table, above: &Table) {
    let Some(Value::Table(above)) = above.get("data") else {
        return;
    };
    let Some(Value::Table(below)) = below.get_mut("data") else {
        return;
    };
    for (chosen, other) in [("path", "scenes"), ("scenes", "path")] {
        if above.contains_key(chosen) && !above.contains_key(other) {
            below.remove(other);
        }
    }
}

fn merge(below: &mut Table, above: Table) {
    for (name, value) in above {
        match (below.get_mut(&name), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                below.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_layers_win_field_by_field() {
        let file = "[optimizer]\nlearning_rate = 0.5\nweight_decay = 0.25\n";
        let config = read(&[
            ConfigSource::toml("a", file),
            ConfigSource::yaml("b", "optimizer:\n  learning_rate: 0.75\nsteps: 7\n"),
            ConfigSource::set("optimizer.kind=sgd"),
            ConfigSource::set("validation.size=[360, 480]"),
        ])
        .unwrap();
        assert_eq!(config.optimizer.learning_rate, 0.75);
        assert_eq!(config.optimizer.weight_decay, 0.25);
        assert_eq!(config.optimizer.kind, crate::optimizer::OptimizerKind::Sgd);
        assert_eq!(config.validation.size, Some([360, 480]));
        assert_eq!(config.steps, 7);
    }

    #[test]
    fn a_folder_takes_the_place_of_scenes_and_scenes_of_a_folder() {
        let scenes = || ConfigSource::toml("scenes", "[data.scenes]\ncount = 9\nseed = 2\n");
        let folder = || ConfigSource::set("data.path=streets");
        let config = read(&[scenes(), folder()]).unwrap();
        assert_eq!(config.data.scenes, None);
        assert_eq!(config.data.path, Some("streets".into()));
        let config = read(&[folder(), scenes(), ConfigSource::set("data.scenes.seed=3")]).unwrap();
        let scenes = config.data.scenes.unwrap();
        assert_eq!((scenes.count, scenes.seed, config.data.path), (9, 3, None));
    }

    #[test]
    fn mistakes_name_their_layer_and_field() {
        let message = |source: ConfigSource| read(&[source]).unwrap_err().to_string();
        let unknown = message(ConfigSource::set("optimizer.lr=1"));
        assert!(
            unknown.starts_with("--set optimizer.lr=1: unknown field `lr`"),
            "{unknown}"
        );
        let wrong = message(ConfigSource::toml("run.toml", "steps = \"many\"\n"));
        assert!(
            wrong.starts_with("run.toml: ") && wrong.contains("steps"),
            "{wrong}"
        );
        assert!(!wrong.contains('\n'), "{wrong}");
        let no_toml = message(ConfigSource::toml("run.toml", "steps = 1\nmode[opt\n"));
        assert!(no_toml.starts_with("run.toml: line 2: "), "{no_toml}");
        assert!(!no_toml.contains(['\n', '|']), "{no_toml}");
        let nothing = message(ConfigSource::set("steps"));
        assert_eq!(nothing, "--set steps: write section.field=value");
    }

    #[test]
    fn a_written_config_reads_back() {
        let config = TrainingConfig::default();
        let text = config.to_toml().unwrap();
        assert_eq!(
            read(&[ConfigSource::toml("written", &text)]).unwrap(),
            config
        );
    }
}
