//! Both heads by the shapes of their tensors.

use upernet_hf::config::{HfBackboneConfig, HfConfig};

use super::Shapes;

/// Classes that are named here; the reader of configurations allows no more.
const MAX_LABELS: usize = 65_535;

/// The whole configuration on a backbone that is known.
pub(super) fn infer(
    shapes: &Shapes,
    backbone: HfBackboneConfig,
    class_names: Option<Vec<String>>,
    assumed: &mut Vec<String>,
) -> Result<HfConfig, String> {
    let default = HfConfig::new(backbone);
    let [hidden_size, ..] = shapes.get::<4>("decode_head.bottleneck.conv.weight")?;
    let pools = shapes.count(|index| format!("decode_head.psp_modules.{index}.1.conv.weight"));
    if pools != default.pool_scales.len() {
        return Err(format!(
            "it pools on {pools} grids, and no tensor says of which sizes (`pool_scales`)"
        ));
    }
    let scales = default.pool_scales.iter().map(usize::to_string);
    assumed.push(format!(
        "pool_scales {}",
        scales.collect::<Vec<_>>().join(", ")
    ));
    let [labels] = shapes.get::<1>("decode_head.classifier.bias")?;
    if labels > MAX_LABELS {
        return Err(format!("decode_head.classifier.bias has {labels} classes"));
    }
    let id2label = class_names.filter(|names| names.len() == labels);
    let id2label = id2label.unwrap_or_else(|| {
        assumed.push(format!("names of the {labels} classes"));
        (0..labels).map(|id| format!("LABEL_{id}")).collect()
    });
    assumed.push(format!("loss_ignore_index {}", default.loss_ignore_index));
    let classifier = "auxiliary_head.classifier.weight";
    let use_auxiliary_head = shapes.has(classifier);
    let mut config = HfConfig {
        hidden_size,
        use_auxiliary_head,
        id2label,
        ..default
    };
    if use_auxiliary_head {
        let [_, channels, ..] = shapes.get::<4>(classifier)?;
        config.auxiliary_channels = channels;
        config.auxiliary_num_convs =
            shapes.count(|index| format!("auxiliary_head.convs.{index}.conv.weight"));
        config.auxiliary_concat_input = shapes.has("auxiliary_head.conv_cat.conv.weight");
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use upernet_hf::config::HfConvNextConfig;

    use super::*;

    const BOTTLENECK: (&str, &[usize]) = ("decode_head.bottleneck.conv.weight", &[12, 99, 3, 3]);
    const POOLS: [&str; 4] = [
        "decode_head.psp_modules.0.1.conv.weight",
        "decode_head.psp_modules.1.1.conv.weight",
        "decode_head.psp_modules.2.1.conv.weight",
        "decode_head.psp_modules.3.1.conv.weight",
    ];

    fn inferred(
        pools: usize,
        labels: usize,
        names: Option<Vec<String>>,
    ) -> Result<(HfConfig, Vec<String>), String> {
        let mut shapes = vec![BOTTLENECK];
        let bias = [labels];
        shapes.extend(
            POOLS
                .iter()
                .take(pools)
                .map(|key| (*key, &[1_usize; 4][..])),
        );
        shapes.push(("decode_head.classifier.bias", &bias));
        let backbone = HfBackboneConfig::ConvNext(HfConvNextConfig::default());
        let mut assumed = Vec::new();
        let config = infer(&Shapes::new(&shapes), backbone, names, &mut assumed)?;
        Ok((config, assumed))
    }

    #[test]
    fn what_no_tensor_tells_is_said() {
        let (config, assumed) = inferred(4, 3, None).expect("all is there");
        assert_eq!((config.hidden_size, config.id2label.len()), (12, 3));
        assert!(!config.use_auxiliary_head);
        assert_eq!(
            assumed,
            [
                "pool_scales 1, 2, 3, 6",
                "names of the 3 classes",
                "loss_ignore_index 255"
            ]
        );
        let names = ["a", "b", "c"].map(str::to_owned).to_vec();
        let (config, assumed) = inferred(4, 3, Some(names.clone())).expect("all is there");
        assert_eq!(config.id2label, names);
        assert_eq!(assumed.len(), 2, "{assumed:?}");
        let (config, _) = inferred(4, 4, Some(names)).expect("all is there");
        assert_eq!(
            config.id2label[3], "LABEL_3",
            "names of other classes are not taken"
        );
    }

    #[test]
    fn other_grids_and_too_many_classes_are_refused() {
        let other = inferred(3, 3, None).expect_err("three grids of any size");
        assert!(other.contains("pool_scales"), "{other}");
        let many = inferred(4, 1 << 40, None).expect_err("a hostile shape");
        assert!(many.contains("1099511627776 classes"), "{many}");
    }
}
