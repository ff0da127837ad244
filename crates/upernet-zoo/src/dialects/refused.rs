//! Segmentation networks that are no `UPerNet` of this kind, told by their keys, and why.
//!
//! Source: `segmentation_models_pytorch/decoders/upernet/decoder.py`, `terratorch/models/decoders`,
//! `models/models.py` of CSAILVision/unifiedparsing, `mmseg/models/decode_heads`.

/// Whose network it is, and why it is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What the weights are, as "these are ..." goes on.
    pub(crate) what: &'static str,
    /// Why they are not taken, and what would do.
    pub(crate) reason: &'static str,
}

/// A network, by parts of keys that all have to occur, each at the start of a key or after a dot.
struct Known {
    keys: &'static [&'static str],
    refusal: Refusal,
}

const fn known(keys: &'static [&'static str], what: &'static str, reason: &'static str) -> Known {
    Known {
        keys,
        refusal: Refusal { what, reason },
    }
}

/// The most telling first: a head of mmsegmentation is recognised by what UPerNet's has not.
const KNOWN: [Known; 11] = [
    known(
        &["decoder.psp.", "segmentation_head.0."],
        "weights of segmentation_models.pytorch",
        "its UPerNet joins the pooled maps with a 1x1 convolution and norms the backbone's maps in the \
         decoder, which is another network",
    ),
    known(
        &["segmentation_head.0."],
        "weights of segmentation_models.pytorch",
        "they are not of a UPerNet in Hugging Face's form",
    ),
    known(
        &["ppm_last_conv.", "fpn_in."],
        "weights of MIT CSAIL",
        "their UPerNet pools each region after resizing it and has heads for scenes, parts and \
         materials, which is another network",
    ),
    known(
        &["decoder.psp_modules.", "decoder.fpn_bottleneck."],
        "weights of TerraTorch",
        "its decoder resizes with aligned corners and has its classifier in a head of its own, which is \
         another network",
    ),
    known(
        &["auxiliary_head.0.", "auxiliary_head.1."],
        "mmsegmentation weights with several auxiliary heads",
        "a UPerNet of Hugging Face has one, on the third map",
    ),
    known(
        &["decode_head.0.", "decode_head.1."],
        "mmsegmentation weights with a cascade of heads",
        "supported is one UPerHead",
    ),
    known(
        &["decode_head.linear_c"],
        "mmsegmentation weights with another decode head (SegFormer's)",
        "supported is UPerHead",
    ),
    known(
        &["decode_head.aspp_modules."],
        "mmsegmentation weights with another decode head (ASPP)",
        "supported is UPerHead",
    ),
    known(
        &["decode_head.query_embed."],
        "mmsegmentation weights with another decode head (a mask transformer)",
        "supported is UPerHead",
    ),
    known(
        &["backbone.layer1.0.conv1.weight", "classifier.4.weight"],
        "weights of torchvision's FCN or DeepLabV3",
        "the last stages of their ResNet keep their size by dilation, which Hugging Face's does not; choose \
         an image classifier's",
    ),
    known(
        &["layer1.0.conv1.weight", "downsample.2."],
        "weights of a ResNet whose shortcuts average before they convolve (ResNetV1d)",
        "Hugging Face's ResNet convolves at once there; choose a plain ResNet or a ResNetV1c",
    ),
];

/// Taken if a table has it.
const PLAIN_TRANSFORMER: Known = known(
    &["blocks.0.attn.qkv.weight", "cls_token"],
    "weights of a plain vision transformer that is not known",
    "supported are BEiT, ViT, DINOv2 and DINOv3, with the names of timm or of their authors",
);

/// Heads of mmsegmentation without what makes one UPerNet's.
const OTHER_HEAD: Refusal = Refusal {
    what: "mmsegmentation weights with another decode head",
    reason: "supported is UPerHead, whose tensors are psp_modules, bottleneck, lateral_convs, fpn_convs, \
             fpn_bottleneck and conv_seg",
};

/// mmsegmentation's heads over a backbone that no table has.
const OTHER_BACKBONE: Refusal = Refusal {
    what: "mmsegmentation weights with a backbone that is not known",
    reason: "supported are Swin, ConvNeXt, BEiT, MAE, ViT and ResNets, with the names of mmsegmentation, \
             Microsoft or Meta",
};

