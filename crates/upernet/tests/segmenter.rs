//! The way in for photos: networks from memory, and photos at their own size.

use upernet::{
    Segmenter,
    hf::{ModelFolder, Overwrite, processor::HfProcessorConfig},
    image_processor,
    nn::Precision,
    pixels::image::{Rgb, RgbImage},
    zoo,
};

const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/tiny");

/// A photo in which no two places are alike.
fn photo(width: u32, height: u32) -> RgbImage {
    #[expect(clippy::cast_possible_truncation, reason = "taken modulo 256")]
    let sample = |value: u32| (value % 256) as u8;
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([
            sample(7 * x + 3 * y),
            sample(x * y),
            sample(255 + 2 * y - x),
        ])
    })
}

#[test]
fn a_network_from_memory_segments_as_the_folder_does() {
    let device = upernet::device::open("flex").expect("flex is compiled in");
    let folder = ModelFolder::open(TINY.as_ref()).expect("testdata");
    let opened = Segmenter::load(&folder, &device, |_| {}).expect("testdata");

    let (model, _) = zoo::load(&folder, &device).expect("testdata");
    let processor = folder.processor.clone().expect("testdata has one");
    let processor = image_processor(&processor).expect("photos have three channels");
    let model = model.prepare(Precision::F32);
    let made = Segmenter::from_network(folder.config, processor, model, &device);

    assert_eq!(made.class_names(), opened.class_names());
    let photo = photo(61, 47);
    let (made, _) = made.predict(&photo).expect("large enough");
    let (opened, _) = opened.predict(&photo).expect("large enough");
    assert_eq!(made.shape(), opened.shape());
    assert_eq!(made.logits(), opened.logits());
}

#[test]
fn without_resizing_a_photo_keeps_its_own_size() {
    let device = upernet::device::open("flex").expect("flex is compiled in");
    let folder = ModelFolder::open(TINY.as_ref()).expect("testdata");
    let (model, _) = zoo::load(&folder, &device).expect("testdata");
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut processor = HfProcessorConfig {
        do_resize: false,
        ..HfProcessorConfig::default()
    };
    let mut segmenters = Vec::new();
    for size in [[512, 512], [93, 150]] {
        processor.size = size;
        let path = home.path().join(format!("{}", size[0]));
        zoo::save(&model, &folder.config, &processor, &path, Overwrite::Refuse).expect("writable");
        let folder = ModelFolder::open(&path).expect("just written");
        segmenters.push(Segmenter::load(&folder, &device, |_| {}).expect("just written"));
        processor.do_resize = true;
    }

    // A photo of the size that the second one resizes to: nothing is left for it to do.
    let photo = photo(150, 93);
    let [kept, resized] = [0, 1].map(|index| {
        let segmenter = &segmenters[index];
        let (prediction, _) = segmenter.predict(&photo).expect("large enough");
        prediction
    });
    assert_eq!(kept.photo_size(), [93, 150]);
    assert_eq!(kept.shape(), resized.shape());
    assert_eq!(kept.logits(), resized.logits());
    let labels = kept.labels().expect("finite logits");
    assert_eq!(labels.size(), [93, 150]);

    // Another photo, another size.
    let other = segmenters[0]
        .predict(&self::photo(64, 64))
        .expect("large enough")
        .0;
    assert_eq!(other.shape()[1..], [16, 16]);
}
