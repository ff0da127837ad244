//! Saving and loading, the dialects, and weights that do not fit.

mod support;

use std::{borrow::Cow, collections::BTreeMap, path::Path};

use burn::tensor::{Device, Distribution, Tensor};
use support::{
    beit, convnext, convnextv2, dinov3_convnext, pvt_v2, resnet, rewrite, saved, swin, swinv2,
    values,
};
use upernet_zoo::{
    Dialect, Error, Model,
    hf::{
        ModelFolder, Overwrite,
        config::{HfBackboneConfig, HfConfig, HfDinov2Config, HfDinov3VitConfig},
        processor::HfProcessorConfig,
        weights::{Checkpoint, Dtype, TensorInfo, write_safetensors},
    },
    hub_parameters, key_report, load, save,
};

/// `DINOv2` with registers, its perceptrons gated.
fn dinov2() -> HfConfig {
    let backbone = HfBackboneConfig::Dinov2(HfDinov2Config {
        image_size: 35,
        patch_size: 7,
        hidden_size: 12,
        num_hidden_layers: 5,
        num_attention_heads: 3,
        use_swiglu_ffn: true,
        out_stages: vec![1, 3, 5],
        ..HfDinov2Config::with_registers()
    });
    HfConfig {
        backbone,
        ..convnext()
    }
}

fn dinov3_vit() -> HfConfig {
    let backbone = HfBackboneConfig::Dinov3Vit(HfDinov3VitConfig {
        patch_size: 8,
        hidden_size: 16,
        intermediate_size: 20,
        num_hidden_layers: 4,
        num_attention_heads: 2,
        num_register_tokens: 2,
        out_stages: vec![1, 2, 4],
        ..HfDinov3VitConfig::default()
    });
    HfConfig {
        backbone,
        ..convnext()
    }
}

fn load_folder(folder: &Path) -> Result<(Model, upernet_zoo::KeyReport), Error> {
    load(
        &ModelFolder::open(folder).expect("a readable folder"),
        &Device::flex(),
    )
}

#[test]
fn saving_and_loading_keeps_every_bit() {
    for config in [
        swin(),
        swinv2(),
        convnext(),
        convnextv2(),
        dinov3_convnext(),
        resnet(),
        beit(),
        dinov2(),
        dinov3_vit(),
        pvt_v2(),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let model = saved(&config, folder.path());
        let (loaded, report) = load_folder(folder.path()).expect("what was saved loads");
        assert_eq!(values(&loaded), values(&model));
        assert!(
            report.is_complete() && report.ignored.is_empty(),
            "{report:?}"
        );
        assert_eq!(report.applied.len(), hub_parameters(&model, &config).len());

        let device = Device::flex();
        let input = Tensor::random([1, 3, 45, 70], Distribution::Normal(0.0, 1.0), &device);
        let expected = model.forward(input.clone()).into_data();
        loaded.forward(input).into_data().assert_eq(&expected, true);
    }
}

#[test]
fn saving_replaces_nothing_unasked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = saved(&swin(), folder.path());
    let again = save(
        &model,
        &swin(),
        &HfProcessorConfig::default(),
        folder.path(),
        Overwrite::Refuse,
    );
    let message = again.expect_err("the files are there").to_string();
    assert!(
        message.contains("config.json") && message.contains("already exists"),
        "{message}"
    );
}

#[test]
fn names_in_memory_of_transformers_5_load_to_the_same_weights() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = saved(&swin(), folder.path());
    rewrite(folder.path(), |name, info| {
        let mut name = name.to_owned();
        for (hub, memory) in [
            ("backbone.embeddings.", "backbone.swin.embeddings."),
            ("backbone.encoder.", "backbone.swin.encoder."),
            (".attention.self.query.", ".attention.q_proj."),
            (".attention.self.key.", ".attention.k_proj."),
            (".attention.self.value.", ".attention.v_proj."),
            (".attention.output.dense.", ".attention.o_proj."),
            (
                ".attention.self.relative_position_bias_table",
                ".attention.relative_position_bias.relative_position_bias_table",
            ),
            (".intermediate.dense.", ".mlp.fc1."),
            (".output.dense.", ".mlp.fc2."),
        ] {
            name = name.replace(hub, memory);
        }
        Some((name, info.clone()))
    });
    let (loaded, report) = load_folder(folder.path()).expect("the dialect is known");
    assert_eq!(report.dialect, Dialect::V5Memory);
    assert_eq!(values(&loaded), values(&model));
}

#[test]
fn a_dinov3_in_memory_of_transformers_5_loads_to_the_same_weights() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = saved(&dinov3_convnext(), folder.path());
    rewrite(folder.path(), |name, info| {
        let name = name.replace("backbone.stages.", "backbone.model.stages.");
        Some((name, info.clone()))
    });
    let (loaded, report) = load_folder(folder.path()).expect("the dialect is known");
    assert_eq!(report.dialect, Dialect::V5Memory);
    assert_eq!(values(&loaded), values(&model));
}

