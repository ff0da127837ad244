//! Backbones by the shapes of their tensors.

mod dinov3_convnext;
mod pvt_v2;
mod swinv2;

use upernet_hf::config::{
    HfBackboneConfig, HfConvNextConfig, HfConvNextV2Config, HfResNetConfig, HfResNetLayerType,
    HfSwinConfig,
};

use super::{Inferred, Shapes};

/// Stages that are looked at; the reader of configurations allows fewer.
const MAX_STAGES: usize = 16;
/// Channels whose multiples still fit a number; the reader of configurations allows fewer.
const MAX_CHANNELS: usize = 1 << 20;

/// Keys by which a family is known, the most telling first.
const FAMILIES: [(&str, &str); 7] = [
    (".blocks.0.attention.self.logit_scale", "swinv2"),
    (
        ".blocks.0.attention.self.relative_position_bias_table",
        "swin",
    ),
    (".layers.0.grn.weight", "convnextv2"),
    (".layers.0.dwconv.weight", "convnext"),
    (".layers.0.depthwise_conv.weight", "dinov3_convnext"),
    (".layers.0.layer.0.convolution.weight", "resnet"),
    (".blocks.0.mlp.dwconv.dwconv.weight", "pvt_v2"),
];

/// The backbone, with the maps whose norms are there, or all of them.
pub(super) fn infer(shapes: &Shapes) -> Result<Inferred<HfBackboneConfig>, String> {
    if super::beit::is_beit(shapes) {
        return super::beit::infer(shapes);
    }
    if let Some(kind) = super::vit::which(shapes) {
        return super::vit::infer(shapes, kind);
    }
    let first_stage = [
        "backbone.encoder.layers.0",
        "backbone.encoder.stages.0",
        "backbone.stages.0",
    ];
    let has = |end: &str| {
        first_stage
            .iter()
            .any(|start| shapes.has(&format!("{start}{end}")))
    };
    let family = FAMILIES
        .iter()
        .find(|(end, _)| has(end))
        .map(|(_, family)| *family);
    match family {
        Some("swin") => swin(shapes),
        Some("convnext") => convnext(shapes),
        Some("convnextv2") => convnext(shapes).map(second),
        Some("dinov3_convnext") => dinov3_convnext::infer(shapes),
        Some("resnet") => resnet(shapes),
        Some("pvt_v2") => pvt_v2::infer(shapes),
        Some(_) => swinv2::infer(shapes),
        None => Err("no backbone is recognised".to_owned()),
    }
}

fn swin(shapes: &Shapes) -> Result<Inferred<HfBackboneConfig>, String> {
    let block =
        |stage: usize, block: usize| format!("backbone.encoder.layers.{stage}.blocks.{block}");
    let depths = depths(shapes, |stage, index| {
        format!("{}.layernorm_before.weight", block(stage, index))
    })?;
    let projection = "backbone.embeddings.patch_embeddings.projection.weight";
    let [embed_dim, num_channels, patch_size, _] = shapes.get::<4>(projection)?;
    if embed_dim > MAX_CHANNELS {
        return Err(format!("{projection} has {embed_dim} channels"));
    }
    let mut window_size = None;
    let mut num_heads = Vec::new();
    for stage in 0..depths.len() {
        let key = format!(
            "{}.attention.self.relative_position_bias_table",
            block(stage, 0)
        );
        let [rows, heads] = shapes.get::<2>(&key)?;
        num_heads.push(heads);
        // A table has (2 w - 1)^2 rows.
        let side = rows.isqrt();
        if side * side != rows || side % 2 == 0 {
            return Err(format!("{key} has {rows} rows, which no window makes"));
        }
        let window = side.div_ceil(2);
        if *window_size.get_or_insert(window) != window {
            return Err(format!(
                "its stages have windows of different sides ({} and {window}), which Hugging Face's \
                 Swin has not",
                window_size.unwrap_or_default()
            ));
        }
    }
    let hidden_key = format!("{}.intermediate.dense.weight", block(0, 0));
    let [hidden, channels] = shapes.get::<2>(&hidden_key)?;
    let default = HfSwinConfig::default();
    let positions = "backbone.embeddings.position_embeddings";
    let use_absolute_embeddings = shapes.has(positions);
    let image_size = if use_absolute_embeddings {
        let [_, cells, _] = shapes.get::<3>(positions)?;
        let side = cells.isqrt();
        if side * side != cells {
            return Err(format!(
                "{positions} has {cells} cells, which are no square"
            ));
        }
        side.saturating_mul(patch_size)
    } else {
        default.image_size
    };
    let config = HfSwinConfig {
        image_size,
        patch_size,
        num_channels,
        embed_dim,
        num_heads,
        window_size: window_size.unwrap_or(default.window_size),
        mlp_ratio: ratio(hidden, channels),
        qkv_bias: shapes.has(&format!("{}.attention.self.query.bias", block(0, 0))),
        use_absolute_embeddings,
        out_stages: out_stages(shapes, depths.len()),
        depths,
        ..default
    };
    let assumed = vec![
        format!("layer_norm_eps {}", config.layer_norm_eps),
        format!("drop_path_rate {}", config.drop_path_rate),
    ];
    Ok(Inferred {
        config: HfBackboneConfig::Swin(config),
        assumed,
    })
}

