//! Classes of a dataset of which nothing is said: what its masks hold.

use std::path::Path;

use rayon::prelude::*;
use upernet_image::IGNORE_LABEL;

use super::annotation::Annotation;
use super::classes::Source;
use super::label_mapping::ranges;
use super::mask::{NO_COLORS, RawMask};
use super::pairs::Entry;
use super::{Contents, DatasetOptions, LabelTable, coco, labelme};
use crate::Error;

/// Counts the classes by looking into every mask, which only serves if the ids are 0, 1, 2, ...
pub(super) fn table(
    root: &Path,
    contents: &Contents,
    options: &DatasetOptions,
) -> Result<Source, Error> {
    let entries: Vec<&Entry> = contents.entries().collect();
    let invalid = |problem: String| Error::Invalid {
        path: root.to_path_buf(),
        problem,
    };
    if entries.is_empty() {
        contents
            .splits
            .iter()
            .try_for_each(|split| split.pairs.complete())?;
        return Err(invalid(
            "there is no photo with a mask; masks are called like their photos".to_owned(),
        ));
    }
    if entries
        .iter()
        .any(|entry| matches!(entry.annotation, Annotation::Labelme(_)))
    {
        return named_shapes(&entries);
    }
    let ids = ids(&entries, options)?;
    let is_class = |id: &usize| {
        u16::try_from(*id).is_ok_and(|id| id != IGNORE_LABEL && !options.ignore.contains(&id))
    };
    let classes: Vec<usize> = ids.iter().copied().filter(is_class).collect();
    let is_dense = classes
        .last()
        .is_some_and(|last| *last + 1 == classes.len());
    // Masks of 0 and 255 are those of one class and no ignored pixel as often as not.
    if !is_dense || (classes == [0] && ids.len() > 1) {
        return Err(invalid(format!(
            "the masks hold the ids {}, which are not 0, 1, 2, ... with 255 for ignore; say in label_map.toml \
             what they mean, or set num_classes",
            ranges(ids)
        )));
    }
    let classes = (0..classes.len()).map(|id| format!("class_{id}")).collect();
    let table = LabelTable {
        classes,
        ..LabelTable::default()
    };
    Ok(Source::new(
        table,
        &format!("counted in {} masks", entries.len()),
    ))
}

/// Returns the ids of all masks, in order.
fn ids(entries: &[&Entry], options: &DatasetOptions) -> Result<Vec<usize>, Error> {
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
    let names = names
        .into_iter()
        .filter(|name| name != "__ignore__")
        .collect();
    let table = LabelTable {
        classes: coco::with_background(names),
        ..LabelTable::default()
    };
    Ok(Source::new(
        table,
        &format!("labels of the shapes in {} files", entries.len()),
    ))
}
