use std::thread;

use proptest::prelude::*;
use rstest::rstest;
use upernet_image::{
    IGNORE_LABEL, LabelMap,
    image::{Rgb, RgbImage},
};

use super::*;
use crate::random;

/// The colour that each label is drawn in.
const COLORS: [[u8; 3]; 3] = [[200, 10, 40], [0, 255, 90], [30, 60, 220]];

/// Side of a square, in pixels.
const SQUARE: usize = 32;

/// Squares of labels, and a photo in their colours.
fn squares([height, width]: [usize; 2]) -> Sample {
    let label = |row: usize, column: usize| (row / SQUARE + column / SQUARE * 2) % 3;
    let labels =
        (0..height * width).map(|at| u16::try_from(label(at / width, at % width)).unwrap());
    let side = |side: usize| u32::try_from(side).unwrap();
    Sample {
        image: RgbImage::from_fn(side(width), side(height), |column, row| {
            Rgb(COLORS[label(row as usize, column as usize)])
        }),
        labels: LabelMap::new([height, width], labels.collect()).unwrap(),
    }
}

/// How far the colours of a border are blended: half a pixel of the photo, at most three times enlarged,
/// and one pixel more where it is turned.
const BLENDED: usize = 3;

/// Whether all pixels around one are there and have its label.
fn is_settled(labels: &LabelMap, row: usize, column: usize) -> bool {
    let [height, width] = labels.size();
    let label = labels.label(row, column);
    let around = |at: usize| at.saturating_sub(BLENDED)..=at + BLENDED;
    let inside = |at: usize, side: usize| at >= BLENDED && at + BLENDED < side;
    inside(row, height)
        && inside(column, width)
        && around(row).all(|row| around(column).all(|column| labels.label(row, column) == label))
}

/// Checks that what is not labelled is filled and that, away from borders, each pixel has its label's
/// colour; gives the share that was checked.
fn check_alignment(sample: &Sample) -> Result<f64, TestCaseError> {
    let [height, width] = sample.labels.size();
    let found = [sample.image.height(), sample.image.width()].map(|side| side as usize);
    prop_assert_eq!(found, [height, width]);
    let mut checked = 0;
    for (at, pixel) in sample.image.pixels().enumerate() {
        let [row, column] = [at / width, at % width];
        let label = sample.labels.label(row, column);
        if label == IGNORE_LABEL {
            prop_assert_eq!(pixel.0, mean_color());
        } else if is_settled(&sample.labels, row, column) {
            let expected = COLORS[usize::from(label)];
            let distance = (0..3).map(|at| pixel.0[at].abs_diff(expected[at])).max();
            prop_assert!(
                distance <= Some(1),
                "{:?} for {} at {}, {}",
                pixel.0,
                label,
                row,
                column
            );
            checked += 1;
        }
    }
    Ok(f64::from(checked) / (height * width) as f64)
}

prop_compose! {
    fn geometry()(
        ratio in 0.5_f64..3.0,
        degrees in prop::option::of(0.0_f64..180.0),
        crop in prop::option::of([1_usize..90, 1_usize..90]),
        cat_max_ratio in 0.3_f64..1.0,
        probability in 0.0_f64..1.0,
        pad in prop::option::of([1_usize..90, 1_usize..90]),
    ) -> Augmentation {
        Augmentation {
            random_resize: Some(RandomResize { ratio_range: [ratio; 2], ..RandomResize::default() }),
            rotate: degrees.map(|degrees| Rotate { degrees, probability: 0.7 }),
            random_crop: crop.map(|size| RandomCrop { size, cat_max_ratio }),
            flip: Some(Flip { probability }),
            pad: pad.map(|size| Pad { size: Some(size) }),
            ..Augmentation::none()
        }
    }
}

proptest! {
    #[test]
    fn photo_and_labels_stay_aligned(
        augmentation in geometry(),
        size in [1_usize..100, 1_usize..100],
        seed: u64,
    ) {
        let augmented = augmentation.apply(&squares(size), &mut random(seed, 0, 0)).unwrap();
        check_alignment(&augmented)?;
        let labels = augmented.labels.labels();
        prop_assert!(labels.iter().all(|&label| label < 3 || label == IGNORE_LABEL));
        if let (Some(crop), None) = (&augmentation.random_crop, &augmentation.pad) {
            let [height, width] = augmented.labels.size();
            prop_assert!(height <= crop.size[0] && width <= crop.size[1]);
        }
        if let Some(expected) = augmentation.output_size() {
            prop_assert_eq!(augmented.labels.size(), expected);
        }
    }
}

