//! Folders with weights of other widths, and in burn's own format.

mod support;

use std::path::Path;

use burn::{module::Module, tensor::Device};
use support::{
    beit, convnext, convnextv2, dinov3_convnext, pvt_v2, resnet, rewrite, saved, swin, swinv2,
    values,
};
use upernet_zoo::{
    ConvertOptions, Dialect, Error, Model, WeightFormat, build, convert,
    hf::{
        ModelFolder, Overwrite,
        processor::HfProcessorConfig,
        weights::{Dtype, StoredAs, TensorInfo},
    },
    load, start,
};

fn options(stored: StoredAs, format: WeightFormat) -> ConvertOptions {
    let mut options = ConvertOptions::default();
    (options.stored, options.format) = (stored, format);
    options
}

fn converted(from: &Path, to: &Path, options: &ConvertOptions) -> Model {
    let done = convert(from, to, options, &Device::flex()).expect("a folder that fits");
    assert!(done.keys.is_complete(), "{:?}", done.keys);
    let folder = ModelFolder::open(to).expect("what was just written");
    let (model, report) = load(&folder, &Device::flex()).expect("it fits its config");
    assert!(report.is_complete(), "{report:?}");
    model
}

/// The largest difference of two models' weights, in parts of the largest weight of the tensor.
fn difference(model: &Model, original: &Model) -> f32 {
    let (found, expected) = (values(model), values(original));
    assert_eq!(found.len(), expected.len());
    let tensors = found.iter().zip(&expected);
    tensors.fold(0.0, |most, (found, expected)| {
        let largest = expected
            .iter()
            .fold(f32::MIN_POSITIVE, |most, x| most.max(x.abs()));
        let pairs = found.iter().zip(expected);
        pairs.fold(most, |most, (a, b)| most.max((a - b).abs() / largest))
    })
}

#[test]
fn every_width_is_loaded_as_near_as_it_is_kept() {
    for config in [
        swin(),
        swinv2(),
        convnext(),
        convnextv2(),
        dinov3_convnext(),
        resnet(),
        beit(),
        pvt_v2(),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let original = saved(&config, folder.path());
        for (stored, step) in [
            (StoredAs::F32, 0.0),
            (StoredAs::F16, 1.0 / 2048.0),
            (StoredAs::Bf16, 1.0 / 256.0),
            (StoredAs::Int8, 0.5001 / 127.0),
        ] {
            let to = folder.path().join(stored.name());
            let options = options(stored, WeightFormat::Safetensors);
            let model = converted(folder.path(), &to, &options);
            let found = difference(&model, &original);
            assert!(found <= step, "{}: {found}", stored.name());
            assert_eq!(found == 0.0, stored == StoredAs::F32, "{}", stored.name());
            // From there back, nothing more is lost.
            let again = converted(&to, &to.join("again"), &options);
            assert!(difference(&again, &model) < 1e-6, "{}", stored.name());
        }
    }
}

#[test]
fn a_burnpack_is_what_burn_saves_and_loads() {
    for config in [
        swin(),
        swinv2(),
        convnext(),
        convnextv2(),
        dinov3_convnext(),
        resnet(),
        beit(),
        pvt_v2(),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let original = saved(&config, folder.path());
        let to = folder.path().join("pack");
        let options = options(StoredAs::F32, WeightFormat::Burnpack);
        let model = converted(folder.path(), &to, &options);
        assert_eq!(values(&model), values(&original), "ours is read by us");

        let fresh = build(&config, &Device::flex()).expect("a valid config");
        let loaded = fresh.try_load_file(to.join("model.bpk"));
        let loaded = loaded.expect("ours is read by burn");
        assert_eq!(values(&loaded), values(&original));

        std::fs::remove_file(to.join("model.bpk")).expect("it is there");
        let saving = original.clone().save_file(to.join("model.bpk"));
        saving.expect("a folder of its own");
        let opened = ModelFolder::open(&to).expect("a whole folder");
        let (model, report) = load(&opened, &Device::flex()).expect("burn's is read by us");
        assert_eq!(values(&model), values(&original));
        assert_eq!(report.dialect, Dialect::Burn);

        let back = to.join("hub");
        let hub = self::options(StoredAs::F32, WeightFormat::Safetensors);
        let model = converted(&to, &back, &hub);
        assert_eq!(
            values(&model),
            values(&original),
            "and back to the hub's names"
        );
    }
}

