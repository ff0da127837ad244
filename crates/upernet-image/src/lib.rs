//! Host-side pixels for semantic segmentation: decoding with limits, Pillow-exact resizing, label PNGs, palettes, overlays
