//! Each configuration that no network is built from, and the line that says so.

use serde_json::{Value, json};
use upernet_hf::{
    ErrorKind,
    config::{ConfigError, HfConfig, SUPPORTED_BACKBONES},
};

/// A configuration that is accepted, with `edit` applied to it.
fn edited(edit: impl FnOnce(&mut Value)) -> Result<HfConfig, ConfigError> {
    let mut config = json!({
        "model_type": "upernet",
        "id2label": {"0": "a", "1": "b"},
        "backbone_config": {"model_type": "swin", "out_indices": [1, 2, 3, 4]},
    });
    edit(&mut config);
    HfConfig::from_json(config.to_string().as_bytes())
}

/// A configuration with one field of the top, or (`backbone.x`) of the backbone, set.
fn with(field: &str, value: Value) -> Result<HfConfig, ConfigError> {
    edited(|config| match field.strip_prefix("backbone.") {
        Some(field) => config["backbone_config"][field] = value,
        None => config[field] = value,
    })
}

fn assert_refused(result: Result<HfConfig, ConfigError>, kind: ErrorKind, message: &str) {
    let error = result.expect_err(message);
    assert_eq!(error.to_string(), message);
    assert_eq!(error.kind(), kind, "{message}");
}

#[test]
fn the_unedited_configuration_is_accepted() {
    assert_eq!(edited(|_| ()).map(|config| config.num_labels()), Ok(2));
}

#[test]
fn what_is_not_built_is_refused_by_name() {
    for (field, value, message) in [
        (
            "model_type",
            json!("segformer"),
            "field `model_type` asks for \"segformer\", which is not supported; \
             supported is upernet",
        ),
        (
            "backbone",
            json!("resnet50"),
            "field `backbone` asks for \"resnet50\", which is not supported; \
             write the backbone out as `backbone_config`",
        ),
        (
            "use_timm_backbone",
            json!(true),
            "field `use_timm_backbone` asks for \"a timm backbone\", which is not supported; \
             write the backbone out as `backbone_config`",
        ),
        (
            "backbone_kwargs",
            json!({"depth": 3}),
            "field `backbone_kwargs` asks for \"{\\\"depth\\\":3}\", which is not supported; \
             write the backbone out as `backbone_config`",
        ),
        (
            "backbone.hidden_act",
            json!("relu"),
            "field `backbone_config.hidden_act` asks for \"relu\", which is not supported; \
             supported is gelu",
        ),
        (
            "backbone.image_size",
            json!([224, 192]),
            "field `backbone_config.image_size` asks for \"224 x 192\", which is not supported; \
             height and width must be equal",
        ),
    ] {
        assert_refused(with(field, value), ErrorKind::Unsupported, message);
    }
}

#[test]
fn a_family_that_is_not_built_is_refused_with_those_that_are() {
    let message = format!(
        "field `backbone_config.model_type` asks for \"hiera\", which is not supported; \
         supported are {}",
        SUPPORTED_BACKBONES.join(", ")
    );
    let found = with("backbone.model_type", json!("hiera"));
    assert_refused(found, ErrorKind::Unsupported, &message);
}

#[test]
fn a_backbone_to_be_downloaded_is_refused_only_if_none_is_written_out() {
    assert!(
        with("use_pretrained_backbone", json!(true)).is_ok(),
        "there is a backbone_config"
    );
    assert_refused(
        edited(|config| {
            config["backbone_config"] = Value::Null;
            config["use_pretrained_backbone"] = json!(true);
        }),
        ErrorKind::Unsupported,
        "field `use_pretrained_backbone` asks for \"a backbone to be downloaded\", \
         which is not supported; write the backbone out as `backbone_config`",
    );
}

#[test]
fn missing_fields_without_a_default_are_named() {
    for (field, message) in [
        (
            "model_type",
            "field `model_type` is missing; a UPerNet's config.json says \"upernet\" there",
        ),
        (
            "backbone.model_type",
            "field `backbone_config.model_type` is missing; \
             it names the backbone family, such as swin",
        ),
    ] {
        assert_refused(with(field, Value::Null), ErrorKind::BadData, message);
    }
}

