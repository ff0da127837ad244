//! Small networks, one on each backbone, with seeded weights that both devices share.

use std::{borrow::Cow, collections::BTreeMap};

use upernet::{
    Error,
    burn::{
        module::{Module as _, ModuleVisitor, Param},
        tensor::{Device, Gradients, Int, Tensor, TensorData},
    },
    head::UperNetOutput,
    hf::{
        ModelFolder, Overwrite,
        config::{
            HfBackboneConfig, HfBeitConfig, HfConfig, HfConvNextConfig, HfConvNextV2Config,
            HfDinov2Config, HfDinov3VitConfig, HfPvtV2Config, HfResNetConfig, HfSwinConfig,
            HfSwinV2Config, HfVitConfig,
        },
        weights::{Dtype, TensorInfo, write_safetensors},
    },
    zoo::{self, HubParameter, Model, hub_parameters},
};

use super::values::{difference, indices, to_i64, values};
use crate::failure::Failure;

/// How far logits may be off, and gradients, as the norm of the difference over the norm.
pub(super) const ALLOWED: [f64; 2] = [1e-4, 2e-3];
/// The same where differences of a 32-bit loss are all there is to compare a gradient with.
pub(super) const ALLOWED_WITH_ITSELF: [f64; 2] = [1e-4, 2e-2];

/// Three images, so that batch normalisation of a single pooled cell has something to go by.
const BATCH: usize = 3;
const SIZE: [usize; 2] = [57, 83];
const PIXELS: usize = BATCH * 3 * SIZE[0] * SIZE[1];
const CLASSES: usize = 7;
/// How much the loss changes over one of those differences: far above its rounding, and small enough
/// for a straight line.
const LOSS_CHANGE: f64 = 3e-4;

/// A network that is checked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Network {
    Swin,
    SwinV2,
    ConvNext,
    ConvNextV2,
    ResNet,
    Beit,
    Dinov2,
    Dinov3Vit,
    PvtV2,
    VitPyramid,
}

/// What a network computes.
struct Computed {
    logits: Vec<f32>,
    loss: f32,
    pixel_gradient: Vec<f32>,
    parameter_gradient: Vec<f32>,
}