fn convnext(shapes: &Shapes) -> Result<Inferred<HfBackboneConfig>, String> {
    let block =
        |stage: usize, block: usize| format!("backbone.encoder.stages.{stage}.layers.{block}");
    let depths = depths(shapes, |stage, index| {
        format!("{}.dwconv.weight", block(stage, index))
    })?;
    let patches = "backbone.embeddings.patch_embeddings.weight";
    let [_, num_channels, patch_size, _] = shapes.get::<4>(patches)?;
    let hidden_sizes = (0..depths.len()).map(|stage| {
        let [channels, ..] = shapes.get::<4>(&format!("{}.dwconv.weight", block(stage, 0)))?;
        Ok(channels)
    });
    let hidden_sizes = hidden_sizes.collect::<Result<Vec<_>, String>>()?;
    let default = HfConvNextConfig::default();
    let has_scale = shapes.has(&format!("{}.layer_scale_parameter", block(0, 0)));
    let config = HfConvNextConfig {
        num_channels,
        patch_size,
        hidden_sizes,
        layer_scale_init_value: if has_scale {
            default.layer_scale_init_value
        } else {
            0.0
        },
        out_stages: out_stages(shapes, depths.len()),
        depths,
        ..default
    };
    let assumed = vec![format!("drop_path_rate {}", config.drop_path_rate)];
    Ok(Inferred {
        config: HfBackboneConfig::ConvNext(config),
        assumed,
    })
}

/// The second version of a `ConvNeXt`, which has the same stages.
fn second(first: Inferred<HfBackboneConfig>) -> Inferred<HfBackboneConfig> {
    let config = match first.config {
        HfBackboneConfig::ConvNext(first) => HfBackboneConfig::ConvNextV2(HfConvNextV2Config {
            num_channels: first.num_channels,
            patch_size: first.patch_size,
            hidden_sizes: first.hidden_sizes,
            depths: first.depths,
            drop_path_rate: first.drop_path_rate,
            initializer_range: first.initializer_range,
            out_stages: first.out_stages,
        }),
        other => other,
    };
    Inferred { config, ..first }
}

/// The multiple of `channels` that is `hidden` when it is truncated, as Hugging Face does; the channels of
/// later stages are twice as many each time, which no rounding changes.
pub(super) fn ratio(hidden: usize, channels: usize) -> f64 {
    let (hidden, channels) = (hidden as f64, channels.max(1) as f64);
    let ratio = hidden / channels;
    if ratio * channels < hidden {
        ratio.next_up()
    } else {
        ratio
    }
}