#[test]
fn numbers_out_of_bounds_are_named_with_their_value() {
    for (field, value, message) in [
        (
            "hidden_size",
            json!(0),
            "field `hidden_size` is 0, allowed is 1 to 65536",
        ),
        (
            "hidden_size",
            json!(1e30),
            "field `hidden_size` must be an integer, found 1e+30",
        ),
        (
            "hidden_size",
            json!("x"),
            "field `hidden_size` must be an integer, found \"x\"",
        ),
        (
            "hidden_size",
            json!(true),
            "field `hidden_size` must be an integer, found true",
        ),
        (
            "pool_scales",
            json!([]),
            "field `pool_scales` is a list of 0, allowed is a length of 1 to 16",
        ),
        (
            "pool_scales",
            json!([1, 0]),
            "field `pool_scales[1]` is 0, allowed is 1 to 64",
        ),
        (
            "pool_scales",
            json!(6),
            "field `pool_scales` must be a list of integers, found 6",
        ),
        (
            "auxiliary_num_convs",
            json!(65),
            "field `auxiliary_num_convs` is 65, allowed is 0 to 64",
        ),
        (
            "auxiliary_loss_weight",
            json!(-0.5),
            "field `auxiliary_loss_weight` is -0.5, allowed is 0 to 1000",
        ),
        (
            "loss_ignore_index",
            json!(0.5),
            "field `loss_ignore_index` must be an integer, found 0.5",
        ),
        (
            "num_labels",
            json!(0),
            "field `num_labels` is 0, allowed is 1 to 65535",
        ),
    ] {
        assert_refused(with(field, value), ErrorKind::BadData, message);
    }
}

#[test]
fn a_backbones_numbers_out_of_bounds_are_named_too() {
    for (field, value, message) in [
        (
            "backbone.depths",
            json!([2, 0, 2, 2]),
            "field `backbone_config.depths[1]` is 0, allowed is 1 to 1024",
        ),
        (
            "backbone.depths",
            json!([1024, 1, 1, 1]),
            "field `backbone_config.depths` is 1027 blocks in all, allowed is up to 1024",
        ),
        (
            "backbone.depths",
            json!([1, 1, 1, 1, 1, 1, 1, 1, 1]),
            "field `backbone_config.depths` is a list of 9, allowed is a length of 1 to 8",
        ),
        (
            "backbone.window_size",
            json!(65),
            "field `backbone_config.window_size` is 65, allowed is 1 to 64",
        ),
        (
            "backbone.patch_size",
            json!(0),
            "field `backbone_config.patch_size` is 0, allowed is 1 to 64",
        ),
        (
            "backbone.drop_path_rate",
            json!(1.0),
            "field `backbone_config.drop_path_rate` is 1.0, allowed is 0 to 0.999999",
        ),
        (
            "backbone.mlp_ratio",
            json!(0.001),
            "field `backbone_config.mlp_ratio` is 0.001, allowed is 0.010416666666666666 to 64",
        ),
        (
            "backbone.embed_dim",
            json!(12288),
            "field `backbone_config.embed_dim` is 12288, which makes 98304 channels in the last \
             stage, allowed is up to 65536 there",
        ),
        (
            "backbone.embed_dim",
            json!(4800),
            "field `(whole network)` is about 6.9e10 parameters, allowed is up to 4.3e9",
        ),
    ] {
        assert_refused(with(field, value), ErrorKind::BadData, message);
    }
}

#[test]
fn fields_that_contradict_each_other_are_both_named() {
    for (field, value, message) in [
        (
            "backbone.depths",
            json!([2, 2, 6]),
            "field `backbone_config.out_indices` holds the index 4, the stages are 1 to 3",
        ),
        (
            "backbone.num_heads",
            json!([3, 6, 12]),
            "fields `backbone_config.depths` and `backbone_config.num_heads` disagree: \
             the first has 4 stages, the second 3",
        ),
        (
            "backbone.num_heads",
            json!([3, 6, 12, 25]),
            "fields `backbone_config.embed_dim` and `backbone_config.num_heads` disagree: \
             stage4 has 768 channels, not divisible by 25 heads",
        ),
        (
            "num_labels",
            json!(3),
            "fields `num_labels` and `id2label` disagree: \
             the first says 3 classes, the second names 2",
        ),
        (
            "auxiliary_in_channels",
            json!(512),
            "fields `auxiliary_in_channels` and `backbone_config` disagree: \
             the first says 512, the third feature map has 384 channels",
        ),
        (
            "auxiliary_num_convs",
            json!(0),
            "fields `auxiliary_num_convs` and `auxiliary_channels` disagree: without convolutions \
             the auxiliary head keeps the 384 channels it reads, the second says 256",
        ),
        (
            "backbone.out_indices",
            json!([3, 4]),
            "field `use_auxiliary_head` is true, but the auxiliary head reads the third feature \
             map and `backbone_config.out_features` asks for 2; ask for at least three, or set it \
             to false",
        ),
    ] {
        assert_refused(with(field, value), ErrorKind::BadData, message);
    }
}

