//! DINOv3's ConvNeXt by the shapes of its tensors.

use upernet_hf::config::{HfBackboneConfig, HfDinov3ConvNextConfig};

use super::{Inferred, Shapes, depths};

/// The first stage's way in is the stem; its maps have no norms that would tell which are returned.
pub(super) fn infer(shapes: &Shapes) -> Result<Inferred<HfBackboneConfig>, String> {
    let block = |stage: usize, block: usize| {
        format!("backbone.stages.{stage}.layers.{block}.depthwise_conv.weight")
    };
    let depths = depths(shapes, block)?;
    let stem = "backbone.stages.0.downsample_layers.0.weight";
    let [_, num_channels, patch_size, _] = shapes.get::<4>(stem)?;
    if patch_size != HfDinov3ConvNextConfig::PATCH_SIZE {
        return Err(format!(
            "{stem} has patches of {patch_size} x {patch_size}, not of 4 x 4"
        ));
    }
    let hidden_sizes = (0..depths.len()).map(|stage| {
        let [channels, ..] = shapes.get::<4>(&block(stage, 0))?;
        Ok(channels)
    });
    let hidden_sizes = hidden_sizes.collect::<Result<Vec<_>, String>>()?;
    let config = HfDinov3ConvNextConfig {
        num_channels,
        hidden_sizes,
        out_stages: (1..=depths.len()).collect(),
        depths,
        ..HfDinov3ConvNextConfig::default()
    };
    let assumed = vec![
        format!("layer_norm_eps {:e}", config.layer_norm_eps),
        format!("drop_path_rate {}", config.drop_path_rate),
    ];
    Ok(Inferred {
        config: HfBackboneConfig::Dinov3ConvNext(config),
        assumed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: &str = "backbone.stages.0.layers.0.depthwise_conv.weight";
    const STEM: &str = "backbone.stages.0.downsample_layers.0.weight";

    fn found(shapes: &[(&str, &[usize])]) -> Result<HfDinov3ConvNextConfig, String> {
        let found = super::super::super::backbone(&Shapes::new(shapes))?;
        match found.config {
            HfBackboneConfig::Dinov3ConvNext(config) => Ok(config),
            other => panic!("{} is no ConvNeXt of DINOv3", other.model_type()),
        }
    }

    #[test]
    fn one_of_one_stage_is_read_off() {
        let config = found(&[(BLOCK, &[12, 1, 7, 7]), (STEM, &[12, 5, 4, 4])]).expect("bounded");
        assert_eq!((config.num_channels, config.hidden_sizes), (5, vec![12]));
        assert_eq!((config.depths, config.out_stages), (vec![1], vec![1]));
    }

    #[test]
    fn what_it_has_not_is_said() {
        let problem = found(&[(BLOCK, &[12, 1, 7, 7])]).expect_err("no stem");
        assert!(problem.contains(STEM), "{problem}");
        let patches: &[usize] = &[12, 5, 8, 8];
        let problem = found(&[(BLOCK, &[12, 1, 7, 7]), (STEM, patches)]).expect_err("larger ones");
        assert!(problem.contains("8 x 8, not of 4 x 4"), "{problem}");
        let huge: &[usize] = &[usize::MAX, 1, 7, 7];
        let problem = found(&[(BLOCK, huge), (STEM, &[12, 5, 4, 4])]).expect_err("unbounded");
        assert!(problem.contains("hidden_sizes"), "{problem}");
    }
}
