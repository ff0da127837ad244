//! What UPerNet backbones and heads share: the Backbone trait, feature pyramids, convolution blocks, exact resizing
