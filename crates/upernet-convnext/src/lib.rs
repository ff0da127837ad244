//! ConvNeXt backbone on burn: pixels in, four feature maps out
