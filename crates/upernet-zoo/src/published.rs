//! The UPerNets that openmmlab published, as data: on the hub, and as files of mmsegmentation.

/// A published checkpoint, what its publishers say of it, and what was checked here.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct PublishedModel {
    /// Name on the hub, `OWNER/NAME`; of a file of mmsegmentation its name, without date and hash.
    pub id: &'static str,
    /// Where the weights are: a page of the hub, or a file that `convert` makes a folder of.
    pub address: &'static str,
    /// Backbone and its size.
    pub backbone: &'static str,
    /// Data the backbone was pretrained on, and the side of its images in pixels.
    pub pretraining: &'static str,
    /// Data the whole network was trained on.
    pub training_data: &'static str,
    /// Number of classes.
    pub num_labels: usize,
    /// Height and width of a training crop, in pixels.
    pub crop: [usize; 2],
    /// Trainable numbers, the auxiliary head included.
    pub parameters: u64,
    /// Multiply-adds of one crop, in units of 10^9, the auxiliary head included.
    pub gmacs: f64,
    /// Mean intersection over union on the validation split of the training data at one scale, in
    /// percent, as mmsegmentation publishes it.
    pub miou: f64,
    /// The same over several scales and flips.
    pub miou_multi_scale: f64,
    /// Who measured the two scores.
    pub scored_by: &'static str,
    /// Licence that its publishers state.
    pub licence: &'static str,
    /// How this project was compared with the reference on this architecture.
    pub checked: Checked,
}

/// How this project was compared with the reference on an architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Checked {
    /// The architecture at full size with random weights: all logits of one image against `transformers`.
    /// The published weights were not at hand.
    FullSize,
    /// The same, from a file under mmsegmentation's names that was converted first.
    Converted,
}

impl Checked {
    /// In a few words, for a table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FullSize => "full size, random weights",
            Self::Converted => "converted, full size, random weights",
        }
    }
}

/// The table of published checkpoints: those on the hub, then those of mmsegmentation that the hub has not.
///
/// ```
/// use upernet_zoo::published;
///
/// let best = published().iter().max_by(|a, b| a.miou_multi_scale.total_cmp(&b.miou_multi_scale));
/// assert_eq!(best.map(|model| model.training_data), Some("Cityscapes"));
/// ```
#[must_use]
pub fn published() -> &'static [PublishedModel] {
    &PUBLISHED
}

/// What the network was trained on.
#[derive(Clone, Copy)]
struct Training {
    data: &'static str,
    num_labels: usize,
    crop: [usize; 2],
}

const fn ade20k(side: usize) -> Training {
    Training {
        data: "ADE20K",
        num_labels: 150,
        crop: [side; 2],
    }
}

const fn cityscapes(crop: [usize; 2]) -> Training {
    Training {
        data: "Cityscapes",
        num_labels: 19,
        crop,
    }
}

const VOC: Training = Training {
    data: "Pascal VOC 2012 + Aug",
    num_labels: 21,
    crop: [512; 2],
};

