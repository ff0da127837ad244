//! What is looked at, and what its values mean.

use std::path::Path;

use upernet_image::DecodeLimits;

use super::inspect::{Mask, Value};
use super::problem::Kind;
use super::proposal::color_key;
use crate::dataset::{Classes, LabelMapping, SplitFiles};

/// Values without a class in one mask that make it one of many values, not of forgotten classes.
const MANY_VALUES: usize = 32;

/// The same where no value has a class yet.
const MANY_UNSETTLED: usize = 128;

/// What is looked at, and with what.
pub(super) struct Checked<'a> {
    pub(super) root: &'a Path,
    pub(super) classes: Option<&'a Classes>,
    pub(super) limits: DecodeLimits,
    pub(super) splits: Vec<&'a SplitFiles>,
}

impl Checked<'_> {
    /// A path relative to the dataset.
    pub(super) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(self.root)
            .unwrap_or(path)
            .display()
            .to_string()
    }

    /// The class of a value, if it has one.
    pub(super) fn class_of(&self, value: Value) -> Option<u16> {
        let mapping = &self.classes?.mapping;
        match value {
            Value::Id(id) => mapping.class_of_id(id),
            Value::Color(color) => mapping.class_of_color(color),
            Value::Class(class) => Some(class),
        }
    }

    /// The name of a class, or `ignore`.
    pub(super) fn class_name(&self, class: u16) -> String {
        let names = self
            .classes
            .map(|classes| classes.names.as_ref())
            .unwrap_or_default();
        names
            .get(usize::from(class))
            .cloned()
            .unwrap_or_else(|| "ignore".to_owned())
    }

    /// A value as reports write it.
    pub(super) fn name_of(&self, value: Value) -> String {
        match value {
            Value::Id(id) => id.to_string(),
            Value::Color(color) => color_key(color),
            Value::Class(class) => self.class_name(class),
        }
    }

    /// How values become classes, if that is settled.
    pub(super) fn mapping(&self) -> Option<&LabelMapping> {
        self.classes.map(|classes| classes.mapping.as_ref())
    }

    /// What is wrong with the values of a mask that have no class.
    pub(super) fn trouble_with_values(&self, mask: &Mask, unknown: &[Value]) -> Vec<Kind> {
        let has_colors = self.mapping().is_some_and(LabelMapping::has_colors);
        let many = if self.classes.is_some() {
            MANY_VALUES
        } else {
            MANY_UNSETTLED
        };
        if unknown.len() >= many {
            return vec![Kind::ManyValues];
        }
        if mask.is_colored() && !has_colors {
            return vec![if mask.is_grey_in_colors() {
                Kind::GreyAsColors
            } else {
                Kind::ColorsWithoutMap
            }];
        }
        if self.classes.is_none() {
            return Vec::new();
        }
        let kinds = unknown.iter().filter_map(|&value| match value {
            Value::Id(id) => Some(Kind::UnknownId(id)),
            Value::Color(color) => Some(Kind::UnknownColor(color)),
            Value::Class(_) => None,
        });
        kinds.collect()
    }
}
