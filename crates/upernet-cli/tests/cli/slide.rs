//! `segment --slide`: photos at their own size, through windows.

use upernet::{
    Inference, InputSize, Segmenter, SegmenterOptions,
    hf::ModelFolder,
    pixels::{DecodeLimits, read_image},
};

use crate::support::{Place, floats, mask, photo, read_tensors, run, tiny};

/// What the library says of the photo.
fn expected(inference: Inference) -> Vec<u8> {
    let device = upernet::device::open("flex").expect("flex is compiled in");
    let folder = ModelFolder::open(tiny().as_ref()).expect("testdata");
    let mut options = SegmenterOptions::default();
    options.inference = inference;
    options.input_size = InputSize::Photo;
    let segmenter = Segmenter::load_with(&folder, &options, &device, |_| {}).expect("testdata");
    let photo = read_image(photo(), &DecodeLimits::default()).expect("testdata");
    let labels = segmenter.segment(&photo).expect("large enough").labels;
    let labels = labels.labels().iter();
    labels
        .map(|&label| u8::try_from(label).expect("five classes"))
        .collect()
}

#[test]
fn windows_give_the_librarys_mask_with_logits_or_without() {
    let place = Place::new();
    let (photo, model) = (photo(), tiny());
    let segment = |out: &str, more: &[&str]| {
        let out = place.arg(out);
        let args = [
            "segment", &photo, "-m", &model, "-o", &out, "--device", "flex",
        ];
        run(args.into_iter().chain(more.iter().copied())).succeeded();
    };
    segment("bands", &["--slide", "64"]);
    let slide = expected(Inference::slide([64, 64]));
    assert_eq!(mask(&place.path("bands/photo.png")), slide);

    segment("logits", &["--slide", "64", "--save", "logits"]);
    assert_eq!(mask(&place.path("logits/photo.png")), slide);
    let tensors = read_tensors(&place.path("logits/photo.safetensors"));
    let (_, shape, bytes) = &tensors["logits"];
    assert_eq!(shape, &[5, 120, 160]);
    assert_eq!(floats(bytes).len(), 5 * 120 * 160);

    segment("stride", &["--slide", "64x96", "--stride", "32x50"]);
    let other = expected(Inference::Slide {
        crop: [64, 96],
        stride: [32, 50],
    });
    assert_eq!(mask(&place.path("stride/photo.png")), other);
    assert_ne!(other, slide);

    segment("large", &["--slide", "500"]);
    assert_eq!(
        mask(&place.path("large/photo.png")),
        expected(Inference::Whole)
    );
}

#[test]
fn windows_that_cannot_be_are_refused() {
    let place = Place::new();
    let (photo, model, out) = (photo(), tiny(), place.arg("out"));
    let refused = |more: &[&str], code, needle| {
        let args = ["segment", &photo, "-m", &model, "-o", &out];
        run(args.into_iter().chain(more.iter().copied())).refused(code, needle);
    };
    refused(
        &["--slide", "64", "--stride", "65"],
        2,
        "windows of 64 x 64 pixels every 65 x 65 do not cover a photo",
    );
    refused(&["--slide", "16"], 4, "at least 32 x 32 pixels");
    let args = ["segment", &photo, "-m", &model, "-o", &out, "--stride", "9"];
    assert_eq!(run(args).code, Some(2), "a stride without windows");
    let args = ["segment", &photo, "-m", &model, "-o", &out, "--slide", "0"];
    assert_eq!(run(args).code, Some(2), "no window");
    assert!(!place.path("out").exists());
}
