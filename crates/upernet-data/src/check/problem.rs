//! One kind of mistake, the files that have it, and what to do.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// Files that are named for each kind of mistake; the others are counted.
const NAMED: usize = 5;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Training would stop there, or learn from wrong labels.
    Error,
    /// Probably not meant.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// Something that is wrong; `Display` says it in a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub what: String,
    /// The first files that have it, relative to the dataset, some with particulars.
    pub files: Vec<String>,
    /// Number of files that have it.
    pub count: u64,
    /// What to do.
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.what)?;
        if self.count > 0 {
            let noun = if self.count == 1 { "file" } else { "files" };
            let more = if self.count > self.files.len() as u64 {
                ", ..."
            } else {
                ""
            };
            write!(
                f,
                " ({} {noun}: {}{more})",
                self.count,
                self.files.join(", ")
            )?;
        }
        write!(f, "; {}", self.fix)
    }
}

/// Kinds of mistakes, in the order in which they are listed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    UnsettledClasses(String),
    EmptySplit(String),
    PhotoWithoutMask,
    LabelsWithoutPhoto,
    UnreadablePhoto,
    UnreadableMask,
    SizeMismatch,
    GreyAsColors,
    ColorsWithoutMap,
    ManyValues,
    UnknownId(u16),
    UnknownColor([u8; 3]),
    PaletteDiffers,
    Duplicate,
    NothingLabelled,
    OneClass,
    SharedPhotos(String, String),
    AbsentClasses(String),
}

impl Kind {
    fn severity(&self) -> Severity {
        match self {
            Self::LabelsWithoutPhoto
            | Self::PaletteDiffers
            | Self::Duplicate
            | Self::NothingLabelled
            | Self::OneClass
            | Self::SharedPhotos(..)
            | Self::AbsentClasses(_) => Severity::Warning,
            _ => Severity::Error,
        }
    }

    fn what(&self) -> String {
        match self {
            Self::UnsettledClasses(problem) => problem.clone(),
            Self::EmptySplit(name) => format!("the split \"{name}\" has no photo with a mask"),
            Self::UnknownId(id) => format!("id {id} is neither a class nor mapped to one"),
            Self::UnknownColor([red, green, blue]) => {
                format!("colour {red},{green},{blue} has no class")
            }
            Self::SharedPhotos(one, other) => {
                format!("the splits \"{one}\" and \"{other}\" list the same photos")
            }
            Self::AbsentClasses(names) => format!("no pixel is of the classes {names}"),
            Self::PhotoWithoutMask => "photos without mask".to_owned(),
            Self::LabelsWithoutPhoto => "labels without photo".to_owned(),
            Self::UnreadablePhoto => "photos that cannot be read".to_owned(),
            Self::UnreadableMask => "masks that cannot be read".to_owned(),
            Self::SizeMismatch => "masks of another size than their photos".to_owned(),
            Self::GreyAsColors => "masks with grey ids saved as RGB".to_owned(),
            Self::ColorsWithoutMap => {
                "masks with colours, and no colour map says what they mean".to_owned()
            }
            Self::ManyValues => {
                "masks with very many values, as after JPEG or anti-aliasing".to_owned()
            }
            Self::PaletteDiffers => {
                "indexed masks whose palette says another class than the id".to_owned()
            }
            Self::Duplicate => "the same photo in several splits".to_owned(),
            Self::NothingLabelled => "masks in which everything is ignored".to_owned(),
            Self::OneClass => "masks with one class only".to_owned(),
        }
    }

    fn fix(&self) -> &'static str {
        match self {
            Self::UnsettledClasses(_) => {
                "save the proposed map as label_map.toml and correct the names"
            }
            Self::EmptySplit(_) => {
                "masks are called like their photos; set mask_suffix, or remove the split"
            }
            Self::PhotoWithoutMask => "add the masks, remove the photos, or set unpaired to skip",
            Self::LabelsWithoutPhoto => {
                "add the photos, remove the labels, or set unpaired to skip"
            }
            Self::UnreadablePhoto => "remove them or export them anew",
            Self::UnreadableMask => "export them anew as PNG",
            Self::SizeMismatch => {
                "export them at the size of the photos, after turning those upright"
            }
            Self::GreyAsColors => "save them with one channel, or use the proposed map",
            Self::ColorsWithoutMap => "list the colours under [colors] in label_map.toml",
            Self::ManyValues => "export them as PNG, without smoothing and without scaling",
            Self::UnknownId(_) => "map or ignore it in label_map.toml, or set num_classes",
            Self::UnknownColor(_) => "map or ignore it under [colors] in label_map.toml",
            Self::PaletteDiffers => "ids are what counts; check the order of the classes",
            Self::Duplicate => "keep each in one split, or scores will be too good",
            Self::NothingLabelled => "label them or leave them out: nothing is learnt from them",
            Self::OneClass => "look whether they were exported whole",
            Self::SharedPhotos(..) => "do not train on the one and score on the other",
            Self::AbsentClasses(_) => "label some, or leave these classes out",
        }
    }
}

/// Files that have a mistake: the first few by place in the dataset, and how many in all.
#[derive(Debug, Default)]
struct Files {
    first: BTreeMap<usize, String>,
    count: u64,
}

/// Mistakes by kind, with bounded memory.
#[derive(Debug, Default)]
pub(super) struct Problems(BTreeMap<Kind, Files>);

impl Problems {
    /// Adds a mistake that is nobody's in particular.
    pub(super) fn add(&mut self, kind: Kind) {
        self.0.entry(kind).or_default();
    }

    /// Adds a file, whose `place` in the dataset says whether it is among the first.
    pub(super) fn add_file(&mut self, kind: Kind, place: usize, file: String) {
        let files = self.0.entry(kind).or_default();
        files.count += 1;
        files.first.insert(place, file);
        if files.first.len() > NAMED {
            files.first.pop_last();
        }
    }

    /// Joins what two threads found.
    pub(super) fn merge(mut self, other: Self) -> Self {
        for (kind, found) in other.0 {
            let files = self.0.entry(kind).or_default();
            files.count += found.count;
            files.first.extend(found.first);
            while files.first.len() > NAMED {
                files.first.pop_last();
            }
        }
        self
    }

    /// Lists all, errors first.
    pub(super) fn into_list(self) -> Vec<Problem> {
        let listed = self.0.into_iter().map(|(kind, files)| Problem {
            severity: kind.severity(),
            what: kind.what(),
            fix: kind.fix().to_owned(),
            files: files.first.into_values().collect(),
            count: files.count,
        });
        let mut listed: Vec<Problem> = listed.collect();
        listed.sort_by_key(|problem| problem.severity);
        listed
    }
}
