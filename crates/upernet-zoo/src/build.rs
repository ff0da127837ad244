//! From Hugging Face's config to modules.

use burn::tensor::Device;
use upernet_head::{AuxiliaryHeadConfig, UperNet, UperNetConfig};
use upernet_hf::config::HfConfig;
use upernet_swin::DropPathRule;

use crate::{Error, ZooBackbone, families::family};

/// A UPerNet over a backbone that a config file chose.
pub type Model = UperNet<ZooBackbone>;

/// Choices about a network that Hugging Face's config has no field for, or a wrong value in.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct BuildOptions {
    /// Drop path rate instead of the config's. Published configs hold library defaults (Swin 0.1,
    /// ConvNeXt 0), not what the checkpoints were trained with (0.3 to 0.4). ResNet has no drop path.
    pub drop_path_rate: Option<f64>,
    /// Residual branches of Swin that drop path acts on; `None` is Hugging Face's rule, which is the
    /// attention alone for Swin and both branches for Swin V2.
    pub drop_path_rule: Option<DropPathRule>,
}

/// Builds a model with fresh weights, drawn as Hugging Face draws them.
///
/// # Errors
///
/// Returns an error if the config asks for something that is not built.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use upernet_zoo::hf::config::{HfBackboneConfig, HfConfig, HfConvNextConfig};
///
/// let backbone = HfConvNextConfig {
///     hidden_sizes: vec![8, 12, 16, 24],
///     depths: vec![1, 1, 1, 1],
///     out_stages: vec![1, 2, 3, 4],
///     ..HfConvNextConfig::default()
/// };
/// let mut config = HfConfig::new(HfBackboneConfig::ConvNext(backbone));
/// config.hidden_size = 16;
/// let device = Device::flex();
/// let model = upernet_zoo::build(&config, &device)?;
/// assert_eq!(model.forward(Tensor::zeros([1, 3, 64, 96], &device)).dims(), [1, 2, 64, 96]);
/// # Ok::<(), upernet_zoo::Error>(())
/// ```
pub fn build(config: &HfConfig, device: &Device) -> Result<Model, Error> {
    build_with(config, &BuildOptions::default(), device)
}

/// [`build`] with choices that the config has no field for.
///
/// # Errors
///
/// As [`build`], and if an option is out of range.
pub fn build_with(
    config: &HfConfig,
    options: &BuildOptions,
    device: &Device,
) -> Result<Model, Error> {
    if let Some(rate) = options.drop_path_rate
        && !(0.0..1.0).contains(&rate)
    {
        return Err(Error::Option {
            name: "drop_path_rate",
            found: rate.to_string(),
        });
    }
    let backbone = family(&config.backbone)?.build(options, device);
    Ok(head_config(config).init(backbone, device))
}

fn head_config(config: &HfConfig) -> UperNetConfig {
    let auxiliary_head = config.use_auxiliary_head.then(|| {
        AuxiliaryHeadConfig::new()
            .with_in_channels(config.auxiliary_in_channels)
            .with_channels(config.auxiliary_channels)
            .with_num_convs(config.auxiliary_num_convs)
            .with_concat_input(config.auxiliary_concat_input)
            .with_loss_weight(config.auxiliary_loss_weight)
    });
    UperNetConfig::new(config.num_labels())
        .with_hidden_size(config.hidden_size)
        .with_pool_scales(config.pool_scales.clone())
        .with_auxiliary_head(auxiliary_head)
        .with_loss_ignore_index(config.loss_ignore_index)
        .with_initializer_range(config.initializer_range)
}

/// Checks that the network accepts a batch of `shape` = `[N, channels, height, width]`.
///
/// # Errors
///
/// Returns an error that says what the network needs.
pub fn check_input(config: &HfConfig, shape: [usize; 4]) -> Result<(), Error> {
    let [batch, channels, height, width] = shape;
    let refuse = |needs: String| Err(Error::Input { shape, needs });
    if batch == 0 || height == 0 || width == 0 {
        return refuse("at least one pixel".to_owned());
    }
    let expected = config.backbone.num_channels();
    if channels != expected {
        return refuse(format!("{expected} channels"));
    }
    match family(&config.backbone)?.refusal([height, width]) {
        Some(needs) => refuse(needs),
        None => Ok(()),
    }
}
