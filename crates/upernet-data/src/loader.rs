//! Augmented batches, decoded ahead.
