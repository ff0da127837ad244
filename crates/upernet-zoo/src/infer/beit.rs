//! BEiT by the shapes of its tensors.

use upernet_hf::config::{HfBackboneConfig, HfBeitConfig};

use super::{Inferred, Shapes};

const QUERY_BIAS: &str = "backbone.encoder.layer.0.attention.attention.query.bias";
const KEY_BIAS: &str = "backbone.encoder.layer.0.attention.attention.key.bias";
const POSITIONS: &str = "backbone.embeddings.position_embeddings";
const SHARED_TABLE: &str =
    "backbone.beit.encoder.relative_position_bias.relative_position_bias_table";
pub(super) const NECK: &str = "backbone.fpn1.0.weight";

/// Rows of a table of biases after those of offsets.
const CLASS_ROWS: usize = 3;
/// Of the norms in the code of all who train BEiT. Hugging Face's default, 1e-12, is another.
const LAYER_NORM_EPS: f64 = 1e-6;

fn layer(index: usize, rest: &str) -> String {
    format!("backbone.encoder.layer.{index}.{rest}")
}

/// Whether these are a BEiT's: of plain transformers it alone has keys without a bias.
pub(super) fn is_beit(shapes: &Shapes) -> bool {
    shapes.has(QUERY_BIAS) && !shapes.has(KEY_BIAS)
}

/// With the maps that its authors' recipes take, since no tensor tells which.
pub(super) fn infer(shapes: &Shapes) -> Result<Inferred<HfBackboneConfig>, String> {
    let own = layer(
        0,
        "attention.attention.relative_position_bias.relative_position_bias_table",
    );
    let (has_own, has_shared) = (shapes.has(&own), shapes.has(SHARED_TABLE));
    let table = match (has_own, has_shared) {
        (true, _) => &own,
        (false, true) => SHARED_TABLE,
        (false, false) => {
            let problem = "no tensor says how many heads its BEiT has (`num_attention_heads`)";
            return Err(problem.to_owned());
        }
    };
    let [rows, num_attention_heads] = shapes.get::<2>(table)?;
    let grid = grid(rows).ok_or_else(|| format!("{table} has {rows} rows, which no grid makes"))?;
    let projection = "backbone.embeddings.patch_embeddings.projection.weight";
    let [hidden_size, num_channels, patch_size, _] = shapes.get::<4>(projection)?;
    let num_hidden_layers = shapes.count(|index| layer(index, "layernorm_before.weight"));
    let [intermediate_size, _] = shapes.get::<2>(&layer(0, "intermediate.dense.weight"))?;
    let has_scale = shapes.has(&layer(0, "lambda_1"));
    let default = HfBeitConfig::default();
    let config = HfBeitConfig {
        image_size: grid.saturating_mul(patch_size),
        patch_size,
        num_channels,
        hidden_size,
        num_hidden_layers,
        num_attention_heads,
        intermediate_size,
        layer_norm_eps: LAYER_NORM_EPS,
        layer_scale_init_value: if has_scale {
            default.layer_scale_init_value
        } else {
            0.0
        },
        use_absolute_position_embeddings: shapes.has(POSITIONS),
        use_relative_position_bias: has_own,
        use_shared_relative_position_bias: has_shared,
        ..default
    };
    let config = HfBackboneConfig::Beit(config).with_all_stages();
    let config = with_neck_as_in(config, shapes.has(NECK));
    let assumed = vec![
        format!("out_indices {:?}", config.out_stages()),
        format!("layer_norm_eps {LAYER_NORM_EPS:e}"),
        format!("drop_path_rate {}", default.drop_path_rate),
    ];
    Ok(Inferred { config, assumed })
}

/// Patches along a side of the grid that a table of so many rows is for.
fn grid(rows: usize) -> Option<usize> {
    let offsets = rows.checked_sub(CLASS_ROWS)?;
    let side = offsets.isqrt();
    (side * side == offsets && side % 2 == 1).then(|| side.div_ceil(2))
}

/// The same backbone, with a neck if its weights have one. No other family has any.
pub(crate) fn with_neck_as_in(config: HfBackboneConfig, has_neck: bool) -> HfBackboneConfig {
    match config {
        HfBackboneConfig::Beit(beit) => HfBackboneConfig::Beit(HfBeitConfig {
            add_fpn: has_neck && beit.out_stages.len() == 4,
            ..beit
        }),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROJECTION: &str = "backbone.embeddings.patch_embeddings.projection.weight";
    const NORM: &str = "backbone.encoder.layer.0.layernorm_before.weight";
    const HIDDEN: &str = "backbone.encoder.layer.0.intermediate.dense.weight";

    fn found(table: [usize; 2], projection: [usize; 4]) -> Result<HfBeitConfig, String> {
        let shapes = Shapes::new(&[
            (QUERY_BIAS, &[12]),
            (SHARED_TABLE, &table),
            (PROJECTION, &projection),
            (NORM, &[12]),
            (HIDDEN, &[20, 12]),
        ]);
        match super::super::backbone(&shapes)?.config {
            HfBackboneConfig::Beit(beit) => Ok(beit),
            other => panic!("{} is no BEiT", other.model_type()),
        }
    }

    #[test]
    fn a_beit_of_one_layer_is_read_off() {
        let beit = found([28, 3], [12, 5, 8, 8]).expect("bounded");
        assert_eq!(
            (beit.image_size, beit.patch_size, beit.num_channels),
            (24, 8, 5)
        );
        assert_eq!((beit.num_attention_heads, beit.intermediate_size), (3, 20));
        assert_eq!((beit.num_hidden_layers, beit.out_stages), (1, vec![1]));
        assert!(beit.use_shared_relative_position_bias && !beit.use_relative_position_bias);
        assert!(!beit.add_fpn && !beit.use_absolute_position_embeddings);
        assert!(
            beit.layer_scale_init_value.abs() < 1e-12,
            "it has no scales"
        );
    }

    #[test]
    fn what_no_beit_has_is_said() {
        let huge = usize::MAX;
        for (table, projection, part) in [
            ([27, 3], [12, 3, 8, 8], "27 rows"),
            ([2, 3], [12, 3, 8, 8], "2 rows"),
            ([19, 3], [12, 3, 8, 8], "19 rows"),
            ([huge, 3], [12, 3, 8, 8], "rows"),
            ([28, 5], [12, 3, 8, 8], "num_attention_heads"),
            ([28, 0], [12, 3, 8, 8], "num_attention_heads"),
            ([28, 3], [huge, 3, 8, 8], "hidden_size"),
            ([28, 3], [12, 3, 5000, 8], "image_size"),
            ([28, 3], [12, 3, 0, 8], "image_size"),
        ] {
            let problem = found(table, projection).expect_err(part);
            assert!(
                problem.contains(part) || problem.contains("patch_size"),
                "{problem}"
            );
        }
        let without = Shapes::new(&[(QUERY_BIAS, &[12]), (NORM, &[12])]);
        let problem = super::super::backbone(&without).expect_err("no heads");
        assert!(problem.contains("how many heads"), "{problem}");
    }
}
