//! From a config and weights to an ONNX file.

use std::path::{Path, PathBuf};

use upernet_hf::{
    Overwrite,
    config::HfConfig,
    processor::{HfProcessorConfig, MAX_SIDE},
};

use crate::{
    Error, Weights,
    families::family,
    graph::Graph,
    layers::Map,
    write::{Axis, Interface, Model, Tensor},
};

/// What the file is for, and how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportOptions {
    /// The images it takes.
    pub size: ImageSize,
    /// Where its weights go.
    pub weights: WeightPlace,
    /// What to do if a file is already there.
    pub overwrite: Overwrite,
}

/// The images that an ONNX file takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageSize {
    /// Images of `[height, width]` pixels alone. Everything that depends on the size is a constant.
    Fixed([usize; 2]),
    /// Images of any size, from the network's least on; what depends on the size is computed anew
    /// for each.
    Dynamic,
}

/// Where the weights of an ONNX file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightPlace {
    /// In the file itself, which protobuf allows up to 2 GiB.
    Inside,
    /// In a file beside it, called like it with `.data` at the end; the two move together.
    Beside,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The ONNX file, then that of the weights if they have one.
    pub files: Vec<PathBuf>,
    /// Bytes of all files.
    pub bytes: u64,
    /// Operations of the graph.
    pub nodes: usize,
}

impl Default for ExportOptions {
    /// Images of 512 x 512 pixels, weights inside, nothing replaced.
    fn default() -> Self {
        Self {
            size: ImageSize::Fixed([512, 512]),
            weights: WeightPlace::Inside,
            overwrite: Overwrite::Refuse,
        }
    }
}

/// Writes the network of `config` with `weights` as an ONNX file at `path`.
///
/// The texts of `config.json` and, if there is one, of `preprocessor_config.json` become metadata under
/// these names. A file appears whole or not at all, and that of the weights before the one that names
/// it. Hardly more than one tensor is in memory at a time.
///
/// # Errors
///
/// Returns an error if the backbone has no lowering, takes no image of that size, a weight is missing or
/// has another shape, or a file cannot be written.
///
/// # Example
///
/// ```no_run
/// use upernet_hf::ModelFolder;
/// use upernet_onnx::{ExportOptions, ImageSize, export};
///
/// let folder = ModelFolder::open("upernet-swin-tiny".as_ref())?;
/// let options = ExportOptions {
///     size: ImageSize::Fixed([512, 768]),
///     ..ExportOptions::default()
/// };
/// let processor = folder.processor.as_ref();
/// export(&folder.config, processor, &folder.checkpoint, "swin.onnx".as_ref(), &options)?;
/// # Ok::<(), upernet_onnx::Error>(())
/// ```
pub fn export(
    config: &HfConfig,
    processor: Option<&HfProcessorConfig>,
    weights: &dyn Weights,
    path: &Path,
    options: &ExportOptions,
) -> Result<Summary, Error> {
    let graph = lower(config, weights, options.size)?;
    let axes = match options.size {
        ImageSize::Fixed(size) => size.map(Axis::Fixed),
        ImageSize::Dynamic => ["height", "width"].map(Axis::Free),
    };
    let tensor = |name, channels| Tensor {
        name,
        axes: vec![Axis::Free("batch"), Axis::Fixed(channels), axes[0], axes[1]],
    };
    let interface = Interface {
        name: "upernet",
        inputs: vec![tensor(PIXEL_VALUES, config.backbone.num_channels())],
        outputs: vec![tensor(LOGITS, config.num_labels())],
    };
    let mut metadata = vec![("config.json", config.to_json())];
    metadata.extend(processor.map(|processor| ("preprocessor_config.json", processor.to_json())));
    let model = Model {
        graph: &graph,
        interface: &interface,
        metadata: &metadata,
    };
    let (files, bytes) = model.write(weights, path, options.weights, options.overwrite)?;
    Ok(Summary {
        files,
        bytes,
        nodes: graph.nodes.len(),
    })
}

const PIXEL_VALUES: &str = "pixel_values";
const LOGITS: &str = "logits";

