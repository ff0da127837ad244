//! The whole network over any backbone.
//!
//! Upstream: `UperNetForSemanticSegmentation`.

use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Int, Tensor},
};
use upernet_nn::{Backbone, FeaturePyramid, Precision, resize_bilinear};
use upernet_ops::{cross_entropy, resized_cross_entropy};

use crate::{FcnHead, FcnHeadConfig, PreparedUperNet, UperHead, UperHeadConfig};

/// The level of the pyramid that the auxiliary head reads, counted from the finest as 0.
const AUXILIARY_LEVEL: usize = 2;

/// Configuration of an [`UperNet`] without its backbone.
#[derive(Config, Debug)]
pub struct UperNetConfig {
    /// Classes.
    pub num_labels: usize,
    /// Channels of every map inside the decode head.
    #[config(default = 512)]
    pub hidden_size: usize,
    /// Side of each grid of the pyramid pooling module, in cells.
    #[config(default = "vec![1, 2, 3, 6]")]
    pub pool_scales: Vec<usize>,
    /// The auxiliary head, if the network has one.
    pub auxiliary_head: Option<AuxiliaryHeadConfig>,
    /// Label of pixels that do not count in the loss.
    #[config(default = 255)]
    pub loss_ignore_index: i64,
    /// Standard deviation of the initial weights of both heads.
    #[config(default = 0.02)]
    pub initializer_range: f64,
}

/// Configuration of the auxiliary head of an [`UperNet`].
///
/// It reads the third feature map, so the backbone needs at least three.
#[derive(Config, Debug)]
pub struct AuxiliaryHeadConfig {
    /// Channels of the third feature map; `None` asks the backbone.
    pub in_channels: Option<usize>,
    /// Channels of every map inside the head.
    #[config(default = 256)]
    pub channels: usize,
    /// Convolutions before the classifier.
    #[config(default = 1)]
    pub num_convs: usize,
    /// Whether a further convolution joins the feature map and the convolutions' output.
    #[config(default = false)]
    pub concat_input: bool,
    /// Weight of the auxiliary loss in the sum.
    #[config(default = 0.4)]
    pub loss_weight: f64,
}

/// A backbone, the UPer head on its feature maps, and the auxiliary head that helps training.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use upernet_head::UperNetConfig;
/// # use burn::{module::Module, nn::conv::{Conv2d, Conv2dConfig}};
/// # use upernet_nn::{Backbone, FeaturePyramid};
/// # #[derive(Module, Debug)]
/// # struct Patches { conv: Conv2d }
/// # impl Backbone for Patches {
/// #     fn channels(&self) -> Vec<usize> { vec![8] }
/// #     fn strides(&self) -> Vec<usize> { vec![4] }
/// #     fn forward(&self, x: Tensor<4>) -> FeaturePyramid {
/// #         FeaturePyramid::new(vec![self.conv.forward(x)])
/// #     }
/// # }
///
/// let device = Device::flex();
/// # let conv = Conv2dConfig::new([3, 8], [4, 4]).with_stride([4, 4]).init(&device);
/// # let backbone = Patches { conv };
/// let model = UperNetConfig::new(19).with_hidden_size(16).init(backbone, &device);
/// let logits = model.forward(Tensor::zeros([1, 3, 33, 47], &device));
/// assert_eq!(logits.dims(), [1, 19, 33, 47]);
/// ```
#[derive(Module, Debug)]
pub struct UperNet<B: Backbone> {
    backbone: B,
    decode_head: UperHead,
    auxiliary_head: Option<FcnHead>,
    auxiliary_loss_weight: f64,
    loss_ignore_index: i64,
}

/// Everything a forward pass with labels computes.
#[derive(Clone, Debug)]
pub struct UperNetOutput {
    /// The backbone's maps.
    pub features: FeaturePyramid,
    /// Decode head's logits at the finest map's size, `[N, num_labels, H_0, W_0]`.
    pub decode_logits: Tensor<4>,
    /// Logits at the image's size, `[N, num_labels, H, W]`.
    pub logits: Tensor<4>,
    /// Auxiliary head's logits at its map's size, if there is such a head.
    pub aux_logits: Option<Tensor<4>>,
    /// Cross-entropy of `logits` plus the weighted one of the auxiliary logits, `[1]`.
    pub loss: Tensor<1>,
}

