//! Swin V2 by its tensors: windows are told by the tables that older files have, as Microsoft's and
//! torchvision's.

use upernet_hf::config::{HfBackboneConfig, HfSwinV2Config};

use super::{Inferred, Shapes, depths, ratio};

/// Of numbers around one, half precision keeps this much.
const ROUNDING: f64 = 5e-4;
/// Beyond any window that a position bias was trained with.
const MOST_CELLS: f64 = 65_536.0;

/// The size of the image, which shrinks windows, is the smallest on which they are as they are: that of
/// the pretraining, in all published ones.
pub(super) fn infer(shapes: &Shapes) -> Result<Inferred<HfBackboneConfig>, String> {
    let block =
        |stage: usize, block: usize| format!("backbone.encoder.layers.{stage}.blocks.{block}");
    let depths = depths(shapes, |stage, index| {
        format!("{}.layernorm_before.weight", block(stage, index))
    })?;
    let projection = "backbone.embeddings.patch_embeddings.projection.weight";
    let [embed_dim, num_channels, patch_size, _] = shapes.get::<4>(projection)?;
    let mut num_heads = Vec::new();
    let mut windows = Vec::new();
    let mut pretrained_window_sizes = Vec::new();
    for stage in 0..depths.len() {
        let attention = format!("{}.attention.self", block(stage, 0));
        let [heads, ..] = shapes.get::<3>(&format!("{attention}.logit_scale"))?;
        num_heads.push(heads);
        let offsets = format!("{attention}.relative_coords_table");
        let window = window(&offsets, shapes)?;
        windows.push(window);
        pretrained_window_sizes.push(pretrained_window(&offsets, window, shapes)?);
    }
    let last = windows.last().copied().unwrap_or_default();
    let image_size = (patch_size.saturating_mul(last)).saturating_mul(1 << (depths.len() - 1));
    let [hidden, channels] =
        shapes.get::<2>(&format!("{}.intermediate.dense.weight", block(0, 0)))?;
    let config = HfSwinV2Config {
        image_size,
        patch_size: patch_size.max(1),
        num_channels,
        embed_dim,
        num_heads,
        window_size: windows.iter().copied().max().unwrap_or_default(),
        pretrained_window_sizes,
        mlp_ratio: ratio(hidden, channels),
        qkv_bias: shapes.has(&format!("{}.attention.self.query.bias", block(0, 0))),
        out_stages: (1..=depths.len()).collect(),
        depths,
        ..HfSwinV2Config::default()
    };
    if (0..windows.len()).any(|stage| config.stage_window(stage) != windows[stage]) {
        return Err(format!(
            "its stages have windows of {windows:?} cells a side, which no size of an image makes of one"
        ));
    }
    let assumed = vec![
        format!("image_size {image_size}"),
        format!("layer_norm_eps {}", config.layer_norm_eps),
        format!("drop_path_rate {}", config.drop_path_rate),
    ];
    Ok(Inferred {
        config: HfBackboneConfig::SwinV2(config),
        assumed,
    })
}

/// Side of the windows whose offsets the table holds: `[1, 2 w - 1, 2 w - 1, 2]`.
fn window(offsets: &str, shapes: &Shapes) -> Result<usize, String> {
    if !shapes.has(offsets) {
        return Err(
            "no tensor says how large the windows of its Swin V2 are (`window_size`, `image_size`)"
                .to_owned(),
        );
    }
    let [_, rows, columns, _] = shapes.get::<4>(offsets)?;
    if rows != columns || rows % 2 == 0 {
        return Err(format!(
            "{offsets} has {rows} x {columns} offsets, which no window makes"
        ));
    }
    Ok(rows.div_ceil(2))
}