impl Network {
    pub(super) const ALL: [Self; 10] = [
        Self::Swin,
        Self::SwinV2,
        Self::ConvNext,
        Self::ConvNextV2,
        Self::ResNet,
        Self::Beit,
        Self::Dinov2,
        Self::Dinov3Vit,
        Self::PvtV2,
        Self::VitPyramid,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Swin => "Swin UPerNet",
            Self::SwinV2 => "Swin V2 UPerNet",
            Self::ConvNext => "ConvNeXt UPerNet",
            Self::ConvNextV2 => "ConvNeXt V2 UPerNet",
            Self::ResNet => "ResNet UPerNet",
            Self::Beit => "BEiT UPerNet",
            Self::Dinov2 => "DINOv2 UPerNet",
            Self::Dinov3Vit => "DINOv3 ViT UPerNet",
            Self::PvtV2 => "PVTv2 UPerNet",
            Self::VitPyramid => "ViT feature pyramid UPerNet",
        }
    }

    /// Differences forward and backward between two devices.
    pub(super) fn compare(self, device: &Device, reference: &Device) -> Result<[f64; 2], Failure> {
        let [actual, expected] =
            [device, reference].map(|device| self.load(device)?.compute(device));
        let (actual, expected) = (actual?, expected?);
        let logits: Vec<f64> = expected.logits.iter().copied().map(f64::from).collect();
        let loss = f64::from((actual.loss - expected.loss).abs());
        let backward =
            norm_of_difference(&actual.parameter_gradient, &expected.parameter_gradient).max(
                norm_of_difference(&actual.pixel_gradient, &expected.pixel_gradient),
            );
        Ok([difference(&actual.logits, &logits).max(loss), backward])
    }

    /// Differences between a batch and its images alone, and between the gradient's length and what
    /// the loss does along it.
    pub(super) fn compare_with_itself(self, device: &Device) -> Result<[f64; 2], Failure> {
        let loaded = self.load(device)?;
        let computed = loaded.compute(device)?;
        let mut alone: Vec<f64> = Vec::new();
        for image in values(1, PIXELS).chunks(PIXELS / BATCH) {
            let logits = loaded.model.forward(pixels(image.to_vec(), device));
            alone.extend(read(logits)?.into_iter().map(f64::from));
        }
        let forward = difference(&computed.logits, &alone);

        // Along the gradient the loss rises by the gradient's length for each unit.
        let length = norm(&computed.pixel_gradient);
        let step = LOSS_CHANGE / length;
        let loss_at = |distance: f64| {
            let moved = values(1, PIXELS).into_iter().zip(&computed.pixel_gradient);
            #[expect(clippy::cast_possible_truncation, reason = "a pixel is an f32")]
            let moved = moved.map(|(pixel, &slope)| pixel + (distance / length) as f32 * slope);
            read(loaded.train(moved.collect(), device).output.loss).map(|loss| f64::from(loss[0]))
        };
        let slope = (loss_at(step)? - loss_at(-step)?) / (2.0 * step);
        Ok([forward, ((slope - length) / length).abs()])
    }

    fn config(self) -> HfConfig {
        let backbone = match self {
            Self::Swin => HfBackboneConfig::Swin(HfSwinConfig {
                embed_dim: 12,
                depths: vec![2, 2, 2, 1],
                num_heads: vec![1, 2, 3, 4],
                window_size: 5,
                drop_path_rate: 0.0,
                initializer_range: 0.2,
                out_stages: vec![1, 2, 3, 4],
                ..HfSwinConfig::default()
            }),
            Self::SwinV2 => HfBackboneConfig::SwinV2(HfSwinV2Config {
                image_size: 96,
                embed_dim: 12,
                depths: vec![2, 2, 2, 1],
                num_heads: vec![1, 2, 3, 4],
                window_size: 5,
                drop_path_rate: 0.0,
                initializer_range: 0.2,
                out_stages: vec![1, 2, 3, 4],
                ..HfSwinV2Config::default()
            }),
            Self::ConvNext => HfBackboneConfig::ConvNext(HfConvNextConfig {
                hidden_sizes: vec![10, 14, 22, 30],
                depths: vec![1, 1, 2, 1],
                drop_path_rate: 0.0,
                // The published value would all but switch the blocks off.
                layer_scale_init_value: 0.5,
                initializer_range: 0.2,
                out_stages: vec![1, 2, 3, 4],
                ..HfConvNextConfig::default()
            }),
            Self::ConvNextV2 => HfBackboneConfig::ConvNextV2(HfConvNextV2Config {
                hidden_sizes: vec![10, 14, 22, 30],
                depths: vec![1, 1, 2, 1],
                out_stages: vec![1, 2, 3, 4],
                ..HfConvNextV2Config::default()
            }),
            Self::ResNet => HfBackboneConfig::ResNet(HfResNetConfig {
                embedding_size: 10,
                hidden_sizes: vec![12, 16, 24, 32],
                depths: vec![1, 1, 2, 1],
                out_stages: vec![1, 2, 3, 4],
                ..HfResNetConfig::default()
            }),
            Self::Beit => HfBackboneConfig::Beit(HfBeitConfig {
                image_size: 48,
                patch_size: 8,
                hidden_size: 24,
                num_hidden_layers: 4,
                num_attention_heads: 3,
                intermediate_size: 48,
                drop_path_rate: 0.0,
                use_relative_position_bias: true,
                use_absolute_position_embeddings: true,
                add_fpn: true,
                out_stages: vec![1, 2, 3, 4],
                ..HfBeitConfig::default()
            }),
            // Registers and a gate, which the other one is without.
            Self::Dinov2 => HfBackboneConfig::Dinov2(HfDinov2Config {
                image_size: 40,
                patch_size: 8,
                hidden_size: 24,
                num_hidden_layers: 4,
                num_attention_heads: 3,
                use_swiglu_ffn: true,
                out_stages: vec![1, 2, 3, 4],
                ..HfDinov2Config::with_registers()
            }),
            Self::Dinov3Vit => HfBackboneConfig::Dinov3Vit(HfDinov3VitConfig {
                patch_size: 8,
                hidden_size: 24,
                intermediate_size: 40,
                num_hidden_layers: 4,
                num_attention_heads: 3,
                // Training would draw another factor each time.
                pos_embed_rescale: None,
                out_stages: vec![1, 2, 3, 4],
                ..HfDinov3VitConfig::default()
            }),
            Self::PvtV2 => HfBackboneConfig::PvtV2(HfPvtV2Config {
                hidden_sizes: vec![12, 16, 20, 32],
                mlp_ratios: vec![3, 3, 2, 2],
                depths: vec![1, 1, 2, 1],
                initializer_range: 0.2,
                out_stages: vec![1, 2, 3, 4],
                ..HfPvtV2Config::default()
            }),
            Self::VitPyramid => vit_pyramid(),
        };
        let mut config = HfConfig::new(backbone);
        config.hidden_size = 18;
        config.auxiliary_channels = 9;
        config.initializer_range = 0.2;
        config.id2label = (0..CLASSES).map(|class| format!("class {class}")).collect();
        config
    }

    /// Writes a folder of seeded weights and loads it, the way any model comes to a device.
    fn load(self, device: &Device) -> Result<Loaded, Failure> {
        let config = self.config();
        let parameters = hub_parameters(&zoo::build(&config, device)?, &config);
        let folder = tempfile::tempdir();
        let folder =
            folder.map_err(|error| Failure::Failed(format!("temporary folder: {error}")))?;
        config.write(&folder.path().join("config.json"), Overwrite::Refuse)?;
        let mut tensors = BTreeMap::new();
        let mut bytes = BTreeMap::new();
        for (seed, parameter) in (1000..).zip(&parameters) {
            let (info, values) = seeded(seed, parameter)?;
            tensors.insert(parameter.key().to_owned(), info);
            bytes.insert(parameter.key(), values);
        }
        let path = folder.path().join("model.safetensors");
        write_safetensors(
            &path,
            &tensors,
            &BTreeMap::new(),
            Overwrite::Refuse,
            |key| Ok(Cow::Borrowed(&bytes[key])),
        )?;
        let (model, _) = zoo::load(&ModelFolder::open(folder.path())?, device)?;
        Ok(Loaded { model })
    }
}