/// The network as a graph, its weights named and checked but not read.
fn lower<'a>(
    config: &HfConfig,
    weights: &'a dyn Weights,
    size: ImageSize,
) -> Result<Graph<'a>, Error> {
    let family = family(&config.backbone)?;
    let mut graph = Graph::new(weights);
    let pixel_values = graph.input(PIXEL_VALUES);
    let size = match size {
        ImageSize::Fixed(size) => {
            if let Some(needs) = refused(size).or_else(|| family.refusal(size)) {
                return Err(Error::Size { size, needs });
            }
            size.map(Into::into)
        }
        ImageSize::Dynamic => {
            if let Some(needs) = family.one_size() {
                return Err(Error::OneSize { needs });
            }
            [2, 3].map(|axis| graph.length(&pixel_values, axis))
        }
    };
    let pixel_values = Map {
        value: pixel_values,
        channels: config.backbone.num_channels(),
        size,
    };
    let maps = family.lower(&mut graph, &pixel_values)?;
    let logits = graph.uper_head(config, &maps)?;
    let logits = graph.resize(LOGITS, &logits, &pixel_values.size);
    graph.rename(&logits.value, LOGITS);
    Ok(graph)
}

/// What no network takes.
fn refused(size: [usize; 2]) -> Option<String> {
    let fits = size.iter().all(|side| (1..=MAX_SIDE).contains(side));
    (!fits).then(|| format!("1 to {MAX_SIDE} pixels along each side"))
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        path::{Path, PathBuf},
    };

    use rstest::rstest;
    use upernet_hf::{ModelFolder, config::HfBackboneConfig};

    use super::{ExportOptions, ImageSize, WeightPlace, export, lower};
    use crate::{
        Error, Weights as _,
        graph::{Content, Element, Graph, Initializer, Value},
        weights::Recipe,
    };

    /// Operators that every runtime has for any size. No average pooling is among them, and no batch norm.
    const OPERATORS: [&str; 37] = [
        "Abs",
        "Add",
        "And",
        "Cast",
        "Concat",
        "Conv",
        "ConvTranspose",
        "Cos",
        "Div",
        "Equal",
        "Erf",
        "Expand",
        "Gather",
        "GreaterOrEqual",
        "LayerNormalization",
        "Less",
        "MatMul",
        "Max",
        "MaxPool",
        "Min",
        "Mul",
        "Pad",
        "Range",
        "ReduceL2",
        "ReduceMean",
        "Relu",
        "Reshape",
        "Resize",
        "Shape",
        "Sigmoid",
        "Sin",
        "Slice",
        "Softmax",
        "Squeeze",
        "Sub",
        "Transpose",
        "Where",
    ];

    fn golden(name: &str) -> ModelFolder {
        let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/goldens");
        ModelFolder::open(&goldens.join(name)).expect("testdata is complete")
    }

    fn lowered(folder: &ModelFolder, size: ImageSize) -> Graph<'_> {
        lower(&folder.config, &folder.checkpoint, size).expect("it has a lowering")
    }

    fn made(folder: &ModelFolder, initializer: &Initializer) -> usize {
        match &initializer.content {
            Content::Constant(bytes) => bytes.len(),
            Content::Weights { keys, recipe } => {
                let tensors = keys.iter().map(|key| folder.checkpoint.read(key));
                let tensors = tensors.collect::<Result<_, _>>().expect("readable");
                4 * recipe.make(tensors).len()
            }
        }
    }

    #[rstest]
    #[case::swin("swin")]
    #[case::swin_with_options("swin-options")]
    #[case::swin_on_small_images("swin-small-image")]
    #[case::swin_with_learned_positions("swin-absolute")]
    #[case::second_swin("swinv2")]
    #[case::second_swin_with_small_windows("swinv2-clamped")]
    #[case::convnext("convnext")]
    #[case::second_convnext("convnextv2")]
    #[case::convnext_of_dinov3("dinov3-convnext")]
    #[case::resnet("resnet")]
    #[case::resnet_of_basic_blocks("resnet-basic")]
    #[case::resnet_with_options("resnet-options")]
    #[case::resnet_with_deep_stem("resnet-deep-stem")]
    #[case::pvt_v2("pvt-v2")]
    #[case::pvt_v2_with_linear_attention("pvt-v2-linear")]
    #[case::dinov2("dinov2")]
    #[case::dinov2_with_registers("dinov2-registers")]
    #[case::dinov3_vit("dinov3-vit")]
    #[case::dinov3_vit_with_gates("dinov3-vit-gated")]
    #[case::beit("beit")]
    #[case::beit_without_neck("beit-flat")]
    #[case::beit_with_shared_biases("beit-shared")]
    #[case::vit_with_feature_pyramid("vit-pyramid")]
    #[case::vit_with_multi_level_neck("vit-multi-level")]
    #[case::three_levels("head-three-level")]
    fn graphs_are_whole(
        #[case] name: &str,
        #[values(ImageSize::Fixed([36, 36]), ImageSize::Dynamic)] size: ImageSize,
    ) {
        let folder = golden(name);
        if (name, size) == ("swin-absolute", ImageSize::Dynamic) {
            return;
        }
        let graph = lowered(&folder, size);
        let mut known = BTreeSet::from(["pixel_values", ""]);
        for initializer in &graph.initializers {
            let name = initializer.name.name();
            assert!(known.insert(name), "{name} is stored twice");
            let bytes = initializer.byte_len();
            assert_eq!(made(&folder, initializer) as u64, bytes, "{name}");
        }
        for node in &graph.nodes {
            let name = node.output.name();
            assert!(
                OPERATORS.contains(&node.operator),
                "{name} is a {}",
                node.operator
            );
            for input in &node.inputs {
                assert!(
                    known.contains(input.name()),
                    "{name} comes before {}",
                    input.name()
                );
            }
            assert!(known.insert(name), "{name} is computed twice");
        }
        assert_eq!(graph.nodes.last().expect("nodes").output.name(), "logits");
        // Whatever is stored is used.
        let used: BTreeSet<&str> = graph
            .nodes
            .iter()
            .flat_map(|node| node.inputs.iter().map(Value::name))
            .collect();
        let idle = graph.initializers.iter().map(|stored| stored.name.name());
        assert_eq!(
            idle.filter(|name| !used.contains(name)).collect::<Vec<_>>(),
            [""; 0]
        );
    }

    #[test]
    fn every_key_of_the_checkpoint_is_used_but_those_of_training() {
        for name in [
            "swin",
            "swinv2",
            "convnext",
            "convnextv2",
            "dinov3-convnext",
            "resnet",
            "pvt-v2",
            "pvt-v2-linear",
            "dinov2",
            "dinov2-registers",
            "dinov3-vit",
            "dinov3-vit-gated",
            "vit-pyramid",
            "vit-multi-level",
            "beit-flat",
            "beit-shared",
        ] {
            let folder = golden(name);
            let graph = lowered(&folder, ImageSize::Fixed([64, 64]));
            let used: BTreeSet<&String> = graph
                .initializers
                .iter()
                .filter_map(|stored| match &stored.content {
                    Content::Weights { keys, .. } => Some(keys),
                    Content::Constant(_) => None,
                })
                .flatten()
                .collect();
            for (key, _) in folder.checkpoint.tensors() {
                let of_training = key.starts_with("auxiliary_head.")
                    || key.ends_with(".num_batches_tracked")
                    || key.ends_with(".relative_position_index")
                    || key.ends_with(".mask_token")
                    || key.starts_with("backbone.swin.layernorm.")
                    || key.starts_with("backbone.beit.layernorm.");
                assert_eq!(used.contains(&key.to_owned()), !of_training, "{key}");
            }
        }
    }

    #[rstest]
    #[case::windows("swin")]
    #[case::reduced_maps("pvt-v2")]
    #[case::averages("pvt-v2-linear")]
    fn a_file_for_one_size_computes_no_sizes_but_the_batch(#[case] name: &str) {
        let folder = golden(name);
        let graph = lowered(&folder, ImageSize::Fixed([50, 70]));
        let shapes = |graph: &Graph<'_>| {
            let nodes = graph.nodes.iter();
            nodes
                .filter(|node| ["Shape", "Range"].contains(&node.operator))
                .count()
        };
        // One batch size for each map that is resized.
        let resized = graph.nodes.iter().filter(|node| node.operator == "Resize");
        assert_eq!(shapes(&graph), resized.count());
        assert!(shapes(&lowered(&folder, ImageSize::Dynamic)) > shapes(&graph));
    }

    #[test]
    fn tensors_as_they_are_have_their_own_names() {
        let folder = golden("convnext");
        let graph = lowered(&folder, ImageSize::Fixed([64, 64]));
        for stored in &graph.initializers {
            if let Content::Weights { keys, recipe } = &stored.content {
                assert_eq!(stored.element, Element::F32);
                if *recipe == Recipe::Same {
                    assert_eq!(keys.as_slice(), [stored.name.name()]);
                    let shape = folder.checkpoint.shape(&keys[0]);
                    assert_eq!(shape.as_ref(), Some(&stored.dims), "{keys:?}");
                }
            }
        }
    }

    #[test]
    fn sizes_that_the_network_cannot_take_are_refused() {
        let said = |name: &str, size| {
            let folder = golden(name);
            let error = lower(&folder.config, &folder.checkpoint, size);
            error.map(drop).expect_err("refused").to_string()
        };
        assert_eq!(
            said("convnext", ImageSize::Fixed([31, 64])),
            "the network takes no image of 31 x 64 pixels (height x width): it needs at least 32 x 32 \
             pixels"
        );
        assert_eq!(
            said("dinov2", ImageSize::Fixed([64, 4])),
            "the network takes no image of 64 x 4 pixels (height x width): it needs at least 5 x 5 \
             pixels: one patch"
        );
        assert!(said("swin", ImageSize::Fixed([0, 64])).contains("1 to 16384 pixels"));
        let learned = "36 x 36 pixels: its positions are learned";
        assert!(said("swin-absolute", ImageSize::Fixed([64, 96])).ends_with(learned));
        assert!(said("swin-absolute", ImageSize::Dynamic).ends_with(learned));
    }

    #[test]
    fn weights_that_do_not_fit_are_named() {
        let folder = golden("swin");
        let mut config = folder.config.clone();
        config.id2label.push("another".to_owned());
        let error =
            lower(&config, &folder.checkpoint, ImageSize::Dynamic).expect_err("a class more");
        assert!(
            matches!(&error, Error::Shape { key, .. } if key == "decode_head.classifier.weight"),
            "{error}"
        );
        let other = golden("convnext");
        let error =
            lower(&config, &other.checkpoint, ImageSize::Dynamic).expect_err("a ConvNeXt's");
        assert!(matches!(error, Error::Missing { .. }), "{error}");
    }

    #[test]
    fn a_convnext_without_layer_scale_has_a_plain_second_layer() {
        let mut folder = golden("convnext");
        if let HfBackboneConfig::ConvNext(backbone) = &mut folder.config.backbone {
            backbone.layer_scale_init_value = 0.0;
        }
        let graph = lowered(&folder, ImageSize::Dynamic);
        let scaled = |stored: &&Initializer| {
            matches!(
                &stored.content,
                Content::Weights {
                    recipe: Recipe::Scaled,
                    ..
                }
            )
        };
        assert_eq!(graph.initializers.iter().filter(scaled).count(), 0);
    }

    #[test]
    fn weights_may_be_in_a_file_of_their_own() {
        let folder = golden("swin");
        let place = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, weights| {
            let options = ExportOptions {
                size: ImageSize::Fixed([64, 64]),
                weights,
                ..ExportOptions::default()
            };
            let path: PathBuf = place.path().join(name);
            let processor = folder.processor.as_ref();
            export(
                &folder.config,
                processor,
                &folder.checkpoint,
                &path,
                &options,
            )
        };
        let inside = write("inside.onnx", WeightPlace::Inside).expect("written");
        let beside = write("beside.onnx", WeightPlace::Beside).expect("written");
        assert_eq!((inside.files.len(), beside.files.len()), (1, 2));
        assert_eq!(inside.nodes, beside.nodes);
        assert_eq!(beside.files[1], place.path().join("beside.onnx.data"));
        let length = |path: &PathBuf| path.metadata().expect("it is there").len();
        assert_eq!(inside.bytes, length(&inside.files[0]));
        assert_eq!(beside.bytes, beside.files.iter().map(length).sum::<u64>());
        assert!(length(&beside.files[0]) < length(&inside.files[0]) / 2);
        let error = write("inside.onnx", WeightPlace::Inside).expect_err("it is there");
        assert!(
            error.to_string().ends_with("choose another name"),
            "{error}"
        );
    }
}
