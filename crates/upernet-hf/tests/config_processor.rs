//! `preprocessor_config.json`: both generations' forms, and the line for each wrong field.

use upernet_hf::processor::{HfProcessorConfig, Resample};

fn parse(text: &str) -> Result<HfProcessorConfig, String> {
    HfProcessorConfig::from_json(text.as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(parse("{}"), Ok(HfProcessorConfig::default()));
}

#[test]
fn old_and_new_forms_of_size_mean_the_same() {
    for text in [
        r#"{"size": 64}"#,
        r#"{"size": [64, 64]}"#,
        r#"{"size": {"height": 64, "width": 64}}"#,
    ] {
        assert_eq!(
            parse(text).map(|processor| processor.size),
            Ok([64, 64]),
            "{text}"
        );
    }
    let tall = parse(r#"{"size": {"width": 480, "height": 640}}"#);
    assert_eq!(tall.map(|processor| processor.size), Ok([640, 480]));
}

#[test]
fn the_new_name_of_reduce_labels_wins() {
    let both = parse(r#"{"reduce_labels": true, "do_reduce_labels": false}"#);
    assert_eq!(both.map(|processor| processor.do_reduce_labels), Ok(false));
    let old = parse(r#"{"reduce_labels": true}"#);
    assert_eq!(old.map(|processor| processor.do_reduce_labels), Ok(true));
}

#[test]
fn a_size_that_nothing_is_resized_to_may_be_large() {
    let size = parse(r#"{"size": 16384, "do_resize": false}"#).map(|processor| processor.size);
    assert_eq!(size, Ok([16_384, 16_384]));
}

#[test]
fn what_is_written_reads_back_exactly() {
    let processor = HfProcessorConfig {
        do_resize: false,
        size: [360, 480],
        resample: Resample::Hamming,
        do_rescale: false,
        rescale_factor: 1.0 / 257.0,
        do_normalize: false,
        image_mean: vec![0.1, 0.2],
        image_std: vec![0.3, 0.4],
        do_reduce_labels: true,
    };
    assert_eq!(parse(&processor.to_json()), Ok(processor));
}

#[test]
fn each_wrong_field_is_named() {
    for (text, message) in [
        ("[]", "field `(top)` must be an object, found a list of 0"),
        (
            r#"{"size": {"shortest_edge": 512}}"#,
            "field `size` asks for \"shortest_edge\", which is not supported; \
             supported are one number, or height and width",
        ),
        (r#"{"size": 0}"#, "field `size` is 0, allowed is 1 to 16384"),
        (
            r#"{"size": {"height": 1, "width": 99999}}"#,
            "field `size.width` is 99999, allowed is 1 to 16384",
        ),
        (
            r#"{"size": [1]}"#,
            "field `size` is a list of 1, allowed is a length of 2 to 2",
        ),
        (
            r#"{"resample": 6}"#,
            "field `resample` is 6, allowed is 0 to 5",
        ),
        (
            r#"{"image_std": [1, 0, 1]}"#,
            "field `image_std[1]` is 0, allowed is 0.000001 to 1000000",
        ),
        (
            r#"{"image_std": [1, 1, 1e-308]}"#,
            "field `image_std[2]` is 1e-308, allowed is 0.000001 to 1000000",
        ),
        (
            r#"{"size": [16384, 4097]}"#,
            "field `size` is 16384 x 4097, allowed is 8192 x 8192 pixels in all",
        ),
        (
            r#"{"image_mean": [0.5]}"#,
            "fields `image_mean` and `image_std` disagree: \
             the first has 1 channels, the second 3",
        ),
        (
            r#"{"image_processor_type": "ViTImageProcessor"}"#,
            "field `image_processor_type` asks for \"ViTImageProcessor\", \
             which is not supported; supported is SegformerImageProcessor",
        ),
        (
            r#"{"do_resize": 1}"#,
            "field `do_resize` must be true or false, found 1",
        ),
    ] {
        assert_eq!(parse(text), Err(message.to_owned()));
    }
}