/// Strides are in no tensor: they are those of `ResNet` as everyone trains it today (v1.5).
fn resnet(shapes: &Shapes) -> Result<Inferred<HfBackboneConfig>, String> {
    let layer = |stage: usize, block: usize, layer: usize| {
        format!("backbone.encoder.stages.{stage}.layers.{block}.layer.{layer}.convolution.weight")
    };
    let depths = depths(shapes, |stage, block| layer(stage, block, 0))?;
    let stem = "backbone.embedder.embedder.convolution.weight";
    let [embedding_size, mut num_channels, side, _] = shapes.get::<4>(stem)?;
    let before = "backbone.embedder.stem.0.convolution.weight";
    let deep_stem = shapes.has(before);
    if deep_stem {
        [_, num_channels, _, _] = shapes.get::<4>(before)?;
    }
    let expected = if deep_stem { 3 } else { 7 };
    if side != expected {
        return Err(format!(
            "{stem} has cells of {side} x {side}, not of {expected} x {expected}"
        ));
    }
    let layers = shapes.count(|index| layer(0, 0, index));
    let layer_type = match layers {
        2 => HfResNetLayerType::Basic,
        3 => HfResNetLayerType::Bottleneck,
        _ => return Err(format!("its blocks have {layers} convolutions, not 2 or 3")),
    };
    let hidden_sizes = (0..depths.len()).map(|stage| {
        let [channels, ..] = shapes.get::<4>(&layer(stage, 0, layers - 1))?;
        Ok(channels)
    });
    let hidden_sizes = hidden_sizes.collect::<Result<Vec<_>, String>>()?;
    if layer_type == HfResNetLayerType::Bottleneck {
        let middle = layer(0, 0, 1);
        let [inner, inputs, ..] = shapes.get::<4>(&middle)?;
        let expected = hidden_sizes.first().copied().unwrap_or_default() / 4;
        if inputs != inner {
            return Err(format!(
                "{middle} is of a grouped convolution (of a ResNeXt), which Hugging Face's ResNet has not"
            ));
        }
        if inner != expected {
            return Err(format!(
                "{middle} has {inner} channels, where Hugging Face's ResNet has {expected}, a quarter of \
                 the stage's (a wide ResNet has more)"
            ));
        }
    }
    let config = HfResNetConfig {
        num_channels,
        embedding_size,
        deep_stem,
        hidden_sizes,
        layer_type,
        out_stages: (1..=depths.len()).collect(),
        depths,
        ..HfResNetConfig::default()
    };
    let assumed = [
        "hidden_act relu",
        "downsample_in_bottleneck false",
        "no dilation and no blurring",
    ];
    let assumed = assumed.map(str::to_owned);
    Ok(Inferred {
        config: HfBackboneConfig::ResNet(config),
        assumed: assumed.to_vec(),
    })
}

/// Blocks of each stage, by a key that every block has.
fn depths(shapes: &Shapes, key: impl Fn(usize, usize) -> String) -> Result<Vec<usize>, String> {
    let stages = shapes.count(|stage| key(stage, 0));
    match stages {
        0 => Err(format!("there is no {}", key(0, 0))),
        1..=MAX_STAGES => Ok((0..stages)
            .map(|stage| shapes.count(|block| key(stage, block)))
            .collect()),
        _ => Err(format!("it has {stages} stages")),
    }
}

