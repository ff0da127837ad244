//! Settles which classes a dataset has and how its files say them.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use upernet_image::IGNORE_LABEL;

use super::annotation::Annotation;
use super::label_mapping::ranges;
use super::label_table::read_id2label;
use super::mask::{NO_COLORS, RawMask};
use super::pairs::Entry;
use super::{Contents, DatasetOptions, LabelMapping, LabelTable, LabelTarget, coco, labelme};
use crate::Error;

/// Names of the classes and how they are found in the files.
#[derive(Clone, Debug)]
pub(crate) struct Classes {
    pub(crate) names: Vec<String>,
    pub(crate) mapping: LabelMapping,
}

/// Where a table is from.
struct Source {
    table: LabelTable,
    origin: String,
    path: Option<PathBuf>,
}

impl Source {
    fn new(table: LabelTable, origin: &str) -> Self {
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
            None => scanned_table(root, contents, options)?,
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
    Ok(Classes { names, mapping })
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

/// Counts the classes by looking into every mask, which only serves if the ids are 0, 1, 2, ...
fn scanned_table(
    root: &Path,
    contents: &Contents,
    options: &DatasetOptions,
) -> Result<Source, Error> {
    let entries: Vec<&Entry> = contents
        .splits
        .iter()
        .flat_map(|split| &split.pairs.entries)
        .collect();
    if entries
        .iter()
        .any(|entry| matches!(entry.annotation, Annotation::Labelme(_)))
    {
        return named_shapes(&entries);
    }
    let ids = scan(&entries, options)?;
    let classes: Vec<usize> = ids
        .iter()
        .copied()
        .filter(|id| {
            *id != usize::from(IGNORE_LABEL)
                && !options
                    .ignore
                    .iter()
                    .any(|&ignored| usize::from(ignored) == *id)
        })
        .collect();
    let fits = classes
        .last()
        .is_some_and(|last| *last + 1 == classes.len());
    if !fits || (classes == [0] && ids.len() > 1) {
        return Err(Error::Invalid {
            path: root.to_path_buf(),
            problem: format!(
                "the masks hold the ids {}, which are not 0, 1, 2, ... with 255 for ignore; say in \
                 label_map.toml what they mean, or set num_classes",
                ranges(ids)
            ),
        });
    }
    let table = LabelTable {
        classes: (0..classes.len()).map(|id| format!("class_{id}")).collect(),
        ..LabelTable::default()
    };
    Ok(Source::new(
        table,
        &format!("counted in {} masks", entries.len()),
    ))
}

/// Returns the ids of all masks, in order.
fn scan(entries: &[&Entry], options: &DatasetOptions) -> Result<Vec<usize>, Error> {
    const IDS: usize = 1 << 16;
    let seen = entries
        .par_iter()
        .try_fold(Vec::new, |mut seen: Vec<bool>, entry| {
            let path = entry.annotation.path();
            let RawMask::Ids(labels) = RawMask::read(path, &options.limits)? else {
                let problem = NO_COLORS.to_owned();
                return Err(Error::Invalid {
                    path: path.to_path_buf(),
                    problem,
                });
            };
            seen.resize(IDS, false);
            for &label in labels.labels() {
                seen[usize::from(label)] = true;
            }
            Ok(seen)
        })
        .try_reduce(Vec::new, |mut some, others| {
            some.resize(IDS, false);
            for (id, seen) in others.into_iter().enumerate() {
                some[id] |= seen;
            }
            Ok(some)
        })?;
    let ids = seen.into_iter().enumerate().filter(|&(_, seen)| seen);
    Ok(ids.map(|(id, _)| id).collect())
}

/// Takes the labels of all polygons as classes, by name, with a background before them.
fn named_shapes(entries: &[&Entry]) -> Result<Source, Error> {
    let names = entries
        .par_iter()
        .map(|entry| labelme::read_names(entry.annotation.path()))
        .try_reduce(Vec::new, |mut some, others| {
            some.extend(others);
            some.sort_unstable();
            some.dedup();
            Ok(some)
        })?;
    let classes = coco::with_background(
        names
            .into_iter()
            .filter(|name| name != "__ignore__")
            .collect(),
    );
    let table = LabelTable {
        classes,
        ..LabelTable::default()
    };
    Ok(Source::new(
        table,
        &format!("labels of the shapes in {} files", entries.len()),
    ))
}
