//! The way in for photos: networks from memory, photos at their own size, windows.

use upernet::{
    ErrorKind, Inference, InputSize, Segmenter, SegmenterOptions,
    hf::{ModelFolder, Overwrite, processor::HfProcessorConfig},
    image_processor,
    nn::Precision,
    pixels::{
        Logits,
        image::{self, Rgb, RgbImage},
    },
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

/// A segmenter that takes photos at their own size, through windows or not.
fn at_own_size(inference: Inference) -> Segmenter {
    let device = upernet::device::open("flex").expect("flex is compiled in");
    let folder = ModelFolder::open(TINY.as_ref()).expect("testdata");
    let mut options = SegmenterOptions::default();
    options.inference = inference;
    options.input_size = InputSize::Photo;
    Segmenter::load_with(&folder, &options, &device, |_| {}).expect("testdata")
}

#[test]
fn a_window_larger_than_the_photo_is_the_whole_photo() {
    let whole = at_own_size(Inference::Whole);
    for crop in [[93, 150], [512, 150], [1000, 1000]] {
        let slide = at_own_size(Inference::slide(crop));
        let photo = photo(150, 93);
        let (expected, _) = whole.predict(&photo).expect("large enough");
        let (found, _) = slide.predict(&photo).expect("large enough");
        assert_eq!(found.shape(), expected.shape());
        assert_eq!(found.logits(), expected.logits());
        let labels = slide.segment(&photo).expect("large enough").labels;
        assert_eq!(labels.labels(), expected.labels().expect("finite").labels());
    }
}

#[test]
fn two_windows_are_the_average_of_two_photos() {
    // 150 columns, windows of 100: the second starts at 50, so columns 50 to 99 are in both.
    let (photo, window) = (photo(150, 93), [93, 100]);
    let whole = at_own_size(Inference::Whole);
    let [left, right] = [0, 50].map(|start| {
        let part = image::imageops::crop_imm(&photo, start, 0, 100, 93).to_image();
        let (part, _) = whole.predict(&part).expect("large enough");
        let [num_labels, height, width] = part.shape();
        let logits = Logits::new(part.logits(), num_labels, [height, width]).expect("finite");
        logits.resized(window, window).expect("small")
    });
    let slide = at_own_size(Inference::Slide {
        crop: [200, 100],
        stride: [200, 70],
    });
    let (found, _) = slide.predict(&photo).expect("large enough");
    assert_eq!(found.shape(), [5, 93, 150]);
    for (index, &value) in found.logits().iter().enumerate() {
        let (row, column) = (index / 150, index % 150);
        let expected = match column {
            0..50 => left[row * 100 + column],
            50..100 => f32::midpoint(left[row * 100 + column], right[row * 100 + column - 50]),
            _ => right[row * 100 + column - 50],
        };
        assert!(value.to_bits() == expected.to_bits(), "at {row}, {column}");
    }
}

#[test]
fn bands_give_the_labels_of_all_logits() {
    let slide = at_own_size(Inference::slide([64, 48]));
    let photo = photo(150, 133);
    let (prediction, _) = slide.predict(&photo).expect("large enough");
    let segmentation = slide.segment(&photo).expect("large enough");
    let expected = prediction.labels().expect("finite");
    assert_eq!(segmentation.labels.size(), [133, 150]);
    assert_eq!(segmentation.labels.labels(), expected.labels());
}

#[test]
fn windows_go_over_what_the_processor_makes() {
    // The processor makes 96 x 128 of every photo.
    let device = upernet::device::open("flex").expect("flex is compiled in");
    let slide = Segmenter::open(TINY, &device).expect("testdata");
    let slide = slide
        .with_inference(Inference::slide([96, 64]))
        .expect("no gaps");
    let photo = photo(150, 133);
    let (prediction, _) = slide.predict(&photo).expect("large enough");
    assert_eq!(prediction.shape()[1..], [96, 128]);
    let labels = slide.segment(&photo).expect("large enough").labels;
    assert_eq!(labels.size(), [133, 150]);
    assert_eq!(
        labels.labels(),
        prediction.labels().expect("finite").labels()
    );
}

#[test]
fn what_cannot_be_is_said_before_the_network_runs() {
    let whole = at_own_size(Inference::Whole);
    let gaps = Inference::Slide {
        crop: [64, 64],
        stride: [64, 65],
    };
    let error = whole.with_inference(gaps).expect_err("gaps");
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert_eq!(
        error.to_string(),
        "windows of 64 x 64 pixels every 64 x 65 do not cover a photo; \
         a stride is from 1 to the window's side"
    );

    let small = at_own_size(Inference::slide([8, 8]));
    let error = small
        .predict(&photo(100, 100))
        .expect_err("too small a window");
    assert!(error.to_string().contains("at least 32 x 32"), "{error}");
}
