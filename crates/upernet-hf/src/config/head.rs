//! The top level of `config.json`, and what must hold between it and the backbone.

use serde_json::Value;

use crate::config::{
    ConfigError, HfBackboneConfig, HfConfig,
    fields::{Fields, wrong_type},
    labels::labels,
    limits::{MAX_AUXILIARY_CONVS, MAX_CHANNELS, MAX_PARAMETERS, MAX_POOL_SCALE, MAX_POOL_SCALES},
    variant,
};

/// Reads the whole configuration from its top object.
pub(crate) fn parse(fields: &Fields<'_>) -> Result<HfConfig, ConfigError> {
    check_model_type(fields)?;
    let mut backbone = backbone(fields)?;
    variant::read(fields, &mut backbone)?;
    variant::check(fields, &backbone)?;
    let default = HfConfig::new(backbone);
    let channels = 1..=MAX_CHANNELS;
    let config = HfConfig {
        hidden_size: fields.integer("hidden_size", default.hidden_size, &channels)?,
        pool_scales: fields.integers(
            "pool_scales",
            &default.pool_scales,
            &(1..=MAX_POOL_SCALES),
            &(1..=MAX_POOL_SCALE),
        )?,
        use_auxiliary_head: fields.boolean("use_auxiliary_head", true)?,
        auxiliary_loss_weight: fields.number(
            "auxiliary_loss_weight",
            default.auxiliary_loss_weight,
            &(0.0..=1000.0),
        )?,
        auxiliary_in_channels: fields.optional_integer("auxiliary_in_channels", &channels)?,
        auxiliary_channels: fields.integer(
            "auxiliary_channels",
            default.auxiliary_channels,
            &channels,
        )?,
        auxiliary_num_convs: fields.integer(
            "auxiliary_num_convs",
            default.auxiliary_num_convs,
            &(0..=MAX_AUXILIARY_CONVS),
        )?,
        auxiliary_concat_input: fields.boolean("auxiliary_concat_input", false)?,
        loss_ignore_index: fields.signed("loss_ignore_index", default.loss_ignore_index)?,
        initializer_range: fields.number(
            "initializer_range",
            default.initializer_range,
            &(0.0..=1000.0),
        )?,
        id2label: labels(fields)?,
        backbone: default.backbone,
    };
    check_auxiliary_head(&config)?;
    check_parameters(&config)?;
    Ok(config)
}

fn check_model_type(fields: &Fields<'_>) -> Result<(), ConfigError> {
    match fields.string("model_type")? {
        Some("upernet") => Ok(()),
        Some(other) => Err(ConfigError::Unsupported {
            field: "model_type".into(),
            found: other.into(),
            hint: "supported is upernet".into(),
        }),
        None => Err(ConfigError::Missing {
            field: "model_type".into(),
            hint: "a UPerNet's config.json says \"upernet\" there",
        }),
    }
}

/// Reads `backbone_config`, refusing the ways in which `transformers` 4 could name another backbone
/// without it.
fn backbone(fields: &Fields<'_>) -> Result<HfBackboneConfig, ConfigError> {
    let backbone_config = fields.object("backbone_config", "backbone_config.")?;
    let unsupported = |field: &str, found: String| {
        let hint = "write the backbone out as `backbone_config`".into();
        Err(ConfigError::Unsupported {
            field: field.into(),
            found,
            hint,
        })
    };
    if let Some(name) = fields.string("backbone")? {
        return unsupported("backbone", name.into());
    }
    if fields.boolean("use_timm_backbone", false)? {
        return unsupported("use_timm_backbone", "a timm backbone".into());
    }
    if let Some(value) = fields.get("backbone_kwargs") {
        let options = value.as_object();
        let options = options.ok_or_else(|| wrong_type("backbone_kwargs", "an object", value))?;
        if !options.is_empty() {
            return unsupported("backbone_kwargs", Value::from(options.clone()).to_string());
        }
    }
    if fields.boolean("use_pretrained_backbone", false)? && backbone_config.is_none() {
        return unsupported(
            "use_pretrained_backbone",
            "a backbone to be downloaded".into(),
        );
    }
    match backbone_config {
        Some(fields) => HfBackboneConfig::parse(&fields),
        None => Ok(HfBackboneConfig::default()),
    }
}

fn check_auxiliary_head(config: &HfConfig) -> Result<(), ConfigError> {
    if !config.use_auxiliary_head {
        return Ok(());
    }
    let maps = config.backbone.out_channels();
    let Some(&third) = maps.get(2) else {
        return Err(ConfigError::AuxiliaryLevels {
            field: "backbone_config.out_features".into(),
            levels: maps.len(),
        });
    };
    if let Some(named) = config.auxiliary_in_channels.filter(|&named| named != third) {
        return Err(ConfigError::Disagree {
            first: "auxiliary_in_channels".into(),
            second: "backbone_config".into(),
            detail: format!("the first says {named}, the third feature map has {third} channels"),
        });
    }
    if config.auxiliary_num_convs == 0 && config.auxiliary_channels != third {
        return Err(ConfigError::Disagree {
            first: "auxiliary_num_convs".into(),
            second: "auxiliary_channels".into(),
            detail: format!(
                "without convolutions the auxiliary head keeps the {third} channels it reads, \
                 the second says {}",
                config.auxiliary_channels
            ),
        });
    }
    Ok(())
}

