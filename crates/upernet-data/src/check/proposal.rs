//! A label map under which everything that the masks hold is a class or ignored.

use std::collections::BTreeMap;

use upernet_image::IGNORE_LABEL;

use super::inspect::Value;
use crate::dataset::{LabelMapping, LabelTable, LabelTarget, MOST_CLASSES};

/// Proposes a map for values of which some have no class, or nothing if there are too many.
///
/// With classes settled, unknown values are ignored; without, each value becomes a class in its order,
/// and 255 is ignored unless it is the only one beside 0.
pub(super) fn propose(
    values: impl Iterator<Item = Value> + Clone,
    classes: Option<(&LabelMapping, &[String])>,
) -> Option<LabelTable> {
    match classes {
        Some((mapping, names)) => ignoring(values, mapping, names),
        None => numbering(values),
    }
}

fn ignoring(
    values: impl Iterator<Item = Value>,
    mapping: &LabelMapping,
    names: &[String],
) -> Option<LabelTable> {
    let mut table = LabelTable {
        classes: names.to_vec(),
        ..LabelTable::default()
    };
    let target = |class: Option<u16>| match class {
        Some(class) if class != IGNORE_LABEL => {
            LabelTarget::Name(names[usize::from(class)].clone())
        }
        _ => LabelTarget::Name("ignore".to_owned()),
    };
    for value in values {
        match value {
            Value::Id(id) => {
                table
                    .ids
                    .insert(id.to_string(), target(mapping.class_of_id(id)));
            }
            Value::Color(color) => {
                table
                    .colors
                    .insert(color_key(color), target(mapping.class_of_color(color)));
            }
            Value::Class(_) => {}
        }
    }
    (table.ids.len() + table.colors.len() <= MOST_CLASSES + 1).then_some(table)
}

fn numbering(values: impl Iterator<Item = Value> + Clone) -> Option<LabelTable> {
    let mut table = LabelTable::default();
    let mut targets = BTreeMap::new();
    let is_ignored = |value: Value| value == Value::Id(IGNORE_LABEL);
    let is_binary = values
        .clone()
        .filter(|&value| !is_ignored(value))
        .eq([Value::Id(0)]);
    for value in values {
        let name = match value {
            _ if is_ignored(value) && !is_binary => "ignore".to_owned(),
            Value::Id(id) => format!("id_{id}"),
            Value::Color(color) => format!("color_{}", color_key(color).replace(',', "_")),
            Value::Class(_) => continue,
        };
        if name != "ignore" {
            table.classes.push(name.clone());
        }
        targets.insert(value, LabelTarget::Name(name));
    }
    if !(1..=MOST_CLASSES).contains(&table.classes.len()) {
        return None;
    }
    for (value, target) in targets {
        match value {
            Value::Id(id) => table.ids.insert(id.to_string(), target),
            Value::Color(color) => table.colors.insert(color_key(color), target),
            Value::Class(_) => None,
        };
    }
    Some(table)
}

/// A colour as label maps write it.
pub(super) fn color_key(color: [u8; 3]) -> String {
    color.map(|part| part.to_string()).join(",")
}
