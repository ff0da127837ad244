//! What scenes have to be, whatever they show.

use rstest::rstest;
use sha2::{Digest, Sha256};
use upernet_image::{CAMVID, LabelMap};

use super::{SceneOptions, Scenes, render};
use crate::{Sample, SampleSource};

fn options(size: [usize; 2]) -> SceneOptions {
    SceneOptions::new(size).unwrap()
}

fn scenes(count: u64, size: [usize; 2]) -> Vec<Sample> {
    let options = options(size);
    (0..count)
        .map(|index| render(&options, 11, index))
        .collect()
}

/// The share of all pixels that each class has, and of the scenes in which it occurs.
fn shares(scenes: &[Sample]) -> Vec<[f64; 2]> {
    let pixels: usize = scenes.iter().map(|scene| scene.labels.labels().len()).sum();
    let share = |label: u16| {
        let areas = scenes.iter().map(|scene| {
            let labels = scene.labels.labels();
            labels.iter().filter(|&&found| found == label).count()
        });
        let areas: Vec<usize> = areas.collect();
        let seen = areas.iter().filter(|&&area| area > 0).count();
        [
            areas.iter().sum::<usize>() as f64 / pixels as f64,
            seen as f64 / scenes.len() as f64,
        ]
    };
    (0..11).map(share).collect()
}

/// Brightness of each pixel, 0 to 255.
fn brightness(scene: &Sample) -> Vec<f64> {
    let pixels = scene.image.pixels();
    pixels
        .map(|pixel| pixel.0.iter().map(|&value| f64::from(value)).sum::<f64>() / 3.0)
        .collect()
}

/// The digests come from this code itself, on x86-64: they pin the pictures, which must be the same on
/// every machine and from version to version.
#[rstest]
#[case([64, 64], 0, 0, "74ddcfe688242756")]
#[case([99, 131], 7, 3, "efa2b8948ea5d769")]
#[case([256, 320], 20_260, 41, "9a280dc3657f0061")]
fn scenes_are_the_same_everywhere(
    #[case] size: [usize; 2],
    #[case] seed: u64,
    #[case] index: u64,
    #[case] digest: &str,
) {
    let scene = render(&options(size), seed, index);
    let mut hash = Sha256::new();
    hash.update(scene.image.as_raw());
    for label in scene.labels.labels() {
        hash.update(label.to_le_bytes());
    }
    let start: [u8; 8] = hash.finalize()[..8].try_into().unwrap();
    assert_eq!(format!("{:016x}", u64::from_be_bytes(start)), digest);
}

/// The shares that the training split of CamVid has, in percent (counted over its 367 masks without the
/// pixels that belong to no class): sky 17.5, building 24.2, pole 1.0, road 33.0, pavement 4.7, tree
/// 10.1, sign 1.2, fence 1.2, car 6.1, pedestrian 0.7, bicyclist 0.3. Thin things are drawn wider here.
#[test]
fn classes_have_about_the_shares_of_camvid() {
    let bounds = [
        (12.0, 24.0, 0.95),
        (17.0, 30.0, 0.95),
        (0.8, 3.0, 0.9),
        (24.0, 37.0, 1.0),
        (3.0, 9.0, 0.95),
        (7.0, 15.0, 0.9),
        (0.6, 2.0, 0.8),
        (0.6, 3.0, 0.5),
        (3.5, 9.0, 0.85),
        (0.4, 1.5, 0.6),
        (0.3, 1.3, 0.35),
    ];
    let scenes = scenes(200, [128, 160]);
    for (class, ([share, seen], (least, most, often))) in
        shares(&scenes).into_iter().zip(bounds).enumerate()
    {
        let name = CAMVID[class].name;
        let percent = 100.0 * share;
        assert!((least..most).contains(&percent), "{name}: {percent:.2} %");
        assert!(seen >= often, "{name}: in {seen:.2} of all scenes");
    }
}

#[test]
fn every_pixel_has_a_class() {
    for scene in scenes(20, [100, 140]) {
        assert!(scene.labels.labels().iter().all(|&label| label < 11));
    }
}

