//! PVTv2 by the shapes of its tensors.

use upernet_hf::config::{HfBackboneConfig, HfPvtV2Config};

use super::{Inferred, Shapes, depths};

/// Two things are in no tensor and follow from the rules of all published ones: patches of `2 s - 1` cells
/// overlap at a stride of `s`, and heads have in all stages the channels of the first stage.
pub(super) fn infer(shapes: &Shapes) -> Result<Inferred<HfBackboneConfig>, String> {
    let stage = |stage: usize| format!("backbone.encoder.layers.{stage}");
    let block = |index: usize, block: usize| format!("{}.blocks.{block}", stage(index));
    let depths = depths(shapes, |stage, index| {
        format!("{}.layer_norm_1.weight", block(stage, index))
    })?;
    let mut config = HfPvtV2Config {
        hidden_sizes: Vec::new(),
        patch_sizes: Vec::new(),
        strides: Vec::new(),
        sr_ratios: Vec::new(),
        num_attention_heads: Vec::new(),
        mlp_ratios: Vec::new(),
        qkv_bias: shapes.has(&format!("{}.attention.query.bias", block(0, 0))),
        out_stages: (1..=depths.len()).collect(),
        ..HfPvtV2Config::default()
    };
    let mut reduced = 0;
    for index in 0..depths.len() {
        let key = format!("{}.patch_embedding.proj.weight", stage(index));
        let [channels, inputs, size, _] = shapes.get::<4>(&key)?;
        if index == 0 {
            config.num_channels = inputs;
        }
        let width = config.hidden_sizes.first().copied().unwrap_or(channels);
        if width == 0 || channels % width != 0 {
            return Err(format!(
                "{key} has {channels} channels, which are no heads of {width}: no tensor says how many \
                 heads it has (`num_attention_heads`)"
            ));
        }
        config.hidden_sizes.push(channels);
        config.num_attention_heads.push(channels / width);
        config.patch_sizes.push(size);
        config.strides.push(size.div_ceil(2));
        let key = format!("{}.mlp.dense1.weight", block(index, 0));
        let [hidden, channels] = shapes.get::<2>(&key)?;
        if channels == 0 || hidden % channels != 0 {
            return Err(format!(
                "{key} makes {hidden} channels of {channels}, which is no whole multiple"
            ));
        }
        config.mlp_ratios.push(hidden / channels);
        let key = format!("{}.attention.spatial_reduction.weight", block(index, 0));
        let ratio = if shapes.has(&key) {
            let [_, _, ratio, _] = shapes.get::<4>(&key)?;
            config.linear_attention |= ratio == 1;
            reduced += 1;
            ratio
        } else {
            1
        };
        config.sr_ratios.push(ratio);
    }
    if config.linear_attention && reduced < depths.len() {
        return Err(
            "some of its stages reduce their keys to averages and others do not".to_owned(),
        );
    }
    config.depths = depths;
    let list = |numbers: &[usize]| {
        let numbers: Vec<_> = numbers.iter().map(ToString::to_string).collect();
        numbers.join(", ")
    };
    let assumed = vec![
        format!("strides {}", list(&config.strides)),
        format!("num_attention_heads {}", list(&config.num_attention_heads)),
        format!("layer_norm_eps {}", config.layer_norm_eps),
        format!("drop_path_rate {}", config.drop_path_rate),
    ];
    Ok(Inferred {
        config: HfBackboneConfig::PvtV2(config),
        assumed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCHES: &str = "backbone.encoder.layers.0.patch_embedding.proj.weight";
    const NORM: &str = "backbone.encoder.layers.0.blocks.0.layer_norm_1.weight";
    const HIDDEN: &str = "backbone.encoder.layers.0.blocks.0.mlp.dense1.weight";
    const MARK: &str = "backbone.encoder.layers.0.blocks.0.mlp.dwconv.dwconv.weight";
    const REDUCTION: &str = "backbone.encoder.layers.0.blocks.0.attention.spatial_reduction.weight";

    fn found(
        patches: [usize; 4],
        hidden: [usize; 2],
        reduction: usize,
    ) -> Result<HfPvtV2Config, String> {
        let reduction = [patches[0], patches[0], reduction, reduction];
        let shapes = Shapes::new(&[
            (PATCHES, &patches),
            (NORM, &[patches[0]]),
            (HIDDEN, &hidden),
            (MARK, &[hidden[0], 1, 3, 3]),
            (REDUCTION, &reduction),
        ]);
        let inferred = crate::infer::backbone(&shapes)?;
        match inferred.config {
            HfBackboneConfig::PvtV2(config) => Ok(config),
            other => panic!("{other:?} is no PVTv2"),
        }
    }

    #[test]
    fn a_pvt_v2_of_one_stage_is_read_off() {
        let config = found([12, 5, 7, 7], [36, 12], 8).expect("bounded");
        assert_eq!((config.num_channels, config.hidden_sizes), (5, vec![12]));
        assert_eq!((config.patch_sizes, config.strides), (vec![7], vec![4]));
        assert_eq!((config.sr_ratios, config.mlp_ratios), (vec![8], vec![3]));
        assert_eq!(
            (config.depths, config.num_attention_heads),
            (vec![1], vec![1])
        );
        assert!(!config.linear_attention && !config.qkv_bias);
        let linear = found([12, 3, 7, 7], [36, 12], 1).expect("bounded");
        assert!(linear.linear_attention, "a reduction of one cell");
    }

    #[test]
    fn hostile_shapes_are_refused_before_anything_is_built() {
        for (patches, hidden, reduction, part) in [
            ([0, 3, 7, 7], [36, 12], 8, "no heads of 0"),
            ([70_000, 3, 7, 7], [36, 12], 8, "hidden_sizes"),
            ([12, usize::MAX, 7, 7], [36, 12], 8, "num_channels"),
            ([12, 3, 8, 8], [36, 12], 8, "patch_sizes"),
            ([12, 3, usize::MAX, 7], [36, 12], 8, "patch_sizes"),
            ([12, 3, 7, 7], [36, 0], 8, "no whole multiple"),
            ([12, 3, 7, 7], [usize::MAX, 1], 8, "mlp_ratios"),
            ([12, 3, 7, 7], [36, 12], usize::MAX, "sr_ratios"),
        ] {
            let problem = found(patches, hidden, reduction).expect_err(part);
            assert!(problem.contains(part), "{part} is not in {problem}");
        }
    }
}
