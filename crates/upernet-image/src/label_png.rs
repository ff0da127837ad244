//! Label maps as PNG files: the pixel is the class id, the palette is only for the eye.
//!
//! Reading goes through the `png` crate directly because `image` expands palettes, which turns the
//! class ids of Pascal VOC and CVAT masks into colours.

mod read;
mod write;

pub use read::{decode_label_png, read_label_png};
pub use write::{encode_label_png, write_label_png};