/// `state_dict()` of a `UperNetForSemanticSegmentation` of transformers 5.23, and what files of version
/// 4 call the bias that all layers share.
#[test]
fn a_beit_in_memory_and_of_transformers_4_loads_to_the_same_weights() {
    let shared = "backbone.beit.encoder.relative_position_bias.";
    let memory: &[(&str, &str)] = &[
        (shared, "backbone.beit.shared_position_bias."),
        ("backbone.embeddings.", "backbone.beit.embeddings."),
        ("backbone.encoder.layer.", "backbone.beit.layers."),
        (".attention.attention.relative", ".relative"),
        (".attention.attention.query.", ".attention.q_proj."),
        (".attention.attention.key.", ".attention.k_proj."),
        (".attention.attention.value.", ".attention.v_proj."),
        (".attention.output.dense.", ".attention.o_proj."),
        (".intermediate.dense.", ".mlp.fc1."),
        (".output.dense.", ".mlp.fc2."),
        ("backbone.fpn1.0.", "backbone.fpn.fpn1.conv_transpose1."),
        ("backbone.fpn1.1.", "backbone.fpn.fpn1.normalization."),
        ("backbone.fpn1.3.", "backbone.fpn.fpn1.conv_transpose2."),
        ("backbone.fpn2.0.", "backbone.fpn.fpn2."),
    ];
    let version_4: &[(&str, &str)] = &[(shared, "backbone.encoder.relative_position_bias.")];
    for (renames, dialect) in [(memory, Dialect::V5Memory), (version_4, Dialect::Hub)] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let model = saved(&beit(), folder.path());
        rewrite(folder.path(), |name, info| {
            let replace = |name: String, (hub, other): &(&str, &str)| name.replace(hub, other);
            let name = renames.iter().fold(name.to_owned(), replace);
            Some((name, info.clone()))
        });
        let (loaded, report) = load_folder(folder.path()).expect("the dialect is known");
        assert_eq!(report.dialect, dialect);
        assert_eq!(values(&loaded), values(&model));
    }
}

/// What transformers 4 wrote in each layer, and what a mask and a classifier need.
#[test]
fn what_a_beit_does_not_use_is_ignored() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/goldens/beit-shared");
    let open = ModelFolder::open(&golden).expect("a golden folder");
    let report = key_report(&open, &Device::flex()).expect("supported");
    assert!(report.is_complete(), "{}", report.problems());
    assert_eq!(
        report.ignored,
        [
            "backbone.beit.layernorm.bias",
            "backbone.beit.layernorm.weight",
            "backbone.embeddings.mask_token"
        ]
    );

    let folder = tempfile::tempdir().expect("a temporary folder");
    saved(&beit(), folder.path());
    let bias = "backbone.encoder.layer.0.attention.attention.relative_position_bias.";
    let index = format!("{bias}relative_position_index");
    let count = "backbone.fpn1.1.num_batches_tracked";
    // The one tensor of integers stands in for the table.
    rewrite(folder.path(), |name, info| {
        let name = if name == count { &index } else { name };
        Some((name.to_owned(), info.clone()))
    });
    let open = ModelFolder::open(folder.path()).expect("a readable folder");
    let report = key_report(&open, &Device::flex()).expect("supported");
    assert_eq!(
        (report.ignored, report.missing),
        (vec![index], vec![count.to_owned()])
    );
}

#[test]
fn a_dinov3_vit_in_memory_of_transformers_5_loads_to_the_same_weights() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = saved(&dinov3_vit(), folder.path());
    rewrite(folder.path(), |name, info| {
        let name = name.replace("backbone.layer.", "backbone.model.layer.");
        Some((name, info.clone()))
    });
    let (loaded, report) = load_folder(folder.path()).expect("the dialect is known");
    assert_eq!(report.dialect, Dialect::V5Memory);
    assert_eq!(values(&loaded), values(&model));
}

#[test]
fn a_missing_tensor_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    saved(&convnext(), folder.path());
    rewrite(folder.path(), |name, info| {
        (name != "decode_head.classifier.bias").then(|| (name.to_owned(), info.clone()))
    });
    let message = load_folder(folder.path())
        .expect_err("one is missing")
        .to_string();
    assert!(
        message.contains("1 missing (decode_head.classifier.bias)"),
        "{message}"
    );
    assert!(message.contains("model.safetensors"), "{message}");
}

#[test]
fn an_unknown_tensor_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    saved(&convnext(), folder.path());
    rewrite(folder.path(), |name, info| {
        Some((
            name.replace("classifier.bias", "classifier.extra"),
            info.clone(),
        ))
    });
    let message = load_folder(folder.path())
        .expect_err("one is unknown")
        .to_string();
    assert!(
        message.contains("2 unexpected (auxiliary_head.classifier.extra"),
        "{message}"
    );
    assert!(message.contains("2 missing"), "{message}");
}

#[test]
fn another_class_count_is_said() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    saved(&convnext(), folder.path());
    rewrite(folder.path(), |name, info| {
        let mut shape = info.shape().to_vec();
        if name.contains(".classifier.") {
            shape[0] = 7;
        }
        Some((
            name.to_owned(),
            TensorInfo::new(info.dtype(), shape).expect("small"),
        ))
    });
    let message = load_folder(folder.path())
        .expect_err("7 is not 2")
        .to_string();
    assert!(
        message.ends_with("the weights have 7 classes, id2label has 2"),
        "{message}"
    );
}

