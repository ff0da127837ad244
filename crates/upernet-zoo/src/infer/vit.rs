//! Plain transformers by the shapes of their tensors: ViT, DINOv2 and DINOv3.

use upernet_hf::config::{
    HfBackboneConfig, HfDinov2Config, HfDinov3VitConfig, HfGateActivation, HfNeck, HfVitConfig,
    HfVitOutputNorm,
};

use super::{Inferred, Shapes};
use crate::Dialect;

const POSITIONS: &str = "backbone.embeddings.position_embeddings";
const REGISTERS: &str = "backbone.embeddings.register_tokens";
const MASK_TOKEN: &str = "backbone.embeddings.mask_token";
const PYRAMID: &str = "backbone.neck.fpn2.weight";
const MULTI_LEVEL: &str = "backbone.neck.convs.0.weight";
const FINAL_NORM: &str = "backbone.layernorm.weight";

/// Heads of the published models, by their channels.
const VIT_HEADS: [(usize, usize); 5] = [(192, 3), (384, 6), (768, 12), (1024, 16), (1280, 16)];
const DINOV2_HEADS: [(usize, usize); 4] = [(384, 6), (768, 12), (1024, 16), (1536, 24)];
const DINOV3_HEADS: [(usize, usize); 6] = [
    (192, 3),
    (384, 6),
    (768, 12),
    (1024, 16),
    (1280, 20),
    (4096, 32),
];

/// Of the norms of a ViT in the code of all who train one. Hugging Face's default, 1e-12, is another.
const VIT_EPS: f64 = 1e-6;

/// The plain transformers that are told apart here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plain {
    Vit,
    Dinov2,
    Dinov3,
}

/// Which one these are of, once it is known that they are no BEiT's.
pub(super) fn which(shapes: &Shapes) -> Option<Plain> {
    let kinds = [
        ("backbone.layer.0.layer_scale1.lambda1", Plain::Dinov3),
        (
            "backbone.encoder.layer.0.layer_scale1.lambda1",
            Plain::Dinov2,
        ),
        (
            "backbone.encoder.layer.0.layernorm_before.weight",
            Plain::Vit,
        ),
    ];
    let kind = kinds.iter().find(|(key, _)| shapes.has(key));
    kind.map(|(_, kind)| *kind)
}

/// With the maps of the ends of four quarters of the layers, since no tensor tells which.
pub(super) fn infer(shapes: &Shapes, kind: Plain) -> Result<Inferred<HfBackboneConfig>, String> {
    let found = match kind {
        Plain::Vit => vit(shapes)?,
        Plain::Dinov2 => dinov2(shapes)?,
        Plain::Dinov3 => dinov3(shapes)?,
    };
    let config = found.config.with_all_stages();
    let mut assumed = vec![format!("out_indices {:?}", config.out_stages())];
    assumed.extend(found.assumed);
    Ok(Inferred { config, assumed })
}

/// A ViT on its own has no neck, and begins under our feature pyramid, as one with a `config.json` does.
pub(super) fn with_usual_neck(config: HfBackboneConfig) -> HfBackboneConfig {
    match config {
        HfBackboneConfig::Vit(vit) => HfBackboneConfig::Vit(HfVitConfig {
            neck: vit.neck.or(HfVitConfig::default().neck),
            ..vit
        }),
        other => other,
    }
}

fn vit(shapes: &Shapes) -> Result<Inferred<HfBackboneConfig>, String> {
    let layer = |index: usize, rest: &str| format!("backbone.encoder.layer.{index}.{rest}");
    let patches = Patches::of(
        "backbone.embeddings.patch_embeddings.projection.weight",
        shapes,
    )?;
    let [intermediate_size, _] = shapes.get::<2>(&layer(0, "intermediate.dense.weight"))?;
    let config = HfVitConfig {
        num_channels: patches.num_channels,
        image_size: patches.image_size(shapes)?,
        patch_size: patches.size,
        hidden_size: patches.hidden_size,
        intermediate_size,
        num_hidden_layers: shapes.count(|index| layer(index, "layernorm_before.weight")),
        num_attention_heads: patches.heads(&VIT_HEADS)?,
        qkv_bias: shapes.has(&layer(0, "attention.attention.query.bias")),
        layer_norm_eps: VIT_EPS,
        apply_layernorm: output_norm(shapes),
        pad_to_patches: is_mmsegmentations(shapes),
        neck: neck(shapes)?,
        ..HfVitConfig::default()
    };
    let mut assumed = assumed(config.num_attention_heads, VIT_EPS);
    if config.apply_layernorm == HfVitOutputNorm::Last {
        assumed.push("apply_layernorm last".to_owned());
    }
    if config.pad_to_patches {
        assumed.push("pad_to_patches true".to_owned());
    }
    Ok(Inferred {
        config: HfBackboneConfig::Vit(config),
        assumed,
    })
}

