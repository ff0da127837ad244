//! Colours for classes: those that the datasets' own tools use, and generated ones for other classes.

mod generated;
mod tables;

pub use tables::{ADE20K, CAMVID, CITYSCAPES};

/// A class of a known dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedColor {
    /// The class's name in the dataset.
    pub name: &'static str,
    /// Red, green, blue.
    pub color: [u8; 3],
}

/// One colour for each class id, from 0 on.
///
/// ```
/// use upernet_image::Palette;
///
/// assert_eq!(Palette::ade20k().color(2), Some([6, 230, 230])); // sky
/// assert_eq!(Palette::generated(21).len(), 21);
/// assert_eq!(Palette::generated(21).color(255), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Palette {
    colors: Vec<[u8; 3]>,
}

impl Palette {
    /// Makes a palette of the given colours (red, green, blue).
    #[must_use]
    pub fn new(colors: Vec<[u8; 3]>) -> Self {
        Self { colors }
    }

    /// The 150 classes of ADE20K.
    #[must_use]
    pub fn ade20k() -> Self {
        Self::of(&ADE20K)
    }

    /// The 19 classes of Cityscapes that are trained on.
    #[must_use]
    pub fn cityscapes() -> Self {
        Self::of(&CITYSCAPES)
    }

    /// The 11 classes of `CamVid`.
    #[must_use]
    pub fn camvid() -> Self {
        Self::of(&CAMVID)
    }

    /// Makes `num_labels` colours that lie far apart for the eye.
    ///
    /// Always the same ones: a shorter palette is the beginning of a longer one. The first 4,096 differ,
    /// then they repeat.
    #[must_use]
    pub fn generated(num_labels: usize) -> Self {
        Self {
            colors: generated::spread_colors(num_labels),
        }
    }

    /// Returns the colour of a class, if it has one.
    #[must_use]
    pub fn color(&self, label: u16) -> Option<[u8; 3]> {
        self.colors.get(usize::from(label)).copied()
    }

    /// Returns all colours, that of class 0 first.
    #[must_use]
    pub fn colors(&self) -> &[[u8; 3]] {
        &self.colors
    }

    /// Number of colours.
    #[must_use]
    pub fn len(&self) -> usize {
        self.colors.len()
    }

    /// Whether there is no colour at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.colors.is_empty()
    }

    fn of(classes: &[NamedColor]) -> Self {
        Self {
            colors: classes.iter().map(|class| class.color).collect(),
        }
    }
}

/// Returns the palette of the dataset whose classes these are, else a generated one.
///
/// A dataset is recognised only if all its class names are there in its order, capitals and outer
/// spaces aside (mmsegmentation writes `"bed "`).
///
/// ```
/// use upernet_image::{Palette, palette_for};
///
/// let names = ["Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car",
///     "Pedestrian", "Bicyclist"];
/// assert_eq!(palette_for(&names), Palette::camvid());
/// assert_eq!(palette_for(&names[..10]), Palette::generated(10));
/// ```
#[must_use]
pub fn palette_for<S: AsRef<str>>(class_names: &[S]) -> Palette {
    let known: [&[NamedColor]; 3] = [&ADE20K, &CITYSCAPES, &CAMVID];
    let matches = |classes: &&[NamedColor]| {
        classes.len() == class_names.len()
            && classes
                .iter()
                .zip(class_names)
                .all(|(class, name)| class.name.eq_ignore_ascii_case(name.as_ref().trim()))
    };
    known
        .into_iter()
        .find(matches)
        .map_or_else(|| Palette::generated(class_names.len()), Palette::of)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn names(classes: &[NamedColor]) -> Vec<String> {
        classes.iter().map(|class| class.name.to_owned()).collect()
    }

    #[test]
    fn known_names_give_known_palettes() {
        assert_eq!(palette_for(&names(&CITYSCAPES)), Palette::cityscapes());
        let mut ade = names(&ADE20K);
        assert_eq!(palette_for(&ade), Palette::ade20k());
        ade[7] = "Bed ".to_owned();
        assert_eq!(palette_for(&ade), Palette::ade20k());
        ade.swap(0, 1);
        assert_eq!(palette_for(&ade), Palette::generated(150));
        assert_eq!(palette_for::<String>(&[]), Palette::generated(0));
    }

    #[test]
    fn names_are_unique_and_trimmed() {
        for classes in [&ADE20K[..], &CITYSCAPES, &CAMVID] {
            let unique: HashSet<&str> = classes.iter().map(|class| class.name.trim()).collect();
            assert_eq!(unique.len(), classes.len());
            assert!(classes.iter().all(|class| class.name == class.name.trim()));
        }
    }

    /// Spot checks against mmsegmentation's `ade.py` and `cityscapes.py` and the `SegNet` tutorial's
    /// table, at the ends and in the middle, where a slipped line would show.
    #[test]
    fn tables_agree_with_their_sources() {
        let ade = |index: usize| (ADE20K[index].name, ADE20K[index].color);
        assert_eq!(ade(0), ("wall", [120, 120, 120]));
        assert_eq!(ade(12), ("person", [150, 5, 61]));
        assert_eq!(ade(53), ("stairs", [255, 224, 0]));
        assert_eq!(ade(76), ("boat", [173, 255, 0]));
        assert_eq!(ade(115), ("bag", [70, 184, 160]));
        assert_eq!(ade(136), ("traffic light", [41, 0, 255]));
        assert_eq!(ade(149), ("flag", [92, 0, 255]));
        assert_eq!(CITYSCAPES[0].color, [128, 64, 128]);
        assert_eq!(
            (CITYSCAPES[18].name, CITYSCAPES[18].color),
            ("bicycle", [119, 11, 32])
        );
        assert_eq!(
            (CAMVID[4].name, CAMVID[4].color),
            ("Pavement", [60, 40, 222])
        );
    }
}
