//! Settles which classes a dataset has and how its files say them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use upernet_image::IGNORE_LABEL;

use super::label_table::read_id2label;
use super::{Contents, DatasetOptions, LabelMapping, LabelTable, LabelTarget, scan};
use crate::Error;

/// Names of the classes and how they are found in the files.
#[derive(Clone, Debug)]
pub(crate) struct Classes {
    pub(crate) names: Arc<[String]>,
    pub(crate) mapping: Arc<LabelMapping>,
}

/// A table and where it is from.
pub(super) struct Source {
    table: LabelTable,
    origin: String,
    path: Option<PathBuf>,
}

impl Source {
    pub(super) fn new(table: LabelTable, origin: &str) -> Self {
        Self {
            table,
            origin: origin.to_owned(),
            path: None,
        }
    }
}

/// Asks, in this order: the options' map, `label_map.toml` or `.json`, `id2label.json`, the official
/// table of the dataset, the options' count, and at last the masks themselves.
pub(crate) fn settle(
    root: &Path,
    contents: &Contents,
    options: &DatasetOptions,
) -> Result<Classes, Error> {
    let mut source = match given_table(root, options)? {
        Some(source) => source,
        None => match named_table(root, contents)? {
            Some(source) => source,
            None if options.num_classes.is_some() || !options.class_names.is_empty() => {
                Source::new(
                    LabelTable::default(),
                    "as the options num_classes and class_names say",
                )
            }
            None => scan::table(root, contents, options)?,
        },
    };
    source.table.ignore.extend(&options.ignore);
    let names = names(&source.table, options)?;
    let mapping =
        LabelMapping::new(&source.table, &names, &source.origin).map_err(|problem| match source
            .path
        {
            Some(path) => Error::Invalid { path, problem },
            None => Error::Setting {
                name: "label_map",
                problem,
            },
        })?;
    Ok(Classes {
        names: names.into(),
        mapping: Arc::new(mapping),
    })
}

fn given_table(root: &Path, options: &DatasetOptions) -> Result<Option<Source>, Error> {
    match (&options.label_map, &options.label_map_file) {
        (Some(_), Some(_)) => Err(Error::Setting {
            name: "label_map",
            problem: "is there together with label_map_file; keep one".to_owned(),
        }),
        (Some(table), None) => Ok(Some(Source::new(table.clone(), "option label_map"))),
        (None, Some(file)) => Ok(Some(read_table(root.join(file))?)),
        (None, None) => {
            let found: Vec<PathBuf> = ["label_map.toml", "label_map.json"]
                .map(|name| root.join(name))
                .into_iter()
                .filter(|path| path.is_file())
                .collect();
            match found.as_slice() {
                [] => Ok(None),
                [path] => Ok(Some(read_table(path.clone())?)),
                [_, path, ..] => Err(Error::Invalid {
                    path: path.clone(),
                    problem: "is there beside label_map.toml; keep one".to_owned(),
                }),
            }
        }
    }
}

fn read_table(path: PathBuf) -> Result<Source, Error> {
    let table = LabelTable::read(&path)?;
    let origin = path
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Ok(Source {
        table,
        origin,
        path: Some(path),
    })
}

/// The official table, if the folder does not name other classes.
fn named_table(root: &Path, contents: &Contents) -> Result<Option<Source>, Error> {
    let path = root.join("id2label.json");
    let named = if path.is_file() {
        Some(read_id2label(&path)?)
    } else {
        None
    };
    let official = contents.official.as_ref();
    if let Some(official) = official.filter(|official| {
        named
            .as_ref()
            .is_none_or(|names| *names == official.table.classes)
    }) {
        return Ok(Some(Source::new(official.table.clone(), &official.origin)));
    }
    Ok(named.map(|classes| {
        let table = LabelTable {
            classes,
            ..LabelTable::default()
        };
        Source {
            table,
            origin: "names from id2label.json".to_owned(),
            path: Some(path),
        }
    }))
}

/// Names from the options, else from the table, else numbered ones; all counts must agree.
fn names(table: &LabelTable, options: &DatasetOptions) -> Result<Vec<String>, Error> {
    let targets = table
        .ids
        .values()
        .chain(table.colors.values())
        .chain(table.names.values());
    let used = targets.filter_map(|target| match target {
        LabelTarget::Id(id) if *id != IGNORE_LABEL => Some(usize::from(*id) + 1),
        _ => None,
    });
    let given = [
        options.class_names.len(),
        table.classes.len(),
        options.num_classes.unwrap_or(0),
    ];
    let count = given
        .into_iter()
        .find(|&count| count > 0)
        .or(used.max())
        .unwrap_or(0);
    if let Some(other) = given.into_iter().find(|&other| other > 0 && other != count) {
        return Err(Error::Setting {
            name: if options.num_classes.is_some() {
                "num_classes"
            } else {
                "class_names"
            },
            problem: format!(
                "{count} classes in one place, {other} in another; make the options agree with the dataset's label map"
            ),
        });
    }
    let numbered = || (0..count).map(|id| format!("class_{id}")).collect();
    let named = [&options.class_names, &table.classes]
        .into_iter()
        .find(|names| !names.is_empty());
    Ok(named.cloned().unwrap_or_else(numbered))
}
