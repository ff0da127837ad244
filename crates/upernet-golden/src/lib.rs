//! Reads golden folders and compares whole tensors; for tests only
