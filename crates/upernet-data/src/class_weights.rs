//! What a pixel of each class counts in the loss.