/// The stages whose maps have a norm, from 1; all if none has.
fn out_stages(shapes: &Shapes, stages: usize) -> Vec<usize> {
    let norm =
        |stage: &usize| shapes.has(&format!("backbone.hidden_states_norms.stage{stage}.weight"));
    let normed: Vec<usize> = (1..=stages).filter(norm).collect();
    if normed.is_empty() {
        (1..=stages).collect()
    } else {
        normed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEM: &str = "backbone.embeddings.patch_embeddings.projection.weight";
    const NORM: &str = "backbone.encoder.layers.0.blocks.0.layernorm_before.weight";
    const TABLE: &str =
        "backbone.encoder.layers.0.blocks.0.attention.self.relative_position_bias_table";
    const HIDDEN: &str = "backbone.encoder.layers.0.blocks.0.intermediate.dense.weight";

    fn problem(shapes: &[(&str, &[usize])]) -> String {
        match super::super::backbone(&Shapes::new(shapes)) {
            Ok(inferred) => panic!("{:?} was taken", inferred.config),
            Err(problem) => problem,
        }
    }

    #[test]
    fn a_swin_of_one_stage_is_read_off() {
        let shapes = Shapes::new(&[
            (STEM, &[12, 3, 4, 4]),
            (NORM, &[12]),
            (TABLE, &[25, 2]),
            (HIDDEN, &[24, 12]),
        ]);
        let HfBackboneConfig::Swin(swin) = super::super::backbone(&shapes).expect("bounded").config
        else {
            panic!("it is a Swin");
        };
        assert_eq!(
            (swin.embed_dim, swin.window_size, swin.patch_size),
            (12, 3, 4)
        );
        assert_eq!(
            (swin.depths, swin.num_heads, swin.out_stages),
            (vec![1], vec![2], vec![1])
        );
        assert!(!swin.qkv_bias && (swin.mlp_ratio - 2.0).abs() < 1e-12);
    }

    #[test]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "as Hugging Face truncates"
    )]
    fn a_ratio_truncates_to_the_width_it_comes_from() {
        for channels in 1..200 {
            for hidden in 1..=4 * channels {
                let found = ratio(hidden, channels);
                assert_eq!(
                    (found * channels as f64) as usize,
                    hidden,
                    "{hidden} / {channels}"
                );
                assert_eq!((found * 8.0 * channels as f64) as usize, 8 * hidden);
            }
        }
    }

    #[test]
    fn a_resnets_blocks_tell_its_kind() {
        const STEM: (&str, &[usize]) = (
            "backbone.embedder.embedder.convolution.weight",
            &[8, 3, 7, 7],
        );
        let keys = [0, 1, 2].map(|layer| {
            format!("backbone.encoder.stages.0.layers.0.layer.{layer}.convolution.weight")
        });
        let basic: [&[usize]; 2] = [&[12, 8, 3, 3], &[12, 12, 3, 3]];
        let bottleneck: [&[usize]; 3] = [&[3, 8, 1, 1], &[3, 3, 3, 3], &[12, 3, 1, 1]];
        for (layers, kind) in [
            (&basic[..], HfResNetLayerType::Basic),
            (&bottleneck[..], HfResNetLayerType::Bottleneck),
        ] {
            let layers = keys.iter().map(String::as_str).zip(layers.iter().copied());
            let shapes: Vec<_> = layers.chain([STEM]).collect();
            let found = super::super::backbone(&Shapes::new(&shapes)).expect("bounded");
            let HfBackboneConfig::ResNet(resnet) = found.config else {
                panic!("it is a ResNet");
            };
            assert_eq!((resnet.layer_type, resnet.embedding_size), (kind, 8));
            assert_eq!((resnet.hidden_sizes, resnet.depths), (vec![12], vec![1]));
        }
        for (middle, part) in [
            ([6, 3, 3, 3], "grouped"),
            (
                [6, 6, 3, 3],
                "6 channels, where Hugging Face's ResNet has 3",
            ),
        ] {
            let found = problem(&[
                STEM,
                (&keys[0], bottleneck[0]),
                (&keys[1], &middle),
                (&keys[2], bottleneck[2]),
            ]);
            assert!(found.contains(part), "{part} is not in {found}");
        }
        let one = problem(&[STEM, (&keys[0], &[12, 8, 3, 3])]);
        assert!(one.contains("1 convolutions"), "{one}");
        let wide = problem(&[
            (
                "backbone.embedder.embedder.convolution.weight",
                &[8, 3, 3, 3],
            ),
            (&keys[0], &[12, 8, 3, 3]),
        ]);
        assert!(wide.contains("3 x 3, not of 7 x 7"), "{wide}");
    }

    #[test]
    fn hostile_shapes_are_refused_before_anything_is_built() {
        let huge = usize::MAX;
        for (stem, table, hidden, part) in [
            ([huge, 3, 4, 4], [25, 2], [24, 12], "channels"),
            ([70_000, 3, 4, 4], [25, 2], [24, 12], "embed_dim"),
            ([12, huge, 4, 4], [25, 2], [24, 12], "num_channels"),
            ([12, 3, 5000, 4], [25, 2], [24, 12], "patch_size"),
            ([12, 3, 4, 4], [24, 2], [24, 12], "24 rows"),
            ([12, 3, 4, 4], [huge, 2], [24, 12], "rows"),
            ([12, 3, 4, 4], [999 * 999, 2], [24, 12], "window_size"),
            ([12, 3, 4, 4], [25, 0], [24, 12], "num_heads"),
            ([12, 3, 4, 4], [25, 5], [24, 12], "not divisible by 5 heads"),
            ([12, 3, 4, 4], [25, 2], [huge, 1], "mlp_ratio"),
            ([0, 3, 4, 4], [25, 2], [24, 12], "embed_dim"),
        ] {
            let found = problem(&[
                (STEM, &stem),
                (NORM, &[12]),
                (TABLE, &table),
                (HIDDEN, &hidden),
            ]);
            assert!(found.contains(part), "{part} is not in {found}");
        }
        let found = problem(&[(NORM, &[12]), (TABLE, &[25, 2])]);
        assert!(found.contains(STEM), "{found}");
        assert_eq!(
            problem(&[("backbone.surprise", &[1])]),
            "no backbone is recognised"
        );
    }
}