/// Black above or left of an edge with label 0, white with label 1.
fn edge(size: [usize; 2], share: f64, upright: bool) -> Sample {
    let [height, width] = size;
    let white = |row: usize, column: usize| {
        if upright {
            column as f64 >= share * width as f64
        } else {
            row as f64 >= share * height as f64
        }
    };
    let labels = (0..height * width).map(|at| u16::from(white(at / width, at % width)));
    let labels: Vec<u16> = labels.collect();
    let samples = labels
        .iter()
        .flat_map(|&label| [if label == 1 { 255 } else { 0 }; 3]);
    let [rows, columns] = size.map(|side| u32::try_from(side).unwrap());
    Sample {
        image: RgbImage::from_raw(columns, rows, samples.collect()).unwrap(),
        labels: LabelMap::new(size, labels).unwrap(),
    }
}

proptest! {
    /// The middle grey of a blended edge lies where the label changes, to a part of a pixel.
    #[test]
    fn edges_stay_where_labels_change(
        augmentation in geometry(),
        size in [8_usize..60, 8_usize..60],
        share in 0.3_f64..0.7,
        upright: bool,
        seed: u64,
    ) {
        let augmented = augmentation
            .apply(&edge(size, share, upright), &mut random(seed, 0, 0))
            .unwrap();
        for (label, pixel) in augmented.labels.labels().iter().zip(augmented.image.pixels()) {
            let gray = pixel.0[0];
            if *label != IGNORE_LABEL && gray.abs_diff(128) > 45 {
                prop_assert_eq!(*label, u16::from(gray > 128), "grey {}", gray);
            }
        }
    }
}

/// So that the alignment above is not checked on nothing.
#[rstest]
#[case::resized(0.5, None, 0.1)]
#[case::enlarged(2.0, None, 0.5)]
#[case::turned(1.5, Some(30.0), 0.3)]
fn most_pixels_are_away_from_borders(
    #[case] ratio: f64,
    #[case] degrees: Option<f64>,
    #[case] least: f64,
) {
    let augmentation = Augmentation {
        random_resize: Some(RandomResize {
            ratio_range: [ratio; 2],
            ..RandomResize::default()
        }),
        rotate: degrees.map(|degrees| Rotate {
            degrees,
            probability: 1.0,
        }),
        photometric_distortion: None,
        ..Augmentation::mmseg([96, 112])
    };
    for seed in 0..20 {
        let augmented = augmentation
            .apply(&squares([121, 141]), &mut random(seed, 0, 0))
            .unwrap();
        assert_eq!(augmented.labels.size(), [96, 112]);
        let checked = check_alignment(&augmented).unwrap();
        assert!(checked > least, "{checked}");
    }
}

#[test]
fn colours_change_and_labels_do_not() {
    let colors = Augmentation {
        photometric_distortion: Some(PhotometricDistortion::default()),
        ..Augmentation::none()
    };
    let sample = squares([40, 50]);
    let changed = (0..40)
        .filter(|&seed| {
            let augmented = colors.apply(&sample, &mut random(seed, 0, 0)).unwrap();
            assert_eq!(augmented.labels, sample.labels);
            augmented.image != sample.image
        })
        .count();
    // Nothing is drawn for one in sixteen: 37.5 of 40 change, with a standard deviation of 1.5.
    assert!(changed >= 32, "{changed}");
}

#[test]
fn equal_seeds_give_equal_bytes_on_any_thread() {
    let augmentation = Augmentation {
        rotate: Some(Rotate::default()),
        ..Augmentation::mmseg([50, 60])
    };
    let sample = squares([77, 91]);
    let all = || -> Vec<Sample> {
        (0..30)
            .map(|index| {
                augmentation
                    .apply(&sample, &mut random(8, 0, index))
                    .unwrap()
            })
            .collect()
    };
    let here = all();
    let there = thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(all)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect::<Vec<_>>()
    });
    assert!(there.iter().all(|samples| *samples == here));
    assert!(
        here.windows(2).all(|pair| pair[0] != pair[1]),
        "each index draws anew"
    );
}

#[test]
fn no_stage_changes_nothing() {
    let sample = squares([9, 7]);
    let augmented = Augmentation::none()
        .apply(&sample, &mut random(0, 0, 0))
        .unwrap();
    assert_eq!(augmented, sample);
}

