//! ADE20K's own numbering: 1 to 150 are classes, 0 is everything else.
//!
//! Many datasets are laid out like it and number from 0, so the folders alone are no evidence.
//! Source: the scene parsing benchmark, <https://github.com/CSAILVision/sceneparsing>.

use std::path::Path;

use rayon::prelude::*;
use upernet_image::{ADE20K, IGNORE_LABEL};

use super::mask::RawMask;
use super::{Contents, DatasetOptions, LabelTable, LabelTarget, Official};
use crate::Error;

/// How photos of ADE20K are called.
const PREFIX: &str = "ADE_";

/// Masks that are looked into to tell the dataset's own numbering from one that was reduced before.
const LOOKED_INTO: usize = 64;

/// Returns the official table if the photos are called as ADE20K's are and the masks are numbered so.
///
/// Masks that were reduced before hold 255 where the dataset's own hold 0; those keep their ids.
pub(super) fn official(
    contents: &Contents,
    options: &DatasetOptions,
) -> Result<Option<Official>, Error> {
    let entries = || contents.entries();
    let is_named_so = |name: &str| {
        name.rsplit('/')
            .next()
            .is_some_and(|name| name.starts_with(PREFIX))
    };
    if entries().next().is_none() || !entries().all(|entry| is_named_so(&entry.name)) {
        return Ok(None);
    }
    let step = entries().count().div_ceil(LOOKED_INTO);
    let looked_into: Vec<_> = entries().step_by(step).collect();
    let reduced = looked_into
        .par_iter()
        .map(|entry| is_reduced(entry.annotation.path(), options))
        .collect::<Result<Vec<bool>, Error>>()?;
    let classes = ADE20K.iter().map(|class| class.name.to_owned()).collect();
    if reduced.contains(&true) {
        let table = LabelTable {
            classes,
            ..LabelTable::default()
        };
        let origin = "ADE20K, renumbered before: its masks hold 255".to_owned();
        return Ok(Some(Official { table, origin }));
    }
    let ids = (0..)
        .take(ADE20K.len())
        .map(|class: u16| ((class + 1).to_string(), LabelTarget::Id(class)));
    let table = LabelTable {
        classes,
        ignore: vec![0],
        ids: ids.collect(),
        ..LabelTable::default()
    };
    Ok(Some(Official {
        table,
        origin: "ADE20K's own numbering".to_owned(),
    }))
}

fn is_reduced(path: &Path, options: &DatasetOptions) -> Result<bool, Error> {
    match RawMask::read(path, &options.limits)? {
        RawMask::Ids(labels) => Ok(labels.labels().contains(&IGNORE_LABEL)),
        RawMask::Colors(_) => Ok(false),
    }
}