#[test]
fn three_depths_and_four_heads_are_named_whatever_the_stages() {
    let result = edited(|config| {
        config["use_auxiliary_head"] = json!(false);
        config["backbone_config"] =
            json!({"model_type": "swin", "depths": [2, 2, 2], "num_heads": [3, 6, 12, 24]});
    });
    assert_refused(
        result,
        ErrorKind::BadData,
        "fields `backbone_config.depths` and `backbone_config.num_heads` disagree: \
         the first has 3 stages, the second 4",
    );
}

#[test]
fn an_auxiliary_head_that_is_off_may_be_impossible() {
    let config = edited(|config| {
        config["use_auxiliary_head"] = json!(false);
        config["auxiliary_in_channels"] = json!(999);
        config["backbone_config"]["out_indices"] = json!([4]);
    });
    assert_eq!(
        config.map(|config| config.auxiliary_input_channels()),
        Ok(None)
    );
}

#[test]
fn class_names_must_count_from_zero_without_a_gap() {
    for (labels, message) in [
        (
            json!({}),
            "field `id2label` is an object of 0 names, allowed is 1 to 65535",
        ),
        (
            json!([]),
            "field `id2label` must be an object of class names, found a list of 0",
        ),
        (
            json!({"0": "a", "2": "b"}),
            "field `id2label` has 2 entries but none for class 1",
        ),
        (
            json!({"1": "a"}),
            "field `id2label` has 1 entries but none for class 0",
        ),
        (
            json!({"0": "a", "01": "b"}),
            "field `id2label` has 2 entries but none for class 1",
        ),
        (
            json!({"0": 3}),
            "field `id2label.0` must be a string, found 3",
        ),
        (
            json!({"0": "x".repeat(1025)}),
            "field `id2label.0` is a name of 1025 bytes, allowed is up to 1024",
        ),
    ] {
        assert_refused(with("id2label", labels), ErrorKind::BadData, message);
    }
}

#[test]
fn a_number_of_labels_alone_names_them_as_hugging_face_does() {
    let config = edited(|config| {
        config["id2label"] = Value::Null;
        config["num_labels"] = json!(3);
    });
    let labels = config.map(|config| config.id2label);
    assert_eq!(
        labels,
        Ok(vec!["LABEL_0".into(), "LABEL_1".into(), "LABEL_2".into()])
    );
}

#[test]
fn text_that_is_not_json_is_refused_with_its_place() {
    for (text, message) in [
        (
            "",
            "is not valid JSON: EOF while parsing a value at line 1 column 0",
        ),
        (
            "{\"hidden_size\": NaN}",
            "is not valid JSON: expected value at line 1 column 17",
        ),
        (
            "{\"hidden_size\": 1e999}",
            "is not valid JSON: number out of range at line 1 column 21",
        ),
        ("[]", "field `(top)` must be an object, found a list of 0"),
    ] {
        assert_refused(
            HfConfig::from_json(text.as_bytes()),
            ErrorKind::BadData,
            message,
        );
    }
    let deep = "[".repeat(100_000);
    let error = HfConfig::from_json(deep.as_bytes()).expect_err("it is too deep");
    assert!(
        error.to_string().contains("recursion limit exceeded"),
        "{error}"
    );
}

#[test]
fn a_file_that_is_too_large_is_not_parsed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("config.json");
    let file = std::fs::File::create(&path).expect("it is writable");
    file.set_len((16 << 20) + 1)
        .expect("a sparse file takes no space");
    let error = HfConfig::read(&path).expect_err("it is too large");
    let expected = format!(
        "{}: is larger than 16777216 bytes, too large for a configuration",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_missing_file_and_a_folder_are_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let missing = HfConfig::read(&folder.path().join("config.json")).expect_err("it is missing");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let directory = HfConfig::read(folder.path()).expect_err("it is a folder");
    assert_eq!(directory.kind(), ErrorKind::BadData);
    assert!(
        directory.to_string().ends_with(": is a folder, not a file"),
        "{directory}"
    );
}