#[test]
fn samples_that_make_no_sense_are_refused() {
    let mut sample = squares([9, 7]);
    sample.labels = LabelMap::new([7, 9], vec![0; 63]).unwrap();
    let apply = |sample: &Sample| {
        let error = Augmentation::none()
            .apply(sample, &mut random(0, 0, 0))
            .unwrap_err();
        error.to_string()
    };
    assert_eq!(
        apply(&sample),
        "labels of a photo: expected [9, 7], found [7, 9]"
    );
    let empty = Sample {
        image: RgbImage::new(4, 0),
        labels: LabelMap::new([0, 4], vec![]).unwrap(),
    };
    assert_eq!(
        apply(&empty),
        "photo to augment: size [0, 4] is empty or too large"
    );
}

#[test]
fn a_section_is_a_stage_with_upstreams_numbers() {
    let text =
        "[random_crop]\nsize = [256, 320]\n[flip]\n[photometric_distortion]\nhue_delta = 9\n";
    let augmentation: Augmentation = toml::from_str(text).unwrap();
    let expected = Augmentation {
        random_crop: Some(RandomCrop {
            size: [256, 320],
            cat_max_ratio: 0.75,
        }),
        flip: Some(Flip { probability: 0.5 }),
        photometric_distortion: Some(PhotometricDistortion {
            hue_delta: 9.0,
            ..PhotometricDistortion::default()
        }),
        ..Augmentation::none()
    };
    assert_eq!(augmentation, expected);
    assert_eq!(
        toml::from_str::<Augmentation>("").unwrap(),
        Augmentation::none()
    );
}

#[test]
fn what_is_written_reads_back() {
    for augmentation in [Augmentation::default(), Augmentation::none()] {
        let text = toml::to_string(&augmentation).unwrap();
        assert_eq!(toml::from_str::<Augmentation>(&text).unwrap(), augmentation);
    }
}

#[rstest]
#[case::stage("[cutout]\n", "unknown field `cutout`")]
#[case::field("[flip]\nprob = 0.5\n", "unknown field `prob`")]
#[case::size("[random_crop]\nsize = [5]\n", "invalid length 1")]
fn misspelt_settings_are_refused(#[case] text: &str, #[case] message: &str) {
    let error = toml::from_str::<Augmentation>(text)
        .unwrap_err()
        .to_string();
    assert!(error.contains(message), "{error}");
}

#[rstest]
#[case::crop("[random_crop]\nsize = [0, 9]", "random_crop.size: [0, 9] is no size")]
#[case::share(
    "[random_crop]\ncat_max_ratio = 2.0",
    "random_crop.cat_max_ratio: 2 is no prob"
)]
#[case::scale(
    "[random_resize]\nscale = [9, 99999]",
    "random_resize.scale: [9, 99999] is no size"
)]
#[case::least(
    "[random_resize]\nmin_size = [0, 1]",
    "random_resize.min_size: [0, 1] is no size"
)]
#[case::flip("[flip]\nprobability = nan", "flip.probability: NaN is no probability")]
#[case::pad("[pad]", "pad.size: is missing")]
#[case::hue(
    "[photometric_distortion]\nhue_delta = 91",
    "photometric_distortion.hue_delta: 91 is"
)]
#[case::contrast(
    "[photometric_distortion]\ncontrast_range = [-1.0, 1.0]",
    "photometric_distortion.contrast_range: [-1, 1] is no range"
)]
fn numbers_without_meaning_are_named(#[case] text: &str, #[case] message: &str) {
    let augmentation: Augmentation = toml::from_str(text).unwrap();
    let error = augmentation.check().unwrap_err().to_string();
    assert!(error.starts_with(message), "{error}");
    let applied = augmentation.apply(&squares([4, 4]), &mut random(0, 0, 0));
    assert_eq!(applied.unwrap_err().to_string(), error);
}

#[test]
fn the_size_of_outcomes_is_known_where_it_is_fixed() {
    assert_eq!(Augmentation::mmseg([5, 6]).output_size(), Some([5, 6]));
    assert_eq!(Augmentation::none().output_size(), None);
    let wider = Augmentation {
        pad: Some(Pad { size: Some([9, 4]) }),
        ..Augmentation::mmseg([5, 6])
    };
    // A photo of 5 x 6 or more gives 9 x 6, a narrower one 9 x 4 or 9 x 5.
    assert_eq!(wider.output_size(), None);
}