fn dinov2(shapes: &Shapes) -> Result<Inferred<HfBackboneConfig>, String> {
    let layer = |index: usize, rest: &str| format!("backbone.encoder.layer.{index}.{rest}");
    let patches = Patches::of(
        "backbone.embeddings.patch_embeddings.projection.weight",
        shapes,
    )?;
    let gate = layer(0, "mlp.weights_out.weight");
    let use_swiglu_ffn = shapes.has(&gate);
    let last = if use_swiglu_ffn {
        gate
    } else {
        layer(0, "mlp.fc2.weight")
    };
    let [_, inner] = shapes.get::<2>(&last)?;
    let default = HfDinov2Config::default();
    let mut config = HfDinov2Config {
        num_channels: patches.num_channels,
        image_size: patches.image_size(shapes)?,
        patch_size: patches.size,
        hidden_size: patches.hidden_size,
        num_hidden_layers: shapes.count(|index| layer(index, "norm1.weight")),
        num_attention_heads: patches.heads(&DINOV2_HEADS)?,
        use_swiglu_ffn,
        qkv_bias: shapes.has(&layer(0, "attention.attention.query.bias")),
        use_mask_token: shapes.has(MASK_TOKEN),
        num_register_tokens: shapes
            .has(REGISTERS)
            .then(|| registers(shapes))
            .transpose()?,
        neck: neck(shapes)?,
        ..default
    };
    // The ratio of all published models, if it leads to these channels.
    if config.intermediate_size() != inner {
        let ratio = super::backbone::ratio(inner, patches.hidden_size);
        config.mlp_ratio = if use_swiglu_ffn { 1.5 * ratio } else { ratio };
    }
    if config.intermediate_size() != inner {
        return Err(format!(
            "{last} is for {inner} channels, which no `mlp_ratio` of a gated perceptron makes"
        ));
    }
    let assumed = assumed(config.num_attention_heads, config.layer_norm_eps);
    Ok(Inferred {
        config: HfBackboneConfig::Dinov2(config),
        assumed,
    })
}

fn dinov3(shapes: &Shapes) -> Result<Inferred<HfBackboneConfig>, String> {
    let layer = |index: usize, rest: &str| format!("backbone.layer.{index}.{rest}");
    let patches = Patches::of("backbone.embeddings.patch_embeddings.weight", shapes)?;
    let [intermediate_size, _] = shapes.get::<2>(&layer(0, "mlp.up_proj.weight"))?;
    let use_gated_mlp = shapes.has(&layer(0, "mlp.gate_proj.weight"));
    let has_bias = |of: &str| shapes.has(&layer(0, &format!("{of}.bias")));
    let config = HfDinov3VitConfig {
        num_channels: patches.num_channels,
        patch_size: patches.size,
        hidden_size: patches.hidden_size,
        intermediate_size,
        num_hidden_layers: shapes.count(|index| layer(index, "norm1.weight")),
        num_attention_heads: patches.heads(&DINOV3_HEADS)?,
        hidden_act: if use_gated_mlp {
            HfGateActivation::Silu
        } else {
            HfGateActivation::Gelu
        },
        use_gated_mlp,
        query_bias: has_bias("attention.q_proj"),
        key_bias: has_bias("attention.k_proj"),
        value_bias: has_bias("attention.v_proj"),
        proj_bias: has_bias("attention.o_proj"),
        mlp_bias: has_bias("mlp.up_proj"),
        num_register_tokens: registers(shapes)?,
        neck: neck(shapes)?,
        ..HfDinov3VitConfig::default()
    };
    let mut assumed = assumed(config.num_attention_heads, config.layer_norm_eps);
    assumed.push(format!("rope_theta {}", config.rope_theta));
    Ok(Inferred {
        config: HfBackboneConfig::Dinov3Vit(config),
        assumed,
    })
}

