//! Adds up what is in all photos and masks, several at a time.

use std::collections::BTreeMap;

use rayon::prelude::*;
use upernet_image::IGNORE_LABEL;

use super::checked::Checked;
use super::inspect::{self, MOST_COLORS, Mask, Photo, Value};
use super::palette;

use super::problem::{Kind, Problems};
use super::proposal::propose;
use super::report::{Report, SplitSummary, ValueCount};
use crate::dataset::{Entry, Found};

/// Different values of a whole dataset that are told apart.
const MOST_VALUES: usize = (1 << 16) + 4 * MOST_COLORS;

/// What was seen so far.
#[derive(Default)]
struct Tally {
    /// Pixels and masks of each value.
    values: BTreeMap<Value, [u64; 2]>,
    /// For each split the pixels of each class.
    class_pixels: Vec<Vec<u64>>,
    /// Hash of each photo, its split, and its place in the dataset.
    photos: Vec<([u8; 32], usize, usize)>,
    problems: Problems,
}

/// Checks the wanted splits.
pub(super) fn report(found: &Found, wanted: impl Fn(&str) -> bool) -> Report {
    let splits = found
        .contents
        .splits
        .iter()
        .filter(|split| wanted(&split.name))
        .collect();
    let checked = Checked {
        root: &found.layout.root,
        classes: found.classes.as_ref().ok(),
        limits: found.limits,
        splits,
    };
    let places: Vec<(usize, &Entry)> = (0..)
        .zip(&checked.splits)
        .flat_map(|(split, files)| files.pairs.entries.iter().map(move |entry| (split, entry)))
        .collect();
    let mut tally = places
        .par_iter()
        .enumerate()
        .fold(Tally::default, |mut tally, (place, &(split, entry))| {
            tally.add(&checked, split, place, entry);
            tally
        })
        .reduce(Tally::default, Tally::merge);
    tally.add_files(&checked);
    tally.add_duplicates(&checked, &places);
    if let Err(error) = &found.classes {
        let message = error.to_string();
        let root = found.layout.root.display().to_string();
        let message = message
            .replace(&format!("{root}: "), "")
            .replace(&format!("{root}/"), "");
        tally.problems.add(Kind::UnsettledClasses(message));
    }
    tally.into_report(found, &checked)
}

impl Tally {
    fn add(&mut self, checked: &Checked<'_>, split: usize, place: usize, entry: &Entry) {
        let photo = match inspect::photo(&entry.image, &checked.limits) {
            Ok(photo) => {
                self.photos.push((photo.hash, split, place));
                Some(photo)
            }
            Err(problem) => {
                let file = format!("{}: {problem}", checked.shown(&entry.image));
                self.problems.add_file(Kind::UnreadablePhoto, place, file);
                None
            }
        };
        match inspect::mask(entry, checked.mapping(), &checked.limits) {
            Ok(Some(mask)) => self.add_mask(checked, split, place, entry, &mask, photo.as_ref()),
            Ok(None) => {}
            Err(problem) => {
                let file = format!("{}: {problem}", checked.shown(entry.annotation.path()));
                self.problems.add_file(Kind::UnreadableMask, place, file);
            }
        }
    }

    fn add_mask(
        &mut self,
        checked: &Checked<'_>,
        split: usize,
        place: usize,
        entry: &Entry,
        mask: &Mask,
        photo: Option<&Photo>,
    ) {
        let file = checked.shown(entry.annotation.path());
        if let Some(photo) = photo.filter(|photo| photo.size != mask.size) {
            let [[height, width], [photo_height, photo_width]] = [mask.size, photo.size];
            let file =
                format!("{file}: {width} x {height}, the photo {photo_width} x {photo_height}");
            self.problems.add_file(Kind::SizeMismatch, place, file);
        }
        let mut unknown = Vec::new();
        let mut classes = BTreeMap::new();
        for (&value, &pixels) in &mask.values {
            match checked.class_of(value) {
                Some(class) => *classes.entry(class).or_insert(0) += pixels,
                None => unknown.push(value),
            }
            if self.values.len() < MOST_VALUES || self.values.contains_key(&value) {
                let [all, files] = self.values.entry(value).or_default();
                *all += pixels;
                *files += 1;
            }
        }
        self.add_classes(checked, split, &classes);
        for kind in checked.trouble_with_values(mask, &unknown) {
            self.problems.add_file(kind, place, file.clone());
        }
        let path = entry.annotation.path();
        if checked
            .mapping()
            .is_some_and(|mapping| palette::differs(path, mask, mapping, &checked.limits))
        {
            self.problems
                .add_file(Kind::PaletteDiffers, place, file.clone());
        }
        let labelled: Vec<u16> = classes
            .into_keys()
            .filter(|&class| class != IGNORE_LABEL)
            .collect();
        if unknown.is_empty() && labelled.is_empty() {
            self.problems.add_file(Kind::NothingLabelled, place, file);
        } else if unknown.is_empty() && labelled.len() == 1 && mask.values.len() == 1 {
            self.problems.add_file(Kind::OneClass, place, file);
        }
    }

