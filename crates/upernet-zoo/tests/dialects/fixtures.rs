//! Files that other libraries wrote, and what those compute with them.

use std::path::Path;

use burn::tensor::{Device, Tolerance};
use upernet_nn::Backbone as _;
use upernet_zoo::{
    BuildOptions, ConfigOrigin, ConvertOptions, Converted, Dialect, convert,
    hf::{
        BackboneFolder, ModelFolder, Overwrite,
        config::{HfBackboneConfig, HfConfig},
        weights::Checkpoint,
    },
    load, save,
    start::from_backbone,
};

use crate::{expected, fixture, pixels, support::values};

/// Of the UPerNets, in `scripts/make_dialect_fixtures.py`.
const SIZE: [usize; 2] = [33, 46];
/// Of the backbones, there: each map is whole windows.
const WINDOWS: [usize; 2] = [64, 64];

#[test]
fn networks_of_mmsegmentation_give_the_logits_that_python_computes() {
    for (name, file, title) in [
        ("mmseg-swin", "mmseg-swin.pth", "Swin"),
        ("mmseg-convnext", "mmseg-convnext.safetensors", "ConvNeXt"),
        // With three convolutions in its stem.
        ("mmseg-resnet", "mmseg-resnet.safetensors", "ResNet"),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let device = Device::flex();
        let options = ConvertOptions::default();
        let done = convert(&fixture(file), folder.path(), &options, &device).expect("it is known");
        assert_eq!(done.made, Converted::UperNet);
        assert_eq!(done.keys.dialect, Dialect::MmSegmentation);
        assert_eq!(done.config_origin, ConfigOrigin::Tensors);
        assert_eq!(done.config.backbone.title(), title);
        assert_eq!(
            done.keys.reordered.len(),
            if title == "Swin" { 9 } else { 0 }
        );
        assert_eq!(
            done.keys.split.len(),
            if title == "Swin" { 5 * 6 } else { 0 }
        );
        assert!(
            done.keys.dropped.is_empty() && done.absent.is_empty(),
            "{done:?}"
        );
        assert!(
            done.assumed.contains(&"pool_scales 1, 2, 3, 6".to_owned()),
            "{done:?}"
        );
        if title == "Swin" {
            assert_eq!(done.config.id2label, ["sky", "road", "traffic light"]);
            assert_eq!(done.keys.ignored.len(), 5, "an index for each block");
        } else {
            assert_eq!(done.config.id2label, ["LABEL_0", "LABEL_1", "LABEL_2"]);
        }

        let opened = ModelFolder::open(folder.path()).expect("it was written whole");
        assert!(opened.processor.is_some());
        assert_eq!(opened.config, done.config);
        let (model, report) = load(&opened, &device).expect("it is Hugging Face's");
        assert_eq!(report.dialect, Dialect::Hub);
        let logits = model.forward(pixels(SIZE, &device)).into_data();
        // As the golden suite: 1e-4 of the largest value, which is below 10.
        logits.assert_approx_eq(&expected(name, "logits"), Tolerance::<f32>::absolute(3e-4));

        // The same file is loaded as it is where a configuration is at hand.
        let checkpoint = Checkpoint::open(&fixture(file)).expect("a fixture");
        let direct = ModelFolder::from_parts(done.config, None, checkpoint);
        let (direct, report) = load(&direct, &device).expect("every key has its place");
        assert_eq!(report.dialect, Dialect::MmSegmentation);
        assert!(
            values(&direct) == values(&model),
            "{name} is loaded otherwise than converted"
        );
    }
}

/// Its neck stands beside the backbone, and the positions of 4 x 4 patches are brought to 4 x 5.
#[test]
fn a_beit_of_mmsegmentation_gives_the_logits_that_python_computes() {
    assert_logits_of_beit("mmseg-beit", 3);
}

/// Its keys have a bias, which no logit shows.
#[test]
fn an_mae_of_mmsegmentation_gives_the_logits_that_python_computes() {
    assert_logits_of_beit("mmseg-mae", 3 + 2);
}