/// Side of the windows that the position bias was trained with; 0 if they were these.
///
/// The largest offset `w - 1` is stored as `log8(8 (w - 1) / (p - 1) + 1)`.
fn pretrained_window(offsets: &str, window: usize, shapes: &Shapes) -> Result<usize, String> {
    if window == 1 {
        return Ok(0);
    }
    let stored = shapes.largest_offset(offsets).map(f64::from);
    let last = (window - 1) as f64;
    let trained = stored.map(|stored| last * 8.0 / (8.0_f64.powf(stored) - 1.0));
    let trained = trained
        .map(f64::round)
        .filter(|p| (1.0..MOST_CELLS).contains(p));
    let fits = |p: f64| {
        stored.is_some_and(|stored| ((8.0 * last / p + 1.0).log2() / 3.0 - stored).abs() < ROUNDING)
    };
    match trained {
        Some(p) if fits(p) && p.to_bits() == last.to_bits() => Ok(0),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is whole and bounded"
        )]
        Some(p) if fits(p) => Ok(p as usize + 1),
        _ => Err(format!(
            "{offsets} does not hold the offsets within a window of {window} x {window}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two stages on patches of 4 pixels.
    struct Tables {
        windows: [[usize; 2]; 2],
        largest: [f32; 2],
    }

    fn offset(window: usize, trained: usize) -> f32 {
        ((8.0 * (window - 1) as f32 / (trained - 1) as f32 + 1.0).log2()) / 3.0
    }

    fn found(tables: &Tables) -> Result<HfSwinV2Config, String> {
        let key =
            |stage: usize, rest: &str| format!("backbone.encoder.layers.{stage}.blocks.0.{rest}");
        let mut shapes: Vec<(String, Vec<usize>)> = vec![
            (
                "backbone.embeddings.patch_embeddings.projection.weight".into(),
                vec![8, 5, 4, 4],
            ),
            (key(0, "intermediate.dense.weight"), vec![24, 8]),
            (key(0, "attention.self.query.bias"), vec![8]),
        ];
        for (stage, [rows, columns]) in tables.windows.into_iter().enumerate() {
            shapes.push((key(stage, "layernorm_before.weight"), vec![8]));
            let heads = vec![stage + 1, 1, 1];
            shapes.push((key(stage, "attention.self.logit_scale"), heads));
            let table = vec![1, rows, columns, 2];
            shapes.push((key(stage, "attention.self.relative_coords_table"), table));
        }
        let borrowed: Vec<_> = shapes
            .iter()
            .map(|(key, shape)| (&**key, &**shape))
            .collect();
        let mut shapes = Shapes::new(&borrowed);
        for (stage, value) in tables.largest.into_iter().enumerate() {
            let key = key(stage, "attention.self.relative_coords_table");
            shapes = shapes.with_largest_offset(&key, value);
        }
        match super::super::super::backbone(&shapes)?.config {
            HfBackboneConfig::SwinV2(config) => Ok(config),
            other => panic!("{} is no Swin V2", other.model_type()),
        }
    }

    #[test]
    fn windows_and_those_of_the_pretraining_are_told_by_the_tables() {
        let config = found(&Tables {
            windows: [[47; 2], [23; 2]],
            largest: [offset(24, 12), offset(12, 6)],
        })
        .expect("bounded");
        assert_eq!((config.window_size, config.image_size), (24, 96));
        assert_eq!(config.pretrained_window_sizes, [12, 6]);
        assert_eq!((config.num_heads, config.num_channels), (vec![1, 2], 5));
        assert!(config.qkv_bias && (config.mlp_ratio - 3.0).abs() < 1e-12);

        let config = found(&Tables {
            windows: [[15; 2], [15; 2]],
            largest: [offset(8, 8); 2],
        })
        .expect("bounded");
        assert_eq!((config.window_size, config.image_size), (8, 64));
        assert_eq!(config.pretrained_window_sizes, [0, 0]);
    }

    #[test]
    fn tables_that_no_window_makes_are_named() {
        let whole = offset(8, 8);
        for (windows, largest, part) in [
            ([[14, 14], [15, 15]], [whole; 2], "14 x 14 offsets"),
            ([[15, 13], [15, 15]], [whole; 2], "15 x 13 offsets"),
            ([[0, 0], [15, 15]], [whole; 2], "0 x 0 offsets"),
            ([[15; 2]; 2], [f32::NAN, whole], "does not hold the offsets"),
            ([[15; 2]; 2], [-1.0, whole], "does not hold the offsets"),
            ([[15; 2]; 2], [40.0, whole], "does not hold the offsets"),
            ([[15; 2]; 2], [1e-9, whole], "does not hold the offsets"),
            ([[15; 2]; 2], [1.2, whole], "does not hold the offsets"),
            // Maps halve from stage to stage, so windows shrink to a half at most.
            (
                [[15; 2], [5; 2]],
                [whole, offset(3, 3)],
                "windows of [8, 3]",
            ),
            (
                [[7; 2], [15; 2]],
                [offset(4, 4), whole],
                "windows of [4, 8]",
            ),
            (
                [[usize::MAX; 2]; 2],
                [whole; 2],
                "does not hold the offsets",
            ),
        ] {
            let problem = found(&Tables { windows, largest }).expect_err(part);
            assert!(problem.contains(part), "{part} is not in {problem}");
        }
    }
}