/// One row of the hub, in the order of the columns of the table.
const fn hub(
    [id, address]: [&'static str; 2],
    [backbone, pretraining]: [&'static str; 2],
    training: Training,
    parameters: u64,
    gmacs: f64,
    [miou, miou_multi_scale]: [f64; 2],
) -> PublishedModel {
    PublishedModel {
        id,
        address,
        backbone,
        pretraining,
        training_data: training.data,
        num_labels: training.num_labels,
        crop: training.crop,
        parameters,
        gmacs,
        miou,
        miou_multi_scale,
        scored_by: "mmsegmentation",
        licence: "MIT",
        checked: Checked::FullSize,
    }
}

/// One row of mmsegmentation.
const fn file(
    names: [&'static str; 2],
    backbone: [&'static str; 2],
    training: Training,
    parameters: u64,
    gmacs: f64,
    scores: [f64; 2],
) -> PublishedModel {
    PublishedModel {
        licence: "Apache-2.0",
        checked: Checked::Converted,
        ..hub(names, backbone, training, parameters, gmacs, scores)
    }
}

/// An id of the hub with the address of its page.
macro_rules! page {
    ($id:literal) => {
        [$id, concat!("https://huggingface.co/", $id)]
    };
}

/// A name of mmsegmentation with the address of its file: family, name, date and hash.
macro_rules! pth {
    ($family:literal, $name:literal, $version:literal) => {
        [
            $name,
            concat!(
                "https://download.openmmlab.com/mmsegmentation/v0.5/",
                $family,
                "/",
                $name,
                "/",
                $name,
                $version,
                ".pth"
            ),
        ]
    };
}

const IN1K: &str = "ImageNet-1K, 224";
const IN1K_384: &str = "ImageNet-1K, 384";
const IN22K: &str = "ImageNet-22K, 224";
const IN22K_384: &str = "ImageNet-22K, 384";

/// Scores, addresses: the model zoo of mmsegmentation (`metafile.yaml` and README of each family).
/// Licences: the pages of the hub, and the licence that mmsegmentation states of its collection. Checks:
/// `docs/src/parity.md`. Parameters and multiply-adds: `cost`, and equal counts on PyTorch modules.
#[rustfmt::skip]
const PUBLISHED: [PublishedModel; 34] = [
    hub(page!("openmmlab/upernet-swin-tiny"), ["Swin-T", IN1K], ade20k(512), 59_941_862, 237.8, [44.41, 45.79]),
    hub(page!("openmmlab/upernet-swin-small"), ["Swin-S", IN1K], ade20k(512), 81_259_766, 261.5, [47.72, 49.24]),
    hub(page!("openmmlab/upernet-swin-base"), ["Swin-B", IN22K_384], ade20k(512), 121_415_076, 306.8, [50.76, 52.40]),
    hub(page!("openmmlab/upernet-swin-large"), ["Swin-L", IN22K_384], ade20k(512), 233_962_976, 421.2, [52.25, 54.12]),
    hub(page!("openmmlab/upernet-convnext-tiny"), ["ConvNeXt-T", IN1K], ade20k(512), 60_242_636, 235.6, [46.11, 46.62]),
    hub(page!("openmmlab/upernet-convnext-small"), ["ConvNeXt-S", IN1K], ade20k(512), 81_877_196, 257.7, [48.56, 49.02]),
    hub(page!("openmmlab/upernet-convnext-base"), ["ConvNeXt-B", IN1K], ade20k(512), 122_102_956, 293.6, [48.71, 49.54]),
    hub(page!("openmmlab/upernet-convnext-large"), ["ConvNeXt-L", IN22K], ade20k(640), 234_994_796, 617.3, [53.16, 53.38]),
    hub(page!("openmmlab/upernet-convnext-xlarge"), ["ConvNeXt-XL", IN22K], ade20k(640), 391_140_396, 837.4, [53.58, 54.11]),
    file(pth!("swin", "upernet_swin_base_patch4_window7_512x512_160k_ade20k_pretrain_224x224_1K", "_20210526_192340-593b0e13"), ["Swin-B, window 7", IN1K], ade20k(512), 121_279_716, 300.2, [47.99, 49.57]),
    file(pth!("swin", "upernet_swin_base_patch4_window7_512x512_160k_ade20k_pretrain_224x224_22K", "_20210526_211650-762e2178"), ["Swin-B, window 7", IN22K], ade20k(512), 121_279_716, 300.2, [50.13, 51.90]),
    file(pth!("swin", "upernet_swin_base_patch4_window12_512x512_160k_ade20k_pretrain_384x384_1K", "_20210531_132020-05b22ea4"), ["Swin-B", IN1K_384], ade20k(512), 121_415_076, 306.8, [48.35, 49.65]),
    file(pth!("upernet", "upernet_r50_512x512_160k_ade20k", "_20200615_184328-8534de8d"), ["ResNet-50", IN1K], ade20k(512), 66_516_108, 240.3, [42.05, 42.78]),
    file(pth!("upernet", "upernet_r101_512x512_160k_ade20k", "_20200615_161951-91b32684"), ["ResNet-101", IN1K], ade20k(512), 85_508_236, 259.7, [43.82, 44.85]),
    file(pth!("upernet", "upernet_r50_512x1024_80k_cityscapes", "_20200607_052207-848beca8"), ["ResNet-50", IN1K], cityscapes([512, 1024]), 66_415_238, 478.3, [78.19, 79.19]),
    file(pth!("upernet", "upernet_r101_512x1024_80k_cityscapes", "_20200607_002403-f05f2345"), ["ResNet-101", IN1K], cityscapes([512, 1024]), 85_407_366, 517.1, [79.40, 80.46]),
    file(pth!("upernet", "upernet_r50_769x769_80k_cityscapes", "_20200607_005107-82ae7d15"), ["ResNet-50", IN1K], cityscapes([769; 2]), 66_415_238, 546.4, [79.39, 80.92]),
    file(pth!("upernet", "upernet_r101_769x769_80k_cityscapes", "_20200607_001014-082fc334"), ["ResNet-101", IN1K], cityscapes([769; 2]), 85_407_366, 591.9, [80.10, 81.49]),
    file(pth!("upernet", "upernet_r50_512x512_40k_voc12aug", "_20200613_162257-ca9bcc6b"), ["ResNet-50", IN1K], VOC, 66_416_778, 239.2, [75.92, 77.44]),
    file(pth!("upernet", "upernet_r101_512x512_40k_voc12aug", "_20200613_163549-e26476ac"), ["ResNet-101", IN1K], VOC, 85_408_906, 258.6, [77.43, 78.56]),
    file(pth!("beit", "upernet_beit-base_8x2_640x640_160k_ade20k", "-eead221d"), ["BEiT-B", IN22K], ade20k(640), 163_407_980, 965.1, [53.08, 53.84]),
    file(pth!("beit", "upernet_beit-large_fp16_8x1_640x640_160k_ade20k", "-8fc0dd5d"), ["BEiT-L", IN22K], ade20k(640), 441_271_084, 1996.4, [56.33, 56.84]),
    file(pth!("mae", "upernet_mae-base_fp16_8x2_512x512_160k_ade20k", "_20220426_174752-f92a2975"), ["MAE ViT-B", IN1K], ade20k(512), 163_868_012, 606.8, [48.13, 48.70]),
    file(pth!("vit", "upernet_vit-b16_mln_512x512_80k_ade20k", "_20210624_130547-0403cee1"), ["ViT-B, neck", IN22K], ade20k(512), 144_173_612, 445.2, [47.71, 49.51]),
    file(pth!("vit", "upernet_vit-b16_mln_512x512_160k_ade20k", "_20210624_130547-852fa768"), ["ViT-B, neck", IN22K], ade20k(512), 144_173_612, 445.2, [46.75, 48.46]),
    file(pth!("vit", "upernet_vit-b16_ln_mln_512x512_160k_ade20k", "_20210621_172828-f444c077"), ["ViT-B, norm, neck", IN22K], ade20k(512), 144_175_148, 445.2, [47.73, 49.95]),
    file(pth!("vit", "upernet_deit-s16_512x512_80k_ade20k", "_20210624_095228-afc93ec2"), ["DeiT-S", IN1K], ade20k(512), 52_093_868, 61.8, [42.96, 43.79]),
    file(pth!("vit", "upernet_deit-s16_512x512_160k_ade20k", "_20210621_160903-5110d916"), ["DeiT-S", IN1K], ade20k(512), 52_093_868, 61.8, [42.87, 43.79]),
    file(pth!("vit", "upernet_deit-s16_mln_512x512_160k_ade20k", "_20210621_161021-fb9a5dfb"), ["DeiT-S, neck", IN1K], ade20k(512), 57_995_180, 275.9, [43.82, 45.07]),
    file(pth!("vit", "upernet_deit-s16_ln_mln_512x512_160k_ade20k", "_20210621_161021-c0cd652f"), ["DeiT-S, norm, neck", IN1K], ade20k(512), 57_995_948, 275.9, [43.52, 45.01]),
    file(pth!("vit", "upernet_deit-b16_512x512_80k_ade20k", "_20210624_130529-1e090789"), ["DeiT-B", IN1K], ade20k(512), 120_574_508, 140.4, [45.24, 46.73]),
    file(pth!("vit", "upernet_deit-b16_512x512_160k_ade20k", "_20210621_180100-828705d7"), ["DeiT-B", IN1K], ade20k(512), 120_574_508, 140.4, [45.36, 47.16]),
    file(pth!("vit", "upernet_deit-b16_mln_512x512_160k_ade20k", "_20210621_191949-4e1450f3"), ["DeiT-B, neck", IN1K], ade20k(512), 144_173_612, 445.2, [45.46, 47.16]),
    file(pth!("vit", "upernet_deit-b16_ln_mln_512x512_160k_ade20k", "_20210623_153535-8a959c14"), ["DeiT-B, norm, neck", IN1K], ade20k(512), 144_175_148, 445.2, [45.37, 47.23]),
];