fn assert_logits_of_beit(name: &str, split: usize) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let device = Device::flex();
    let options = ConvertOptions::default();
    let source = fixture(&format!("{name}.safetensors"));
    let done = convert(&source, folder.path(), &options, &device).expect("it is known");
    assert_eq!(
        (done.made, done.keys.dialect),
        (Converted::UperNet, Dialect::MmSegmentation)
    );
    assert_eq!(done.keys.split.len(), 4 * split, "{:?}", done.keys.split);
    assert!(
        done.keys.dropped.is_empty() && done.absent.is_empty(),
        "{done:?}"
    );
    for assumed in ["out_indices [1, 2, 3, 4]", "layer_norm_eps 1e-6"] {
        assert!(done.assumed.contains(&assumed.to_owned()), "{done:?}");
    }
    let opened = ModelFolder::open(folder.path()).expect("it was written whole");
    let (model, report) = load(&opened, &device).expect("it is Hugging Face's");
    assert_eq!(report.dialect, Dialect::Hub);
    let logits = model.forward(pixels(SIZE, &device)).into_data();
    let expected = expected(name, "logits");
    logits.assert_approx_eq(&expected, Tolerance::<f32>::absolute(3e-4));
}

/// timm has the names of the authors.
#[test]
fn a_beit_of_timm_gives_the_maps_that_it_computes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let device = Device::flex();
    let options = ConvertOptions::default();
    let source = fixture("timm-beit.safetensors");
    let done = convert(&source, folder.path(), &options, &device).expect("it is known");
    assert_eq!(
        (done.made, done.keys.dialect),
        (Converted::Backbone, Dialect::Microsoft)
    );
    assert!(
        done.absent.is_empty(),
        "no neck is made up: {:?}",
        done.absent
    );
    let opened = BackboneFolder::open(folder.path()).expect("it was written whole");
    assert_eq!(opened.config.out_stages(), [1, 2, 3, 4]);
    assert_maps("timm-beit", &opened, &device);
}

#[test]
fn backbones_of_timm_and_torchvision_give_the_maps_that_they_compute() {
    // Weight and bias of four norms, which the library's maps have not.
    for (name, file, dialect, dropped, absent) in [
        ("timm-swin", "timm-swin.safetensors", Dialect::Timm, 4, 8),
        (
            "timm-convnext",
            "timm-convnext.safetensors",
            Dialect::Timm,
            0,
            8,
        ),
        (
            "timm-pvt_v2",
            "timm-pvt_v2.safetensors",
            Dialect::Timm,
            2,
            0,
        ),
        (
            "timm-pvt_v2-linear",
            "timm-pvt_v2-linear.safetensors",
            Dialect::Timm,
            0,
            0,
        ),
        // Of the kind of its `resnet50c`, with three convolutions in its stem.
        (
            "timm-resnet",
            "timm-resnet.safetensors",
            Dialect::Timm,
            2,
            0,
        ),
        (
            "torchvision-swin",
            "torchvision-swin.safetensors",
            Dialect::Torchvision,
            4,
            8,
        ),
        (
            "torchvision-swin_v2",
            "torchvision-swin_v2.safetensors",
            Dialect::Torchvision,
            4,
            0,
        ),
        (
            "torchvision-convnext",
            "torchvision-convnext.pth",
            Dialect::Torchvision,
            4,
            8,
        ),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let device = Device::flex();
        let options = ConvertOptions::default();
        let done = convert(&fixture(file), folder.path(), &options, &device).expect("it is known");
        assert_eq!(
            (done.made, done.keys.dialect),
            (Converted::Backbone, dialect),
            "{name}"
        );
        assert_eq!(done.keys.dropped.len(), dropped, "{:?}", done.keys.dropped);
        assert_eq!(done.absent.len(), absent, "{:?}", done.absent);

        let opened = BackboneFolder::open(folder.path()).expect("it was written whole");
        assert_eq!(opened.config.out_stages(), [1, 2, 3, 4]);
        assert_maps(name, &opened, &device);

        // And as it is, with the configuration at hand.
        let beside = tempfile::tempdir().expect("a temporary folder");
        let copy = beside.path().join(file);
        std::fs::copy(fixture(file), &copy).expect("writable");
        std::fs::copy(
            folder.path().join("config.json"),
            beside.path().join("config.json"),
        )
        .expect("writable");
        assert_maps(
            name,
            &BackboneFolder::open(&copy).expect("readable"),
            &device,
        );
    }
}