#[test]
fn an_auxiliary_head_that_the_config_does_not_have_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    saved(&convnext(), folder.path());
    let mut config = convnext();
    config.use_auxiliary_head = false;
    config
        .write(&folder.path().join("config.json"), Overwrite::Replace)
        .expect("writable");
    let message = load_folder(folder.path())
        .expect_err("its weights have no place")
        .to_string();
    assert!(message.contains("unexpected (auxiliary_head."), "{message}");
}

#[test]
fn a_position_index_of_another_window_is_refused() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/goldens/swin-options");
    let open = ModelFolder::open(&golden).expect("a golden folder");
    let report = key_report(&open, &Device::flex()).expect("supported");
    assert!(report.is_complete(), "{}", report.problems());
    assert!(
        report
            .ignored
            .iter()
            .all(|key| key.ends_with("relative_position_index"))
    );
    assert_eq!(
        report.ignored.len(),
        6,
        "one for each block: {:?}",
        report.ignored
    );

    let mut other = open;
    let HfBackboneConfig::Swin(swin) = &mut other.config.backbone else {
        panic!("swin-options is a Swin");
    };
    swin.window_size += 1;
    let report = key_report(&other, &Device::flex()).expect("supported");
    assert!(
        !report.unexpected.is_empty() && !report.mismatched.is_empty(),
        "{report:?}"
    );
}

/// Puts the tables beside the weights that older files of Swin V2 have, and says what becomes of them.
fn with_tables(index: &[i64], offsets: &[f32]) -> upernet_zoo::KeyReport {
    let folder = tempfile::tempdir().expect("a temporary folder");
    saved(&swinv2(), folder.path());
    let checkpoint = Checkpoint::open(folder.path()).expect("saved weights");
    let mut tensors = BTreeMap::new();
    let mut bytes: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (name, info) in checkpoint.tensors() {
        let values = if info.dtype() == Dtype::I64 {
            vec![0; info.byte_len()]
        } else {
            let values = checkpoint.read_f32(name).expect("f32");
            values.into_iter().flat_map(f32::to_le_bytes).collect()
        };
        tensors.insert(name.to_owned(), info.clone());
        bytes.insert(name.to_owned(), values);
    }
    let block = "backbone.encoder.layers.3.blocks.0.attention.self";
    for (name, info, values) in [
        (
            format!("{block}.relative_position_index"),
            TensorInfo::new(Dtype::I64, vec![4, 4]),
            index.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ),
        (
            format!("{block}.relative_coords_table"),
            TensorInfo::new(Dtype::F32, vec![1, 3, 3, 2]),
            offsets.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ),
    ] {
        tensors.insert(name.clone(), info.expect("small"));
        bytes.insert(name, values);
    }
    drop(checkpoint);
    let path = folder.path().join("model.safetensors");
    let metadata = BTreeMap::new();
    write_safetensors(&path, &tensors, &metadata, Overwrite::Replace, |name| {
        Ok(Cow::Borrowed(&bytes[name]))
    })
    .expect("the folder is writable");
    let open = ModelFolder::open(folder.path()).expect("a readable folder");
    key_report(&open, &Device::flex()).expect("supported")
}

/// The last stage of a Swin V2 trained on 64 pixels has windows of 2, here pretrained as such.
#[test]
fn derived_tables_of_swinv2_are_compared_with_its_windows() {
    let index = [4, 3, 1, 0, 5, 4, 2, 1, 7, 6, 4, 3, 8, 7, 5, 4];
    let far = 9_f32.log2() / 3.0;
    let places = [-far, 0.0, far];
    let offsets: Vec<f32> = places
        .into_iter()
        .flat_map(|row| places.into_iter().flat_map(move |column| [row, column]))
        .collect();
    let report = with_tables(&index, &offsets);
    assert!(report.is_complete(), "{}", report.problems());
    let tables = ["relative_coords_table", "relative_position_index"];
    let keys = tables.map(|t| format!("backbone.encoder.layers.3.blocks.0.attention.self.{t}"));
    assert_eq!(report.ignored, keys);

    // Columns before rows, and offsets measured against windows of 3.
    let other_index = [4, 1, 3, 0, 7, 4, 6, 3, 5, 2, 4, 1, 8, 5, 7, 4];
    let other_offsets: Vec<f32> = offsets.iter().map(|v| v * 0.733).collect();
    let report = with_tables(&other_index, &other_offsets);
    assert_eq!(report.unexpected, keys);
}

#[test]
fn heads_of_mmsegmentation_over_another_backbone_are_refused_by_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    saved(&convnext(), folder.path());
    rewrite(folder.path(), |name, info| {
        Some((name.replace(".classifier.", ".conv_seg."), info.clone()))
    });
    let message = load_folder(folder.path())
        .expect_err("a mixture")
        .to_string();
    assert!(
        message.contains("these are mmsegmentation weights with a backbone that is not known"),
        "{message}"
    );
}
