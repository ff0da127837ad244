//! Street-like scenes with exact labels, drawn from a seed.