fn check_parameters(config: &HfConfig) -> Result<(), ConfigError> {
    let parameters = config.backbone.family().parameters() + head_parameters(config);
    if parameters > MAX_PARAMETERS {
        return Err(too_many(parameters));
    }
    Ok(())
}

/// Makes the error for more parameters than a network may have.
pub(crate) fn too_many(parameters: f64) -> ConfigError {
    ConfigError::OutOfRange {
        field: "(whole network)".into(),
        found: format!("about {parameters:.1e} parameters"),
        allowed: format!("up to {MAX_PARAMETERS:.1e}"),
    }
}

/// Estimates the parameters of both heads; exact in every term that grows.
fn head_parameters(config: &HfConfig) -> f64 {
    let width = config.hidden_size as f64;
    let labels = config.num_labels() as f64;
    let scales = config.pool_scales.len() as f64;
    let maps = config.backbone.out_channels();
    let levels = maps.len() as f64;
    let laterals: f64 = maps
        .iter()
        .rev()
        .skip(1)
        .map(|&channels| channels as f64 * width)
        .sum();
    let last = maps.last().map_or(0.0, |&channels| channels as f64);
    let pooling = scales * last * width + 9.0 * (last + scales * width) * width;
    let pyramid = 9.0 * (2.0 * levels - 1.0) * width * width;
    let decode = laterals + pooling + pyramid + labels * width;

    let Some(input) = config.auxiliary_input_channels() else {
        return decode;
    };
    let (input, channels) = (input as f64, config.auxiliary_channels as f64);
    let convs = match config.auxiliary_num_convs {
        0 => 0.0,
        count => input + (count - 1) as f64 * channels,
    };
    let concat = if config.auxiliary_concat_input {
        input + channels
    } else {
        0.0
    };
    decode + channels * (9.0 * (convs + concat) + labels)
}

#[cfg(test)]
mod tests {
    use super::head_parameters;
    use crate::config::{
        HfBackboneConfig, HfBeitConfig, HfConfig, HfConvNextConfig, HfConvNextV2Config,
        HfDinov3ConvNextConfig, HfPvtV2Config, HfResNetConfig, HfResNetLayerType, HfSwinConfig,
    };

    #[test]
    fn estimates_are_within_a_percent_of_published_networks() {
        let out_stages = vec![1, 2, 3, 4];
        let large_swin = HfSwinConfig {
            out_stages: out_stages.clone(),
            embed_dim: 192,
            depths: vec![2, 2, 18, 2],
            num_heads: vec![6, 12, 24, 48],
            window_size: 12,
            ..HfSwinConfig::default()
        };
        let tiny_convnext = HfConvNextConfig {
            out_stages: out_stages.clone(),
            ..HfConvNextConfig::default()
        };
        let tiny_convnextv2 = HfConvNextV2Config {
            out_stages: out_stages.clone(),
            ..HfConvNextV2Config::default()
        };
        let tiny_dinov3 = HfDinov3ConvNextConfig {
            out_stages,
            ..HfDinov3ConvNextConfig::default()
        };
        let resnet_18 = HfResNetConfig {
            out_stages: vec![1, 2, 3, 4],
            hidden_sizes: vec![64, 128, 256, 512],
            depths: vec![2, 2, 2, 2],
            layer_type: HfResNetLayerType::Basic,
            ..HfResNetConfig::default()
        };
        let beit_base = HfBeitConfig {
            image_size: 640,
            use_relative_position_bias: true,
            add_fpn: true,
            out_stages: vec![4, 6, 8, 12],
            ..HfBeitConfig::default()
        };
        let pvt_v2 = |linear_attention| {
            HfBackboneConfig::PvtV2(HfPvtV2Config {
                out_stages: vec![1, 2, 3, 4],
                linear_attention,
                ..HfPvtV2Config::default()
            })
        };
        // openmmlab/upernet-swin-large and upernet-convnext-tiny, the same on the other two tiny ones,
        // Hugging Face's default UPerNet, the same on ResNet-18, on BEiT-B and on both PVTv2-B0, counted
        // on meta tensors.
        for (backbone, parameters) in [
            (HfBackboneConfig::Swin(large_swin), 233_962_976.0),
            (HfBackboneConfig::ConvNext(tiny_convnext), 60_242_636.0),
            (HfBackboneConfig::ConvNextV2(tiny_convnextv2), 60_289_004.0),
            (HfBackboneConfig::Dinov3ConvNext(tiny_dinov3), 60_239_756.0),
            (HfBackboneConfig::default(), 66_496_876.0),
            (HfBackboneConfig::ResNet(resnet_18), 41_484_140.0),
            (HfBackboneConfig::Beit(beit_base), 127_777_388.0),
            (pvt_v2(false), 31_693_964.0),
            (pvt_v2(true), 31_421_068.0),
        ] {
            let id2label = vec![String::new(); 150];
            let config = HfConfig {
                id2label,
                ..HfConfig::new(backbone)
            };
            let estimate = config.backbone.family().parameters() + head_parameters(&config);
            let error = (estimate / parameters - 1.0_f64).abs();
            assert!(error < 0.01, "{estimate} for {parameters}");
        }
    }
}