#[rstest]
#[case([64, 64])]
#[case([65, 301])]
#[case([301, 67])]
#[case([64, 2048])]
#[case([2048, 64])]
fn any_size_within_the_bounds_is_drawn(#[case] size: [usize; 2]) {
    let scene = render(&options(size), 1, 2);
    let [height, width] = size.map(|side| u32::try_from(side).unwrap());
    assert_eq!(scene.image.dimensions(), (width, height));
    assert_eq!(scene.labels.size(), size);
}

#[rstest]
#[case([63, 100])]
#[case([100, 2049])]
#[case([0, 0])]
fn other_sizes_are_refused(#[case] size: [usize; 2]) {
    let message = SceneOptions::new(size).unwrap_err().to_string();
    assert!(message.contains("use 64 to 2048"), "{message}");
}

#[rstest]
#[case(f32::NAN)]
#[case(-0.01)]
#[case(0.2)]
fn widths_that_make_no_sense_are_refused(#[case] width: f32) {
    assert!(options([64, 64]).with_least_width(width).is_err());
}

#[test]
fn seeds_and_indices_give_other_scenes() {
    let options = options([64, 80]);
    let first = render(&options, 1, 0);
    assert_ne!(first, render(&options, 2, 0));
    assert_ne!(first, render(&options, 1, 1));
}

#[test]
fn a_source_gives_the_scenes_of_its_seed() {
    let options = options([64, 80]);
    let scenes = Scenes::new(5, options, 9);
    assert_eq!(scenes.read(3).unwrap(), render(&options, 9, 3));
    assert_eq!(scenes.class_names()[10], "Bicyclist");
}

/// Where the class changes from one pixel to the next the photo changes as well, and more than inside of
/// a class: a mask beside its photo by as little as three pixels would not show this.
#[test]
fn mask_and_photo_have_their_edges_in_the_same_places() {
    let step_at_edges = |shift: usize| {
        let mut steps = [(0.0, 0_u32); 2];
        for scene in scenes(20, [128, 160]) {
            let light = brightness(&scene);
            for (pixel, pair) in scene.labels.labels().windows(2).enumerate() {
                let Some(beside) = light.get(pixel + shift..pixel + shift + 2) else {
                    continue;
                };
                let (sum, count) = &mut steps[usize::from(pair[0] != pair[1])];
                *sum += (beside[0] - beside[1]).abs();
                *count += 1;
            }
        }
        let [inside, edges] = steps.map(|(sum, count)| sum / f64::from(count));
        edges / inside
    };
    let [there, beside] = [0, 3].map(step_at_edges);
    assert!(
        there > 4.0,
        "steps at edges are {there:.1} times those inside"
    );
    assert!(
        there > 1.5 * beside,
        "{there:.1} against {beside:.1} three pixels beside"
    );
}

#[test]
fn the_sky_is_brighter_than_the_road() {
    let mut brighter = 0;
    for scene in scenes(50, [96, 128]) {
        let light = brightness(&scene);
        let mean = |label: u16| {
            let of_class = scene.labels.labels().iter().zip(&light);
            let of_class: Vec<f64> = of_class
                .filter(|(found, _)| **found == label)
                .map(|(_, &light)| light)
                .collect();
            of_class.iter().sum::<f64>() / of_class.len().max(1) as f64
        };
        brighter += usize::from(mean(0) > mean(3) + 20.0);
    }
    assert!(brighter >= 48, "in {brighter} of 50 scenes");
}

/// A pixel unlike all four beside it is nothing that a network or a person could see.
#[test]
fn masks_have_hardly_any_lone_pixels() {
    let scenes = scenes(50, [256, 320]);
    let lone: usize = scenes.iter().map(|scene| lone_pixels(&scene.labels)).sum();
    let pixels = 50.0 * 256.0 * 320.0;
    let share = lone as f64 / pixels;
    assert!(share < 2e-4, "{lone} lone pixels, {share:.6} of all");
}

fn lone_pixels(labels: &LabelMap) -> usize {
    let [height, width] = labels.size();
    let mut lone = 0;
    for row in 1..height - 1 {
        for column in 1..width - 1 {
            let label = labels.label(row, column);
            let beside = [
                labels.label(row - 1, column),
                labels.label(row + 1, column),
                labels.label(row, column - 1),
                labels.label(row, column + 1),
            ];
            lone += usize::from(!beside.contains(&label));
        }
    }
    lone
}