/// Our necks, by their first tensors; as wide as the maps that they make.
fn neck(shapes: &Shapes) -> Result<Option<HfNeck>, String> {
    if shapes.has(PYRAMID) {
        return Ok(Some(HfNeck::FeaturePyramid));
    }
    if !shapes.has(MULTI_LEVEL) {
        return Ok(None);
    }
    let [channels, ..] = shapes.get::<4>(MULTI_LEVEL)?;
    Ok(Some(HfNeck::MultiLevel { channels }))
}

/// Of mmsegmentation's ViT the map of the last layer alone has the norm, if there is one.
fn output_norm(shapes: &Shapes) -> HfVitOutputNorm {
    match (shapes.has(FINAL_NORM), is_mmsegmentations(shapes)) {
        (false, _) => HfVitOutputNorm::Never,
        (true, true) => HfVitOutputNorm::Last,
        (true, false) => HfVitOutputNorm::Every,
    }
}

/// By the names or, once they are the hub's, by the neck.
fn is_mmsegmentations(shapes: &Shapes) -> bool {
    shapes.dialect() == Dialect::MmSegmentation || shapes.has(MULTI_LEVEL)
}

fn assumed(heads: usize, eps: f64) -> Vec<String> {
    vec![
        format!("num_attention_heads {heads}"),
        format!("layer_norm_eps {eps:e}"),
    ]
}

/// Registers; a file of a network without any may hold a tensor without values, or none.
fn registers(shapes: &Shapes) -> Result<usize, String> {
    if !shapes.has(REGISTERS) {
        return Ok(0);
    }
    let [_, registers, _] = shapes.get::<3>(REGISTERS)?;
    Ok(registers)
}

/// What the embedding of patches tells.
#[derive(Clone, Copy, Debug)]
struct Patches {
    hidden_size: usize,
    num_channels: usize,
    size: usize,
}

impl Patches {
    fn of(key: &str, shapes: &Shapes) -> Result<Self, String> {
        let [hidden_size, num_channels, size, _] = shapes.get::<4>(key)?;
        Ok(Self {
            hidden_size,
            num_channels,
            size,
        })
    }

    /// Side of the image that positions were learned on: one for each patch, after the class token's.
    fn image_size(self, shapes: &Shapes) -> Result<usize, String> {
        let [_, positions, _] = shapes.get::<3>(POSITIONS)?;
        let patches = positions.saturating_sub(1);
        let side = patches.isqrt();
        if side * side != patches {
            return Err(format!(
                "{POSITIONS} has {positions} rows, not those of a class token and a square of patches"
            ));
        }
        Ok(side.saturating_mul(self.size))
    }

