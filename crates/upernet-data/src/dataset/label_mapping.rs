//! The one translation of what files hold into classes, applied once, when a mask is decoded.

use std::collections::HashMap;
use std::fmt;

use upernet_image::IGNORE_LABEL;

use super::{LabelTable, LabelTarget};

/// Most classes a dataset may have: 255 is not a class, and no id above it is written as a byte.
pub const MOST_CLASSES: usize = 255;

/// In the table of ids: not a class and not to be ignored either. No class id is this high.
const UNKNOWN: u16 = u16::MAX;

/// Which class each id, colour or name in the files means.
///
/// `Display` says it in a sentence, with where it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelMapping {
    ids: Vec<u16>,
    colors: HashMap<[u8; 3], u16>,
    names: HashMap<String, u16>,
    uncovered: u16,
    num_classes: usize,
    origin: String,
}

impl LabelMapping {
    /// Makes the mapping that a table describes for classes of these names.
    ///
    /// `origin` says where the table is from, for the sentence of `Display`.
    ///
    /// # Errors
    ///
    /// Returns a line that says which entry of the table makes no sense.
    ///
    /// ```
    /// use upernet_data::dataset::{LabelMapping, LabelTable};
    ///
    /// let classes = ["road".to_owned(), "car".to_owned()];
    /// let table = LabelTable::from_toml("ids = {7 = 'road', 26 = 1, 0 = 'ignore'}")?;
    /// let mapping = LabelMapping::new(&table, &classes, "label_map.toml")?;
    /// assert_eq!([7, 26, 0, 255].map(|id| mapping.class_of_id(id)), [Some(0), Some(1), Some(255), Some(255)]);
    /// assert_eq!(mapping.class_of_id(1), None);
    /// # Ok::<(), String>(())
    /// ```
    pub fn new(table: &LabelTable, classes: &[String], origin: &str) -> Result<Self, String> {
        if !(1..=MOST_CLASSES).contains(&classes.len()) {
            return Err(format!(
                "{} classes; 1 to {MOST_CLASSES} can be told apart",
                classes.len()
            ));
        }
        let resolve = |key: &str, target: &LabelTarget| resolve(key, target, classes);
        let mut ids = vec![UNKNOWN; 1 + usize::from(IGNORE_LABEL)];
        ids[usize::from(IGNORE_LABEL)] = IGNORE_LABEL;
        if table.ids.is_empty() {
            for (class, id) in (0..).zip(&mut ids).take(classes.len()) {
                *id = class;
            }
        }
        for &id in &table.ignore {
            *place(&mut ids, id) = IGNORE_LABEL;
        }
        for (key, target) in &table.ids {
            let id = key
                .trim()
                .parse()
                .map_err(|_| format!("\"{key}\" is not an id from 0 to 65535"))?;
            *place(&mut ids, id) = resolve(key, target)?;
        }
        let mut colors = HashMap::new();
        for (key, target) in &table.colors {
            let color = parse_color(key).ok_or_else(|| {
                format!("\"{key}\" is not a colour; write \"r,g,b\" or \"#rrggbb\"")
            })?;
            if colors.insert(color, resolve(key, target)?).is_some() {
                return Err(format!("the colour \"{key}\" is there twice"));
            }
        }
        let mut names = named_classes(classes);
        for (name, target) in &table.names {
            names.insert(name.clone(), resolve(name, target)?);
        }
        let uncovered = names.get("background").copied().unwrap_or(IGNORE_LABEL);
        Ok(Self {
            ids,
            colors,
            names,
            uncovered,
            num_classes: classes.len(),
            origin: origin.to_owned(),
        })
    }

    /// Returns the class of an id in a mask, [`IGNORE_LABEL`] for none, `None` if nothing is known.
    #[must_use]
    pub fn class_of_id(&self, id: u16) -> Option<u16> {
        self.ids
            .get(usize::from(id))
            .copied()
            .filter(|&class| class != UNKNOWN)
    }

    /// Returns the class of a colour in a mask, [`IGNORE_LABEL`] for none, `None` if nothing is known.
    #[must_use]
    pub fn class_of_color(&self, color: [u8; 3]) -> Option<u16> {
        self.colors.get(&color).copied()
    }

    /// Returns the class of a polygon's label, [`IGNORE_LABEL`] for none, `None` if nothing is known.
    #[must_use]
    pub fn class_of_name(&self, name: &str) -> Option<u16> {
        self.names.get(name).copied()
    }

    /// Returns the class of pixels that no polygon covers: that of `background` if there is one, else
    /// [`IGNORE_LABEL`].
    #[must_use]
    pub fn uncovered(&self) -> u16 {
        self.uncovered
    }

