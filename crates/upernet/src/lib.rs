//! Semantic segmentation with UPerNet in Rust: open a checkpoint, segment a photo, on any burn backend