    fn heads(self, published: &[(usize, usize)]) -> Result<usize, String> {
        let row = published.iter().find(|row| row.0 == self.hidden_size);
        row.map(|row| row.1).ok_or_else(|| {
            format!(
                "no tensor says how many heads its layers of {} channels have \
                 (`num_attention_heads`), and no published model is so wide",
                self.hidden_size
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROJECTION: &str = "backbone.embeddings.patch_embeddings.projection.weight";

    fn found(shapes: &[(&str, &[usize])]) -> Result<HfBackboneConfig, String> {
        let found = super::super::backbone(&Shapes::new(shapes))?;
        Ok(found.config)
    }

    fn a_dinov2(
        positions: usize,
        width: usize,
        gate: Option<usize>,
    ) -> Result<HfDinov2Config, String> {
        let (positions, patches) = ([1, positions, width], [width, 5, 8, 8]);
        let (plain, gated) = ([width, 2 * width], [width, gate.unwrap_or_default()]);
        let mut shapes: Vec<(&str, &[usize])> = vec![
            (PROJECTION, &patches),
            (POSITIONS, &positions),
            ("backbone.encoder.layer.0.norm1.weight", &[7]),
            ("backbone.encoder.layer.0.layer_scale1.lambda1", &[7]),
            (REGISTERS, &[1, 3, 7]),
        ];
        if gate.is_some() {
            shapes.push(("backbone.encoder.layer.0.mlp.weights_out.weight", &gated));
        } else {
            shapes.push(("backbone.encoder.layer.0.mlp.fc2.weight", &plain));
        }
        match found(&shapes)? {
            HfBackboneConfig::Dinov2(config) => Ok(config),
            other => panic!("{} is no DINOv2", other.model_type()),
        }
    }

    #[test]
    fn a_dinov2_of_one_layer_is_read_off() {
        let config = a_dinov2(10, 384, None).expect("bounded");
        assert_eq!(
            (config.image_size, config.patch_size, config.num_channels),
            (24, 8, 5)
        );
        assert_eq!(
            (config.num_attention_heads, config.intermediate_size()),
            (6, 768)
        );
        assert_eq!(
            (config.num_register_tokens, config.out_stages),
            (Some(3), vec![1])
        );
        assert!(!config.qkv_bias && !config.use_swiglu_ffn);
    }

    #[test]
    fn a_gated_dinov2_has_the_channels_of_its_tensors() {
        for (width, inner, ratio) in [(1536, 4096, 4.0), (384, 1024, 4.0), (384, 512, 2.0)] {
            let config = a_dinov2(10, width, Some(inner)).expect("bounded");
            assert!(config.use_swiglu_ffn);
            assert_eq!(config.intermediate_size(), inner, "{width}");
            assert!(
                (config.mlp_ratio - ratio).abs() < 0.03,
                "{}",
                config.mlp_ratio
            );
        }
        let odd = a_dinov2(10, 384, Some(515)).expect_err("a multiple of 8");
        assert!(odd.contains("515 channels"), "{odd}");
    }

    /// A key, and how long each axis is.
    type Shape = (&'static str, &'static [usize]);

    fn a_vit(more: &[Shape], dialect: Dialect) -> HfVitConfig {
        let mut shapes: Vec<Shape> = vec![
            (PROJECTION, &[384, 3, 8, 8]),
            (POSITIONS, &[1, 10, 384]),
            ("backbone.encoder.layer.0.layernorm_before.weight", &[384]),
            (
                "backbone.encoder.layer.0.intermediate.dense.weight",
                &[20, 384],
            ),
            (
                "backbone.encoder.layer.0.attention.attention.key.bias",
                &[384],
            ),
        ];
        shapes.extend(more);
        let shapes = Shapes::new(&shapes).of_dialect(dialect);
        match infer(&shapes, Plain::Vit).map(|found| found.config) {
            Ok(HfBackboneConfig::Vit(config)) => config,
            other => panic!("{other:?} is no ViT"),
        }
    }

    #[test]
    fn a_neck_and_the_final_norm_of_a_vit_are_read_off() {
        let norm: Shape = (FINAL_NORM, &[384]);
        let pyramid: Shape = (PYRAMID, &[384, 384, 2, 2]);
        let multi_level: Shape = (MULTI_LEVEL, &[96, 96, 3, 3]);
        let channels = HfNeck::MultiLevel { channels: 96 };
        for (more, neck, output_norm) in [
            (vec![], None, HfVitOutputNorm::Never),
            (vec![norm], None, HfVitOutputNorm::Every),
            (
                vec![norm, pyramid],
                Some(HfNeck::FeaturePyramid),
                HfVitOutputNorm::Every,
            ),
            (vec![multi_level], Some(channels), HfVitOutputNorm::Never),
            (
                vec![norm, multi_level],
                Some(channels),
                HfVitOutputNorm::Last,
            ),
        ] {
            let found = a_vit(&more, Dialect::Hub);
            assert_eq!((found.neck, found.apply_layernorm), (neck, output_norm));
            let is_mmsegmentations = neck == Some(channels);
            assert_eq!(found.pad_to_patches, is_mmsegmentations);
        }
        let without_neck = a_vit(&[norm], Dialect::MmSegmentation);
        assert_eq!(without_neck.apply_layernorm, HfVitOutputNorm::Last);
        assert!(without_neck.pad_to_patches);
        let alone = with_usual_neck(HfBackboneConfig::Vit(a_vit(&[norm], Dialect::Timm)));
        assert_eq!(alone.neck(), Some(HfNeck::FeaturePyramid));
        let broken = Shapes::new(&[(MULTI_LEVEL, &[96])]);
        let problem = neck(&broken).expect_err("a vector");
        assert!(problem.contains("not of 4 axes"), "{problem}");
    }

    #[test]
    fn what_no_published_model_has_is_said() {
        for (positions, width, part) in [
            (9, 384, "9 rows"),
            (0, 384, "image_size"),
            (usize::MAX, 384, "rows"),
            (10, 100, "how many heads its layers of 100 channels"),
        ] {
            let problem = a_dinov2(positions, width, None).expect_err(part);
            assert!(problem.contains(part), "{problem}");
        }
    }
}