    /// Whether any colour has a class, so that masks may be RGB.
    #[must_use]
    pub fn has_colors(&self) -> bool {
        !self.colors.is_empty()
    }

    /// Number of classes.
    #[must_use]
    pub fn num_classes(&self) -> usize {
        self.num_classes
    }

    /// Whether each class has its own id in the files, and only 255 is ignored.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        let expected = |id: usize| match id {
            id if id < self.num_classes => u16::try_from(id).unwrap_or(UNKNOWN),
            255 => IGNORE_LABEL,
            _ => UNKNOWN,
        };
        self.ids
            .iter()
            .enumerate()
            .all(|(id, &class)| class == expected(id))
    }
}

impl fmt::Display for LabelMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.num_classes - 1;
        if self.is_identity() {
            write!(
                f,
                "ids 0 to {last} are the classes, 255 is ignored, nothing is renumbered"
            )?;
        } else {
            let known = |&(_, &class): &(usize, &u16)| class != UNKNOWN;
            let (ignored, mapped): (Vec<_>, Vec<_>) = self
                .ids
                .iter()
                .enumerate()
                .filter(known)
                .partition(|&(_, &class)| class == IGNORE_LABEL);
            let pairs: Vec<(usize, u16)> = mapped.iter().map(|&(id, &class)| (id, class)).collect();
            write!(
                f,
                "ids {} become the classes 0 to {last}, ids {} are ignored",
                mapped_ranges(&pairs),
                ranges(ignored.iter().map(|&(id, _)| id))
            )?;
        }
        if self.has_colors() {
            write!(f, ", {} colours have a class", self.colors.len())?;
        }
        write!(f, " ({})", self.origin)
    }
}

fn resolve(key: &str, target: &LabelTarget, classes: &[String]) -> Result<u16, String> {
    match target {
        LabelTarget::Id(id) if *id == IGNORE_LABEL || usize::from(*id) < classes.len() => Ok(*id),
        LabelTarget::Id(id) => {
            let last = classes.len() - 1;
            Err(format!(
                "\"{key}\" is mapped to {id}, but classes are 0 to {last}, and 255 is ignore"
            ))
        }
        LabelTarget::Name(name) => match (0..).zip(classes).find(|(_, class)| *class == name) {
            Some((id, _)) => Ok(id),
            None if name == "ignore" => Ok(IGNORE_LABEL),
            None => Err(format!(
                "\"{key}\" is mapped to \"{name}\", which is neither a class nor \"ignore\""
            )),
        },
    }
}

/// Names that polygons may have without being mapped; the ones with underscores are Labelme's.
fn named_classes(classes: &[String]) -> HashMap<String, u16> {
    let mut names = HashMap::from([("__ignore__".to_owned(), IGNORE_LABEL)]);
    for (id, class) in (0..).zip(classes) {
        names.insert(class.clone(), id);
    }
    if let Some(&id) = names.get("_background_") {
        names.entry("background".to_owned()).or_insert(id);
    } else if let Some(&id) = names.get("background") {
        names.insert("_background_".to_owned(), id);
    }
    names
}

fn place(ids: &mut Vec<u16>, id: u16) -> &mut u16 {
    let id = usize::from(id);
    if ids.len() <= id {
        ids.resize(id + 1, UNKNOWN);
    }
    &mut ids[id]
}

/// Reads `r,g,b` or `#rrggbb`.
pub(crate) fn parse_color(text: &str) -> Option<[u8; 3]> {
    if let Some(digits) = text.trim().strip_prefix('#') {
        let value = u32::from_str_radix(digits, 16)
            .ok()
            .filter(|_| digits.len() == 6)?;
        let [_, red, green, blue] = value.to_be_bytes();
        return Some([red, green, blue]);
    }
    let parts: Vec<u8> = text
        .split(',')
        .map(|part| part.trim().parse().ok())
        .collect::<Option<_>>()?;
    parts.try_into().ok()
}

/// Writes numbers as `0 to 3, 7`.
pub(crate) fn ranges(numbers: impl IntoIterator<Item = usize>) -> String {
    let mut runs: Vec<[usize; 2]> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some(run) if run[1] + 1 == number => run[1] = number,
            _ => runs.push([number, number]),
        }
    }
    let text = |[first, last]: &[usize; 2]| match last - first {
        0 => first.to_string(),
        1 => format!("{first}, {last}"),
        _ => format!("{first} to {last}"),
    };
    runs.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// Writes the ids that have a class: a shifted range as a range, anything else id by id up to a few.
fn mapped_ranges(pairs: &[(usize, u16)]) -> String {
    ranges(pairs.iter().map(|&(id, _)| id))
}
