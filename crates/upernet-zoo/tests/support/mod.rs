//! Tiny networks, saved, and their files rewritten.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Device, Tensor},
};
use upernet_nn::initializer;
use upernet_zoo::{
    Model, build,
    hf::{
        Overwrite,
        config::{
            HfBackboneConfig, HfBeitConfig, HfConfig, HfConvNextConfig, HfConvNextV2Config,
            HfDinov3ConvNextConfig, HfPvtV2Config, HfResNetConfig, HfSwinConfig, HfSwinV2Config,
        },
        processor::HfProcessorConfig,
        weights::{Checkpoint, TensorInfo, write_safetensors},
    },
    save,
};

pub(crate) fn swin() -> HfConfig {
    let mut config = HfConfig::new(HfBackboneConfig::Swin(HfSwinConfig {
        embed_dim: 8,
        depths: vec![2, 1, 1, 1],
        num_heads: vec![1, 2, 2, 4],
        window_size: 4,
        out_stages: vec![1, 2, 3, 4],
        ..HfSwinConfig::default()
    }));
    config.hidden_size = 12;
    config.auxiliary_channels = 6;
    config
}

pub(crate) fn swinv2() -> HfConfig {
    let mut config = HfConfig::new(HfBackboneConfig::SwinV2(HfSwinV2Config {
        image_size: 64,
        embed_dim: 8,
        depths: vec![2, 1, 1, 1],
        num_heads: vec![1, 2, 2, 4],
        window_size: 4,
        pretrained_window_sizes: vec![0, 0, 3, 2],
        out_stages: vec![1, 2, 3, 4],
        ..HfSwinV2Config::default()
    }));
    config.hidden_size = 12;
    config.auxiliary_channels = 6;
    config
}

pub(crate) fn convnext() -> HfConfig {
    let mut config = HfConfig::new(HfBackboneConfig::ConvNext(HfConvNextConfig {
        hidden_sizes: vec![8, 12, 16, 20],
        depths: vec![1, 1, 2, 1],
        out_stages: vec![2, 3, 4],
        ..HfConvNextConfig::default()
    }));
    config.hidden_size = 12;
    config.auxiliary_channels = 6;
    config
}

pub(crate) fn convnextv2() -> HfConfig {
    let backbone = HfBackboneConfig::ConvNextV2(HfConvNextV2Config {
        hidden_sizes: vec![8, 12, 16, 20],
        depths: vec![1, 1, 2, 1],
        out_stages: vec![2, 3, 4],
        ..HfConvNextV2Config::default()
    });
    HfConfig {
        backbone,
        ..convnext()
    }
}

pub(crate) fn dinov3_convnext() -> HfConfig {
    let backbone = HfBackboneConfig::Dinov3ConvNext(HfDinov3ConvNextConfig {
        hidden_sizes: vec![8, 12, 16, 20],
        depths: vec![1, 1, 2, 1],
        layer_norm_eps: 1e-3,
        out_stages: vec![2, 3, 4],
        ..HfDinov3ConvNextConfig::default()
    });
    HfConfig {
        backbone,
        ..convnext()
    }
}

pub(crate) fn resnet() -> HfConfig {
    let mut config = HfConfig::new(HfBackboneConfig::ResNet(HfResNetConfig {
        embedding_size: 8,
        hidden_sizes: vec![8, 12, 16, 20],
        depths: vec![1, 1, 2, 1],
        out_stages: vec![2, 3, 4],
        ..HfResNetConfig::default()
    }));
    config.hidden_size = 12;
    config.auxiliary_channels = 6;
    config
}

pub(crate) fn beit() -> HfConfig {
    let mut config = HfConfig::new(HfBackboneConfig::Beit(HfBeitConfig {
        image_size: 32,
        patch_size: 8,
        hidden_size: 8,
        num_hidden_layers: 5,
        num_attention_heads: 2,
        intermediate_size: 12,
        use_absolute_position_embeddings: true,
        use_relative_position_bias: true,
        use_shared_relative_position_bias: true,
        add_fpn: true,
        layer_norm_eps: 1e-6,
        out_stages: vec![1, 2, 3, 5],
        ..HfBeitConfig::default()
    }));
    config.hidden_size = 12;
    config.auxiliary_channels = 6;
    config
}

pub(crate) fn pvt_v2() -> HfConfig {
    let mut config = HfConfig::new(HfBackboneConfig::PvtV2(HfPvtV2Config {
        hidden_sizes: vec![8, 12, 16, 20],
        num_attention_heads: vec![1, 2, 4, 5],
        mlp_ratios: vec![2, 3, 2, 2],
        depths: vec![1, 1, 2, 1],
        out_stages: vec![2, 3, 4],
        ..HfPvtV2Config::default()
    }));
    config.hidden_size = 12;
    config.auxiliary_channels = 6;
    config
}

pub(crate) fn values(model: &Model) -> Vec<Vec<f32>> {
    struct Collect(Vec<Vec<f32>>);
    impl ModuleVisitor for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(
                param
                    .val()
                    .into_data()
                    .try_to_vec()
                    .expect("f32 parameters"),
            );
        }
    }
    let mut collect = Collect(Vec::new());
    model.visit(&mut collect);
    collect.0
}

pub(crate) fn saved(config: &HfConfig, folder: &Path) -> Model {
    let device = Device::flex();
    device.seed(4);
    let model = build(config, &device).expect("supported");
    initializer::draw_all(&model);
    save(
        &model,
        config,
        &HfProcessorConfig::default(),
        folder,
        Overwrite::Refuse,
    )
    .expect("the folder is writable");
    model
}

/// Rewrites the weights of a saved folder: each tensor may be renamed, reshaped or dropped.
pub(crate) fn rewrite(
    folder: &Path,
    edit: impl Fn(&str, &TensorInfo) -> Option<(String, TensorInfo)>,
) -> PathBuf {
    let path = folder.join("model.safetensors");
    let checkpoint = Checkpoint::open(folder).expect("saved weights");
    let mut tensors = BTreeMap::new();
    let mut sources = BTreeMap::new();
    for (name, info) in checkpoint.tensors() {
        if let Some((new_name, new_info)) = edit(name, info) {
            sources.insert(new_name.clone(), name.to_owned());
            tensors.insert(new_name, new_info);
        }
    }
    let bytes = |name: &str, info: &TensorInfo| -> Vec<u8> {
        let source = &sources[name];
        let mut bytes: Vec<u8> = if let Ok(values) = checkpoint.read_f32(source) {
            values.into_iter().flat_map(f32::to_le_bytes).collect()
        } else {
            let values = checkpoint.read_i64(source).expect("an integer tensor");
            values.into_iter().flat_map(i64::to_le_bytes).collect()
        };
        bytes.resize(info.byte_len(), 0);
        bytes
    };
    let written: BTreeMap<String, Vec<u8>> = tensors
        .iter()
        .map(|(name, info)| (name.clone(), bytes(name, info)))
        .collect();
    write_safetensors(
        &path,
        &tensors,
        &BTreeMap::new(),
        Overwrite::Replace,
        |name| Ok(Cow::Borrowed(&written[name])),
    )
    .expect("the folder is writable");
    path
}
