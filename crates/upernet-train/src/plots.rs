//! Curves and confusion matrices as PNG.