    fn add_classes(&mut self, checked: &Checked<'_>, split: usize, classes: &BTreeMap<u16, u64>) {
        let num_classes = checked.classes.map_or(0, |classes| classes.names.len());
        self.class_pixels
            .resize(checked.splits.len(), vec![0; num_classes]);
        for (&class, &pixels) in classes {
            if let Some(count) = self.class_pixels[split].get_mut(usize::from(class)) {
                *count += pixels;
            }
        }
    }

    fn merge(mut self, other: Self) -> Self {
        for (value, [pixels, files]) in other.values {
            let sums = self.values.entry(value).or_default();
            sums[0] += pixels;
            sums[1] += files;
        }
        if self.class_pixels.is_empty() {
            self.class_pixels = other.class_pixels;
        } else {
            let pairs = self.class_pixels.iter_mut().zip(other.class_pixels);
            pairs
                .flat_map(|(sums, counts)| sums.iter_mut().zip(counts))
                .for_each(|(sum, count)| *sum += count);
        }
        self.photos.extend(other.photos);
        self.problems = self.problems.merge(other.problems);
        self
    }

    /// What listing the files has shown already.
    fn add_files(&mut self, checked: &Checked<'_>) {
        let mut place = 0;
        for split in &checked.splits {
            if split.pairs.entries.is_empty() {
                self.problems.add(Kind::EmptySplit(split.name.clone()));
            }
            for image in &split.pairs.lonely_images {
                self.problems
                    .add_file(Kind::PhotoWithoutMask, place, checked.shown(image));
                place += 1;
            }
            for lonely in &split.pairs.lonely_labels {
                let file = format!("{}: no {}", checked.shown(&lonely.file), lonely.photo);
                self.problems
                    .add_file(Kind::LabelsWithoutPhoto, place, file);
                place += 1;
            }
        }
    }

    /// Photos whose bytes are those of one in another split.
    fn add_duplicates(&mut self, checked: &Checked<'_>, places: &[(usize, &Entry)]) {
        self.photos
            .sort_unstable_by_key(|&(hash, _, place)| (hash, place));
        for same in self.photos.chunk_by(|one, other| one.0 == other.0) {
            let &[(_, first_split, first), ref others @ ..] = same else {
                continue;
            };
            for &(_, split, place) in others.iter().filter(|other| other.1 != first_split) {
                let [one, other] = [first, place].map(|place| places[place].1.image.as_path());
                let file = checked.shown(other);
                if one == other {
                    let [one, other] =
                        [first_split, split].map(|split| checked.splits[split].name.clone());
                    self.problems
                        .add_file(Kind::SharedPhotos(one, other), place, file);
                } else {
                    self.problems.add_file(
                        Kind::Duplicate,
                        place,
                        format!("{file} = {}", checked.shown(one)),
                    );
                }
            }
        }
    }

    fn add_absent_classes(&mut self, checked: &Checked<'_>) {
        let names = checked
            .classes
            .map(|classes| classes.names.as_ref())
            .unwrap_or_default();
        let is_absent = |class: usize| self.class_pixels.iter().all(|counts| counts[class] == 0);
        let absent = names
            .iter()
            .enumerate()
            .filter(|&(class, _)| is_absent(class));
        let absent: Vec<&str> = absent.map(|(_, name)| name.as_str()).collect();
        if !absent.is_empty() {
            self.problems.add(Kind::AbsentClasses(absent.join(", ")));
        }
    }

    fn into_report(mut self, found: &Found, checked: &Checked<'_>) -> Report {
        self.add_absent_classes(checked);
        let has_unknown = self
            .values
            .keys()
            .any(|&value| checked.class_of(value).is_none());
        let settled = checked
            .classes
            .map(|classes| (classes.mapping.as_ref(), classes.names.as_ref()));
        let proposed = has_unknown
            .then(|| propose(self.values.keys().copied(), settled))
            .flatten();
        let splits = checked
            .splits
            .iter()
            .enumerate()
            .map(|(index, split)| SplitSummary {
                name: split.name.clone(),
                samples: split.pairs.entries.len() as u64,
                class_pixels: self.class_pixels.get(index).cloned().unwrap_or_default(),
            });
        let values = self
            .values
            .iter()
            .map(|(&value, &[pixels, files])| ValueCount {
                value: checked.name_of(value),
                class: checked
                    .class_of(value)
                    .map(|class| checked.class_name(class)),
                pixels,
                files,
            });
        Report {
            layout: found.layout.to_string(),
            label_mapping: checked.classes.map(|classes| classes.mapping.to_string()),
            splits: splits.collect(),
            values: values.collect(),
            problems: self.problems.into_list(),
            proposed_label_map: proposed.map(|table| table.to_toml()),
        }
    }
}