impl UperNetConfig {
    /// Puts the heads on top of `backbone`.
    ///
    /// # Panics
    ///
    /// Panics if an auxiliary head is asked for and the backbone has fewer than three maps, if the
    /// auxiliary head's `in_channels` is not that map's, or as [`UperHeadConfig::init`] and
    /// [`FcnHeadConfig::init`] do.
    #[must_use]
    pub fn init<B: Backbone>(&self, backbone: B, device: &Device) -> UperNet<B> {
        let in_channels = backbone.channels();
        let auxiliary_head = self
            .auxiliary_head
            .as_ref()
            .map(|head| self.init_auxiliary(head, &in_channels, device));
        let decode_head = UperHeadConfig::new(in_channels, self.num_labels)
            .with_hidden_size(self.hidden_size)
            .with_pool_scales(self.pool_scales.clone())
            .with_initializer_range(self.initializer_range)
            .init(device);
        UperNet {
            backbone,
            decode_head,
            auxiliary_head,
            auxiliary_loss_weight: self
                .auxiliary_head
                .as_ref()
                .map_or(0.0, |head| head.loss_weight),
            loss_ignore_index: self.loss_ignore_index,
        }
    }

    fn init_auxiliary(
        &self,
        head: &AuxiliaryHeadConfig,
        in_channels: &[usize],
        device: &Device,
    ) -> FcnHead {
        let available = in_channels.get(AUXILIARY_LEVEL).copied();
        let available = available.expect("the auxiliary head reads the third feature map");
        let in_channels = head.in_channels.unwrap_or(available);
        assert_eq!(
            in_channels, available,
            "the auxiliary head expects {in_channels} channels, the third map has {available}"
        );
        FcnHeadConfig::new(in_channels, self.num_labels)
            .with_channels(head.channels)
            .with_num_convs(head.num_convs)
            .with_concat_input(head.concat_input)
            .with_initializer_range(self.initializer_range)
            .init(device)
    }
}

/// What the heads say of an image, before any resize.
#[derive(Clone, Debug)]
pub struct HeadLogits {
    /// The head's, `[N, num_labels, H_0, W_0]` at the finest map's size.
    pub decode: Tensor<4>,
    /// The auxiliary head's, `[N, num_labels, H_2, W_2]` at the third map's size, if there is one.
    pub auxiliary: Option<Tensor<4>>,
}

/// Takes a module that may have been trained off its autodiff device; the original is gone, so that
/// the weights have one owner.
#[expect(
    clippy::needless_pass_by_value,
    reason = "to take it is the point: a second owner would keep every weight alive"
)]
fn without_autodiff<M: Module>(module: M) -> M {
    module.valid()
}

impl<B: Backbone> UperNet<B> {
    /// The backbone.
    #[must_use]
    pub fn backbone(&self) -> &B {
        &self.backbone
    }

    /// The head that turns the backbone's maps into logits.
    #[must_use]
    pub fn decode_head(&self) -> &UperHead {
        &self.decode_head
    }

    /// What the auxiliary head's loss counts beside the other's; 0 without such a head.
    #[must_use]
    pub fn auxiliary_loss_weight(&self) -> f64 {
        self.auxiliary_loss_weight
    }

    /// Label of pixels that do not count in the loss.
    #[must_use]
    pub fn loss_ignore_index(&self) -> i64 {
        self.loss_ignore_index
    }

    /// Makes the network ready for inference: folds batch normalisation, drops the auxiliary head,
    /// and lays weights out for the kernels of their device.
    ///
    /// Nothing changes in the result beyond rounding. The network is taken apart layer by layer, so
    /// that hardly more than one layer is in memory twice. What is left is up to 4 times the size of a
    /// 3 x 3 convolution's weights, and 1 time that of all others.
    ///
    /// # Example
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use upernet_head::UperNetConfig;
    /// use upernet_nn::Precision;
    /// # use burn::{module::Module, nn::conv::{Conv2d, Conv2dConfig}};
    /// # use upernet_nn::{Backbone, FeaturePyramid};
    /// # #[derive(Module, Debug)]
    /// # struct Patches { conv: Conv2d }
    /// # impl Backbone for Patches {
    /// #     fn channels(&self) -> Vec<usize> { vec![8] }
    /// #     fn strides(&self) -> Vec<usize> { vec![4] }
    /// #     fn forward(&self, x: Tensor<4>) -> FeaturePyramid {
    /// #         FeaturePyramid::new(vec![self.conv.forward(x)])
    /// #     }
    /// # }
    ///
    /// let device = Device::flex();
    /// # let conv = Conv2dConfig::new([3, 8], [4, 4]).with_stride([4, 4]).init(&device);
    /// # let backbone = Patches { conv };
    /// let model = UperNetConfig::new(19).with_hidden_size(16).init(backbone, &device);
    /// let image = Tensor::zeros([1, 3, 33, 47], &device);
    /// let expected = model.forward(image.clone());
    /// let logits = model.prepare(Precision::F32).forward(image);
    /// assert!((logits - expected).abs().max().into_scalar::<f32>() < 1e-4);
    /// ```
    #[must_use]
    pub fn prepare(self, precision: Precision) -> PreparedUperNet
    where
        B: Sync + 'static,
    {
        let Self {
            backbone,
            decode_head,
            auxiliary_head,
            ..
        } = self;
        drop(auxiliary_head);
        let backbone = without_autodiff(backbone).prepare(precision);
        let decode_head = without_autodiff(decode_head).prepare(precision);
        PreparedUperNet::new(backbone, decode_head)
    }