#[test]
fn a_burnpack_of_16_bits_and_one_to_start_from() {
    let config = swin();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let original = saved(&config, folder.path());
    let to = folder.path().join("pack");
    let model = converted(
        folder.path(),
        &to,
        &options(StoredAs::F16, WeightFormat::Burnpack),
    );
    let found = difference(&model, &original);
    assert!(found > 0.0 && found <= 1.0 / 2048.0, "{found}");

    let opened = ModelFolder::open(&to).expect("a whole folder");
    let mut other = config;
    other.id2label = vec!["leaf".to_owned(), "stem".to_owned()];
    let options = upernet_zoo::BuildOptions::default();
    let (_, report) = start::from_checkpoint(&opened, &other, &options, &Device::flex())
        .expect("a network of other classes");
    assert_eq!(report.drawn.len(), 4, "{:?}", report.drawn);
}

/// Half of a pair is no weight, and what it would be is missing.
#[test]
fn numbers_without_scales_are_refused_by_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    saved(&swin(), folder.path());
    rewrite(folder.path(), |name, info| {
        if name != "decode_head.classifier.weight" {
            return Some((name.to_owned(), info.clone()));
        }
        let numbers = TensorInfo::new(Dtype::I8, info.shape().to_vec()).expect("it is small");
        Some((format!("{name}_int8"), numbers))
    });
    let opened = ModelFolder::open(folder.path()).expect("a sound file");
    let error = load(&opened, &Device::flex()).expect_err("a scale is missing");
    let text = error.to_string();
    for name in ["classifier.weight", "classifier.weight_int8"] {
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn what_cannot_be_written_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    saved(&swin(), folder.path());
    let to = folder.path().join("pack");
    let options = options(StoredAs::Int8, WeightFormat::Burnpack);
    let error = convert(folder.path(), &to, &options, &Device::flex()).expect_err("8 bits");
    assert_eq!(
        error.to_string(),
        "cannot be written so: weights of 8 bits are kept in safetensors alone; choose that format, or 16 or 32 bits"
    );
    assert!(!to.exists());
}

#[test]
fn a_pack_of_another_network_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = swin();
    let model = saved(&config, folder.path());
    let to = folder.path().join("pack");
    std::fs::create_dir(&to).expect("a new folder");
    convnext()
        .write(&to.join("config.json"), Overwrite::Refuse)
        .expect("a new file");
    let processor = HfProcessorConfig::default();
    processor
        .write(&to.join("preprocessor_config.json"), Overwrite::Refuse)
        .expect("a new file");
    model.save_file(to.join("model.bpk")).expect("a new file");
    let opened = ModelFolder::open(&to).expect("each of its files is sound");
    let error = load(&opened, &Device::flex()).expect_err("of another family");
    assert!(matches!(error, Error::Weights { .. }), "{error}");
    assert!(error.to_string().contains("backbone.embeddings"), "{error}");
    assert!(!error.to_string().contains('\n'), "{error}");

    let bytes = std::fs::read(to.join("model.bpk")).expect("it is there");
    for length in [3, 9, 40, bytes.len() - 1] {
        std::fs::write(to.join("model.bpk"), &bytes[..length]).expect("it is ours");
        let error = ModelFolder::open(&to).expect_err("cut short");
        let text = error.to_string();
        assert!(
            text.contains("model.bpk: is cut short, or no burnpack: "),
            "{text}"
        );
        assert!(!text.contains('\n'), "{text}");
    }
}
