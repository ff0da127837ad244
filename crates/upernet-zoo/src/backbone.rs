//! The backbone that a config file chose.

use burn::{module::Module, tensor::Tensor};
use upernet_beit::Beit;
use upernet_convnext::ConvNext;
use upernet_nn::{Backbone, FeaturePyramid, Precision, PreparedBackbone};
use upernet_pvt::PvtV2;
use upernet_resnet::ResNet;
use upernet_swin::{Swin, SwinV2};
use upernet_vit::Vit;

/// One of the backbone families that published UPerNets use.
#[derive(Module, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a program has one or two, and moves them little"
)]
pub enum ZooBackbone {
    /// Shifted-window transformer.
    Swin(Swin),
    /// Shifted-window transformer, second generation.
    SwinV2(SwinV2),
    /// Modernised convolutional network, of either version or DINOv3's.
    ConvNext(ConvNext),
    /// Residual convolutional network.
    ResNet(ResNet),
    /// Plain transformer under a neck that makes a pyramid.
    Beit(Beit),
    /// Plain transformer: DINOv2, DINOv3, ViT; under a neck of ours or none.
    Vit(Vit),
    /// Pyramid vision transformer, second generation.
    PvtV2(PvtV2),
}

impl Backbone for ZooBackbone {
    fn channels(&self) -> Vec<usize> {
        match self {
            Self::Swin(swin) => swin.channels(),
            Self::SwinV2(swin) => swin.channels(),
            Self::ConvNext(convnext) => convnext.channels(),
            Self::ResNet(resnet) => resnet.channels(),
            Self::Beit(beit) => beit.channels(),
            Self::Vit(vit) => vit.channels(),
            Self::PvtV2(pvt) => pvt.channels(),
        }
    }

    fn strides(&self) -> Vec<usize> {
        match self {
            Self::Swin(swin) => swin.strides(),
            Self::SwinV2(swin) => swin.strides(),
            Self::ConvNext(convnext) => convnext.strides(),
            Self::ResNet(resnet) => resnet.strides(),
            Self::Beit(beit) => beit.strides(),
            Self::Vit(vit) => vit.strides(),
            Self::PvtV2(pvt) => pvt.strides(),
        }
    }

    fn forward(&self, pixel_values: Tensor<4>) -> FeaturePyramid {
        match self {
            Self::Swin(swin) => swin.forward(pixel_values),
            Self::SwinV2(swin) => swin.forward(pixel_values),
            Self::ConvNext(convnext) => convnext.forward(pixel_values),
            Self::ResNet(resnet) => resnet.forward(pixel_values),
            Self::Beit(beit) => beit.forward(pixel_values),
            Self::Vit(vit) => vit.forward(pixel_values),
            Self::PvtV2(pvt) => pvt.forward(pixel_values),
        }
    }

    fn min_size(&self) -> usize {
        match self {
            Self::Swin(swin) => swin.min_size(),
            Self::SwinV2(swin) => swin.min_size(),
            Self::ConvNext(convnext) => convnext.min_size(),
            Self::ResNet(resnet) => resnet.min_size(),
            Self::Beit(beit) => beit.min_size(),
            Self::Vit(vit) => vit.min_size(),
            Self::PvtV2(pvt) => pvt.min_size(),
        }
    }

    fn prepare(self, precision: Precision) -> Box<dyn PreparedBackbone> {
        match self {
            Self::Swin(swin) => swin.prepare(precision),
            Self::SwinV2(swin) => swin.prepare(precision),
            Self::ConvNext(convnext) => convnext.prepare(precision),
            Self::ResNet(resnet) => resnet.prepare(precision),
            Self::Beit(beit) => beit.prepare(precision),
            Self::Vit(vit) => vit.prepare(precision),
            Self::PvtV2(pvt) => pvt.prepare(precision),
        }
    }
}