/// Starts a network from the backbone, and compares its maps with those of the fixture.
fn assert_maps(name: &str, folder: &BackboneFolder, device: &Device) {
    assert_stages(name, folder, &[1, 2, 3, 4], device);
}

/// The same of these stages alone.
pub(crate) fn assert_stages(
    name: &str,
    folder: &BackboneFolder,
    stages: &[usize],
    device: &Device,
) {
    let mut config = HfConfig::new(folder.config.clone());
    config.hidden_size = 4;
    config.auxiliary_channels = 4;
    let options = BuildOptions::default();
    let (model, report) = from_backbone(folder, &config, &options, device).expect("it fits");
    let foreign = report.keys.dialect != Dialect::Hub;
    assert_eq!(
        report.to_string().contains("the names of"),
        foreign,
        "{report}"
    );
    let maps = model
        .backbone()
        .forward(pixels(WINDOWS, device))
        .into_maps();
    assert_eq!(maps.len(), 4);
    for (stage, map) in (1..).zip(maps) {
        if !stages.contains(&stage) {
            continue;
        }
        let expected = expected(name, &format!("stage{stage}"));
        map.into_data()
            .assert_approx_eq(&expected, Tolerance::<f32>::absolute(2e-4));
    }
}

#[test]
fn what_was_converted_is_saved_again_with_the_same_bits() {
    let device = Device::flex();
    let first = tempfile::tempdir().expect("a temporary folder");
    let source = fixture("mmseg-swin.pth");
    convert(&source, first.path(), &ConvertOptions::default(), &device).expect("it is known");
    let opened = ModelFolder::open(first.path()).expect("it was written whole");
    let (model, _) = load(&opened, &device).expect("it is Hugging Face's");
    let second = tempfile::tempdir().expect("a temporary folder");
    let processor = opened.processor.expect("it was written");
    save(
        &model,
        &opened.config,
        &processor,
        second.path(),
        Overwrite::Refuse,
    )
    .expect("writable");
    for name in [
        "config.json",
        "preprocessor_config.json",
        "model.safetensors",
    ] {
        assert!(
            bytes(first.path(), name) == bytes(second.path(), name),
            "{name} differs"
        );
    }
}

fn bytes(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).expect("it is there")
}

#[test]
fn nothing_is_replaced_unasked_and_nothing_is_written_of_what_does_not_fit() {
    let device = Device::flex();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let source = fixture("timm-convnext.safetensors");
    std::fs::write(folder.path().join("model.safetensors"), b"mine").expect("writable");
    let mut options = ConvertOptions::default();
    let error = convert(&source, folder.path(), &options, &device).expect_err("it is in the way");
    assert!(
        error
            .to_string()
            .contains("model.safetensors: already exists"),
        "{error}"
    );
    assert!(
        !folder.path().join("config.json").exists(),
        "half a folder was written"
    );
    options.overwrite = Overwrite::Replace;
    convert(&source, folder.path(), &options, &device).expect("it may be replaced");

    // A configuration of another width.
    let HfBackboneConfig::ConvNext(mut config) =
        HfBackboneConfig::read(&folder.path().join("config.json")).expect("written")
    else {
        panic!("it is a ConvNeXt");
    };
    config.hidden_sizes[1] += 1;
    let other = tempfile::tempdir().expect("a temporary folder");
    let path = other.path().join("config.json");
    HfBackboneConfig::ConvNext(config)
        .write(&path, Overwrite::Refuse)
        .expect("writable");
    options.config = Some(other.path().to_owned());
    let destination = other.path().join("made");
    let error = convert(&source, &destination, &options, &device).expect_err("another width");
    let message = error.to_string();
    assert!(
        message.contains("timm-convnext.safetensors: the backbone does not fit the network: ")
            && message.contains("of another shape"),
        "{message}"
    );
    assert!(!destination.exists(), "something was written");
}
