//! What masks hold and which classes that means, as their owner writes it down.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::read_text;
use crate::Error;

/// A label map as people write it: in `label_map.toml` or `label_map.json` in the dataset's folder, or
/// in a training config.
///
/// - `classes`: their names, by id. Left out, they are called `class_0`, `class_1`, ...
/// - `ids`: ids in the files and the class of each, by id or name, or `"ignore"`. As soon as there is
///   one, only those listed are accepted; without any, each class has its own id in the files.
/// - `ignore`: further ids in the files that are ignored. 255 always is, unless `ids` says otherwise.
/// - `colors`: the same as `ids` for masks with colours, `"r,g,b"` or `"#rrggbb"`.
/// - `names`: the same for the labels of polygons.
///
/// ```
/// use upernet_data::dataset::LabelTable;
///
/// let table = LabelTable::from_toml(r#"
///     classes = ["road", "car"]
///     [ids]
///     0 = "ignore"
///     7 = "road"
///     26 = "car"
///     27 = 1
/// "#)?;
/// assert_eq!(table.classes, ["road", "car"]);
/// assert_eq!(LabelTable::from_toml(&table.to_toml())?, table);
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabelTable {
    /// Names of the classes, by id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Ids in the files that are ignored.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<u16>,
    /// Ids in the files, as text, and their classes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ids: BTreeMap<String, LabelTarget>,
    /// Colours in the files and their classes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub colors: BTreeMap<String, LabelTarget>,
    /// Names in the files and their classes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, LabelTarget>,
}

/// What something in a file becomes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum LabelTarget {
    /// The class of this id; 255 for none.
    Id(u16),
    /// The class of this name; `ignore` for none, unless a class is called so.
    Name(String),
}

impl LabelTable {
    /// Reads a table from TOML.
    ///
    /// # Errors
    ///
    /// Returns a line that says what is wrong.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| one_line(&error.to_string()))
    }

    /// Reads a table from JSON.
    ///
    /// # Errors
    ///
    /// Returns a line that says what is wrong.
    pub fn from_json(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| one_line(&error.to_string()))
    }

    /// Writes the table as TOML, ready to be saved as `label_map.toml`.
    ///
    /// # Panics
    ///
    /// Never: texts, numbers and lists of them are what TOML has.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("texts, numbers and lists of them are what TOML has")
    }

    /// Reads a table from a `.toml` or `.json` file.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = read_text(path)?;
        let is_json = path
            .extension()
            .is_some_and(|found| found.eq_ignore_ascii_case("json"));
        let table = if is_json {
            Self::from_json(&text)
        } else {
            Self::from_toml(&text)
        };
        table.map_err(|problem| Error::Invalid {
            path: path.to_path_buf(),
            problem: format!("is not a label map: {problem}"),
        })
    }
}

/// Reads the names of an `id2label.json` as Hugging Face writes it: `{"0": "road", "1": "car"}`.
pub(crate) fn read_id2label(path: &Path) -> Result<Vec<String>, Error> {
    let invalid = |problem: String| Error::Invalid {
        path: path.to_path_buf(),
        problem,
    };
    let names: BTreeMap<String, String> =
        serde_json::from_str(&read_text(path)?).map_err(|error| {
            invalid(format!(
                "is not a map of ids to names: {}",
                one_line(&error.to_string())
            ))
        })?;
    let by_id = names
        .into_iter()
        .map(|(id, name)| match id.parse::<usize>() {
            Ok(id) => Ok((id, name)),
            Err(_) => Err(invalid(format!(
                "\"{id}\" is not a class id; use 0, 1, 2, ..."
            ))),
        })
        .collect::<Result<BTreeMap<usize, String>, Error>>()?;
    let gap = by_id.keys().zip(0..).find(|&(&id, place)| id != place);
    if let Some((_, missing)) = gap {
        return Err(invalid(format!(
            "class {missing} has no name; ids must be 0, 1, 2, ... without a gap"
        )));
    }
    Ok(by_id.into_values().collect())
}

/// Parsers' messages may span lines; ours may not.
pub(crate) fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
