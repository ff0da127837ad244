//! Host-side pixels for semantic segmentation: what happens to a photo before the network and to the
//! logits after it.
//!
//! - [`read_image`] and [`decode_image`]: JPEG, PNG, WebP, TIFF, BMP and GIF to RGB, upright, with
//!   [`DecodeLimits`] checked before anything is allocated.
//! - [`ImageProcessor`]: the resize (bit for bit Pillow's), rescale and normalise steps that Hugging
//!   Face runs before `UperNet`.
//! - [`Logits`]: the two bilinear resizes and the argmax after it, in one pass.
//! - [`LabelMap`], [`read_label_png`], [`write_label_png`], [`Palette`], [`overlay`]: class ids, files
//!   and pictures of them.
//! - [`write_atomically`]: whole files or none.
//!
//! Sizes are `[height, width]` in pixels everywhere. The crate knows no tensor library, no network and
//! no JSON. The [`image`] crate is re-exported because [`image::RgbImage`] is the type of a photo here.
//!
//! ```
//! use upernet_image::{ImageProcessor, Logits, image::RgbImage};
//!
//! let photo = RgbImage::from_pixel(60, 40, image::Rgb([90, 120, 30]));
//! let input = ImageProcessor::default().process(&photo)?;
//! assert_eq!(input.size, [512, 512]);
//!
//! // What a network with two classes might answer on a 2 x 2 grid.
//! let values = [1.0, 0.0, 1.0, 0.0, 0.0, 2.0, 0.0, 2.0];
//! let logits = Logits::new(&values, 2, [2, 2])?;
//! let labels = logits.argmax_resized(input.size, [40, 60])?;
//! assert_eq!((labels.label(0, 0), labels.label(0, 59)), (0, 1));
//! # Ok::<(), upernet_image::Error>(())
//! ```

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        reason = "a failed unwrap fails the test, as it should"
    )
)]

mod decode;
mod error;
mod file;
mod label_map;
mod label_png;
mod logits;
mod overlay;
mod palette;
mod photo_png;
mod processor;
mod resample;
mod write;

pub use decode::{DecodeLimits, decode_image, read_image};
pub use error::{Error, ErrorKind};
pub use image;
pub use label_map::{ClassArea, IGNORE_LABEL, LabelMap};
pub use label_png::{decode_label_png, encode_label_png, read_label_png, write_label_png};
pub use logits::Logits;
pub use overlay::overlay;
pub use palette::{ADE20K, CAMVID, CITYSCAPES, NamedColor, Palette, palette_for};
pub use photo_png::{encode_png, write_png};
pub use processor::{ImageProcessor, ProcessedImage};
pub use resample::{Resample, resize_labels, resize_photo};
pub use write::{Overwrite, write_atomically};
