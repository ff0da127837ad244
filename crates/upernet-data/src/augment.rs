//! Transforms of a photo and its labels together.