/// A ViT, which is always under a feature pyramid.
fn vit_pyramid() -> HfBackboneConfig {
    HfBackboneConfig::Vit(HfVitConfig {
        image_size: 48,
        patch_size: 12,
        hidden_size: 24,
        intermediate_size: 40,
        num_hidden_layers: 4,
        num_attention_heads: 3,
        out_stages: vec![1, 2, 3, 4],
        ..HfVitConfig::default()
    })
}

/// Values that keep signals near 1 all the way through: type, shape and little-endian bytes.
fn seeded(seed: u64, parameter: &HubParameter) -> Result<(TensorInfo, Vec<u8>), Failure> {
    let (key, shape) = (parameter.key(), parameter.shape());
    let ends = |name: &str| key.ends_with(name);
    let is_count = ends(".num_batches_tracked");
    let dtype = if is_count { Dtype::I64 } else { Dtype::F32 };
    let info = TensorInfo::new(dtype, shape.to_vec());
    let info = info.map_err(|error| Failure::Failed(error.to_string()))?;
    if is_count {
        return Ok((info, 1_i64.to_le_bytes().to_vec()));
    }
    let fan_in: usize = shape.iter().skip(1).product();
    let (center, spread) = match shape.len() {
        1 if ends(".weight") || ends(".running_var") => (1.0, 0.3),
        1 => (0.0, 0.3),
        _ => (0.0, (3.0 / fan_in as f32).sqrt()),
    };
    let values = values(seed, info.elements()).into_iter();
    Ok((
        info,
        values
            .flat_map(|value| (center + spread * value).to_le_bytes())
            .collect(),
    ))
}

