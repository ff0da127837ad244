//! What a network costs, from its config alone.

use burn::tensor::Device;
use upernet_hf::config::HfConfig;

use crate::{
    Error, build,
    families::{family, product},
    parameters::hub_parameters,
};

/// Parameters and multiply-adds of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cost {
    /// Trainable numbers, the auxiliary head included; running statistics are not counted.
    pub parameters: u64,
    /// Trainable numbers of the backbone.
    pub backbone_parameters: u64,
    /// Multiply-adds of convolutions and matrix products for one image, without auxiliary head.
    pub macs: u64,
    /// Multiply-adds that the auxiliary head adds when it runs.
    pub auxiliary_macs: u64,
}

/// Counts what one image of `size` = `[height, width]` pixels costs.
///
/// # Errors
///
/// Returns an error if the config asks for something that is not built.
pub fn cost(config: &HfConfig, size: [usize; 2], device: &Device) -> Result<Cost, Error> {
    // A built model has shapes and, until first used, no values.
    let model = build(config, device)?;
    let mut parameters = 0;
    let mut backbone_parameters = 0;
    for stored in hub_parameters(&model, config) {
        let is_buffer = [".running_mean", ".running_var", ".num_batches_tracked"]
            .iter()
            .any(|name| stored.key.ends_with(name));
        let elements = if is_buffer { 0 } else { product(&stored.shape) };
        parameters += elements;
        if stored.key.starts_with("backbone.") {
            backbone_parameters += elements;
        }
    }
    let (backbone, sizes) = family(&config.backbone)?.macs(size);
    let sizes: Vec<_> = config
        .backbone
        .out_stages()
        .iter()
        .map(|stage| sizes[stage - 1])
        .collect();
    Ok(Cost {
        parameters,
        backbone_parameters,
        macs: backbone + head_macs(config, &sizes),
        auxiliary_macs: auxiliary_macs(config, &sizes),
    })
}

fn head_macs(config: &HfConfig, sizes: &[[usize; 2]]) -> u64 {
    let in_channels = config.backbone.out_channels();
    let hidden = config.hidden_size;
    let (Some((&coarsest, finer)), Some(&top), Some(&finest)) =
        (in_channels.split_last(), sizes.last(), sizes.first())
    else {
        return 0;
    };
    let cells = |size: [usize; 2]| product(&size);
    let pooled: u64 = config
        .pool_scales
        .iter()
        .map(|&scale| product(&[scale, scale]))
        .sum();
    let mut macs = pooled * product(&[coarsest, hidden]);
    macs += cells(top) * product(&[9, coarsest + config.pool_scales.len() * hidden, hidden]);
    for (&channels, &size) in finer.iter().zip(sizes) {
        macs += cells(size) * (product(&[channels, hidden]) + product(&[9, hidden, hidden]));
    }
    let fused = in_channels.len() * hidden;
    macs + cells(finest) * (product(&[9, fused, hidden]) + product(&[hidden, config.num_labels()]))
}

fn auxiliary_macs(config: &HfConfig, sizes: &[[usize; 2]]) -> u64 {
    let (Some(in_channels), Some(&size)) = (config.auxiliary_input_channels(), sizes.get(2)) else {
        return 0;
    };
    let channels = config.auxiliary_channels;
    let mut per_cell = product(&[channels, config.num_labels()]);
    for index in 0..config.auxiliary_num_convs {
        per_cell += product(&[9, if index == 0 { in_channels } else { channels }, channels]);
    }
    if config.auxiliary_concat_input {
        per_cell += product(&[9, in_channels + channels, channels]);
    }
    product(&size) * per_cell
}