    /// Computes the logits at the image's size.
    ///
    /// The auxiliary head does not run.
    ///
    /// # Shapes
    ///
    /// - `pixel_values`: `[N, num_channels, H, W]`, normalised
    /// - output: `[N, num_labels, H, W]`
    #[must_use]
    pub fn forward(&self, pixel_values: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = pixel_values.dims();
        resize_bilinear(self.forward_decode(pixel_values), [height, width])
    }

    /// Computes the logits at the finest map's size, a quarter of the image's for the usual
    /// backbones: all there is to know, at a sixteenth of the memory.
    ///
    /// # Shapes
    ///
    /// - `pixel_values`: `[N, num_channels, H, W]`, normalised
    /// - output: `[N, num_labels, H_0, W_0]`
    #[must_use]
    pub fn forward_decode(&self, pixel_values: Tensor<4>) -> Tensor<4> {
        self.decode_head
            .forward(&self.backbone.forward(pixel_values))
    }

    /// Computes the loss alone, without logits at the image's size; trains on an autodiff device.
    ///
    /// # Shapes
    ///
    /// - `pixel_values`: `[N, num_channels, H, W]`, normalised
    /// - `labels`: `[N, H, W]`
    /// - output: `[1]`
    ///
    /// # Panics
    ///
    /// Panics if the batches of image and labels differ.
    #[must_use]
    pub fn loss(&self, pixel_values: Tensor<4>, labels: Tensor<3, Int>) -> Tensor<1> {
        let logits = self.forward_heads(pixel_values);
        let ignored = self.loss_ignore_index;
        let loss = resized_cross_entropy(logits.decode, labels.clone(), ignored);
        match logits.auxiliary {
            Some(logits) => {
                let aux_loss = resized_cross_entropy(logits, labels, ignored);
                loss + aux_loss * self.auxiliary_loss_weight
            }
            None => loss,
        }
    }

    /// Computes what every head says, each at the size of the map that it reads: for losses other than
    /// [`loss`](Self::loss).
    ///
    /// # Shapes
    ///
    /// - `pixel_values`: `[N, num_channels, H, W]`, normalised
    #[must_use]
    pub fn forward_heads(&self, pixel_values: Tensor<4>) -> HeadLogits {
        let features = self.backbone.forward(pixel_values);
        let decode = self.decode_head.forward(&features);
        let auxiliary = self
            .auxiliary_head
            .as_ref()
            .map(|head| head.forward(features.maps()[AUXILIARY_LEVEL].clone()));
        HeadLogits { decode, auxiliary }
    }

    /// Computes the loss and everything on the way to it; trains on an autodiff device.
    ///
    /// # Shapes
    ///
    /// - `pixel_values`: `[N, num_channels, H, W]`, normalised
    /// - `labels`: `[N, H, W]`
    ///
    /// # Panics
    ///
    /// Panics if the sizes of image and labels differ.
    #[must_use]
    pub fn forward_with_labels(
        &self,
        pixel_values: Tensor<4>,
        labels: Tensor<3, Int>,
    ) -> UperNetOutput {
        let [_, _, height, width] = pixel_values.dims();
        let size = [height, width];
        let features = self.backbone.forward(pixel_values);
        let decode_logits = self.decode_head.forward(&features);
        let logits = resize_bilinear(decode_logits.clone(), size);
        let loss = cross_entropy(logits.clone(), labels.clone(), self.loss_ignore_index);

        let aux_logits = self
            .auxiliary_head
            .as_ref()
            .map(|head| head.forward(features.maps()[AUXILIARY_LEVEL].clone()));
        let loss = match &aux_logits {
            Some(aux_logits) => {
                let aux_logits = resize_bilinear(aux_logits.clone(), size);
                let aux_loss = cross_entropy(aux_logits, labels, self.loss_ignore_index);
                loss + aux_loss * self.auxiliary_loss_weight
            }
            None => loss,
        };
        UperNetOutput {
            features,
            decode_logits,
            logits,
            aux_logits,
            loss,
        }
    }
}