/// Why a file is not taken, if its keys say so. `recognised` is whether its backbone is known.
pub(crate) fn refusal(keys: &[&str], recognised: bool) -> Option<Refusal> {
    let has = |part: &str| keys.iter().any(|key| occurs(part, key));
    let plain = (!recognised).then_some(&PLAIN_TRANSFORMER);
    let found = KNOWN
        .iter()
        .chain(plain)
        .find(|known| known.keys.iter().all(|part| has(part)));
    if let Some(known) = found {
        return Some(known.refusal);
    }
    if !has("decode_head.conv_seg.") {
        return None;
    }
    if !(has("decode_head.psp_modules.") && has("decode_head.fpn_bottleneck.")) {
        return Some(OTHER_HEAD);
    }
    (!recognised).then_some(OTHER_BACKBONE)
}

/// Whether `part` starts a key, or what follows one of its dots.
fn occurs(part: &str, key: &str) -> bool {
    key.match_indices(part)
        .any(|(at, _)| at == 0 || key.as_bytes()[at - 1] == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_network_is_refused_by_its_name_and_reason() {
        for (keys, what) in [
            (
                vec![
                    "decoder.psp.blocks.0.1.0.weight",
                    "segmentation_head.0.weight",
                ],
                "segmentation_models.pytorch",
            ),
            (
                vec!["encoder.conv1.weight", "segmentation_head.0.bias"],
                "segmentation_models",
            ),
            (
                vec!["module.ppm_last_conv.0.weight", "module.fpn_in.0.0.weight"],
                "MIT CSAIL",
            ),
            (
                vec![
                    "model.decoder.psp_modules.0.1.conv.weight",
                    "model.decoder.fpn_bottleneck.conv.weight",
                ],
                "TerraTorch",
            ),
            (
                vec![
                    "auxiliary_head.0.conv_seg.bias",
                    "auxiliary_head.1.conv_seg.bias",
                ],
                "several auxiliary heads",
            ),
            (
                vec![
                    "decode_head.conv_seg.bias",
                    "decode_head.linear_c4.proj.bias",
                ],
                "SegFormer",
            ),
            (
                vec![
                    "decode_head.conv_seg.bias",
                    "decode_head.convs.0.conv.weight",
                ],
                "another decode",
            ),
            (
                vec!["classifier.4.weight", "backbone.layer1.0.conv1.weight"],
                "FCN or DeepLabV3",
            ),
            (
                vec![
                    "backbone.layer2.0.downsample.2.weight",
                    "backbone.layer1.0.conv1.weight",
                ],
                "V1d",
            ),
        ] {
            let refusal = refusal(&keys, true).unwrap_or_else(|| panic!("{keys:?} are taken"));
            assert!(refusal.what.contains(what), "{refusal:?} for {keys:?}");
        }
    }

    #[test]
    fn a_uper_head_is_taken_if_its_backbone_is_known() {
        let keys = [
            "decode_head.conv_seg.bias",
            "decode_head.psp_modules.0.1.bn.bias",
            "decode_head.fpn_bottleneck.bn.bias",
        ];
        assert_eq!(refusal(&keys, true), None);
        assert_eq!(refusal(&keys, false), Some(OTHER_BACKBONE));
        let hub = ["decode_head.classifier.bias", "backbone.surprise"];
        assert_eq!(
            refusal(&hub, false),
            None,
            "the hub's are judged key by key"
        );
    }

    #[test]
    fn a_plain_transformer_is_taken_if_its_names_are_known() {
        let keys = ["blocks.0.attn.qkv.weight", "cls_token"];
        assert_eq!(refusal(&keys, true), None);
        let refusal = refusal(&keys, false).expect("nobody's");
        assert!(refusal.what.starts_with("weights of a plain vision"));
    }

    #[test]
    fn parts_are_found_between_dots_alone() {
        assert!(occurs("fpn_in.", "module.fpn_in.0") && occurs("fpn_in.", "fpn_in.0"));
        assert!(!occurs("fpn_in.", "my_fpn_in.0"));
    }
}