/// A network on its device.
struct Loaded {
    model: Model,
}

/// A training step up to the gradients.
struct Trained {
    output: UperNetOutput,
    model: Model,
    pixels: Tensor<4>,
}

impl Loaded {
    /// Logits of inference, then loss and gradients of training.
    fn compute(&self, device: &Device) -> Result<Computed, Failure> {
        let logits = read(self.model.forward(pixels(values(1, PIXELS), device)))?;
        let trained = self.train(values(1, PIXELS), device);
        let gradients = trained.output.loss.backward();
        let loss = read(trained.output.loss)?[0];
        let pixel_gradient = trained
            .pixels
            .grad(&gradients)
            .map_or(Ok(Vec::new()), read)?;
        let mut collected = Collected {
            gradients: &gradients,
            values: Ok(Vec::new()),
        };
        trained.model.visit(&mut collected);
        Ok(Computed {
            logits,
            loss,
            pixel_gradient,
            parameter_gradient: collected.values?,
        })
    }

    fn train(&self, values: Vec<f32>, device: &Device) -> Trained {
        let device = device.clone().autodiff();
        let [height, width] = SIZE;
        let mut labels = indices(2, BATCH * height * width, CLASSES);
        labels.iter_mut().step_by(7).for_each(|label| *label = 255);
        let labels = to_i64(labels);
        let labels = TensorData::new(labels, [BATCH, height, width]);
        let labels = Tensor::<3, Int>::from_data(labels, &device);
        let model = self.model.clone().train();
        let pixels = pixels(values, &device).require_grad();
        let output = model.forward_with_labels(pixels.clone(), labels);
        Trained {
            output,
            model,
            pixels,
        }
    }
}

/// Gathers the gradients of all parameters, one after the other.
struct Collected<'a> {
    gradients: &'a Gradients,
    values: Result<Vec<f32>, Failure>,
}

impl ModuleVisitor for Collected<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Ok(collected) = &mut self.values else {
            return;
        };
        // Running statistics have no gradient.
        let Some(gradient) = param.val().grad(self.gradients) else {
            return;
        };
        match read(gradient) {
            Ok(values) => collected.extend(values),
            Err(failure) => self.values = Err(failure),
        }
    }
}

fn pixels(values: Vec<f32>, device: &Device) -> Tensor<4> {
    let [height, width] = SIZE;
    let batch = values.len() / (3 * height * width);
    Tensor::from_data(TensorData::new(values, [batch, 3, height, width]), device)
}

fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, Failure> {
    let values = tensor.try_into_vec_as::<f32>();
    values.map_err(|error| {
        Error::Backend {
            message: error.to_string(),
        }
        .into()
    })
}

fn norm(values: &[f32]) -> f64 {
    values
        .iter()
        .map(|&value| f64::from(value).powi(2))
        .sum::<f64>()
        .sqrt()
}

/// Norm of the difference over the expected norm; infinite for NaN or another length.
fn norm_of_difference(actual: &[f32], expected: &[f32]) -> f64 {
    let differences: Vec<f32> = actual.iter().zip(expected).map(|(a, e)| a - e).collect();
    let relative = norm(&differences) / norm(expected).max(f64::MIN_POSITIVE);
    if actual.len() != expected.len() || relative.is_nan() {
        f64::INFINITY
    } else {
        relative
    }
}
