//! What every attention by products of queries and keys has in common.

use crate::{
    graph::{Graph, Value},
    rounding::rounded,
};

/// `[N, tokens, heads, each]` to `[N, heads, tokens, each]`: queries, and values.
pub(super) const QUERIES: [i64; 4] = [0, 2, 1, 3];

/// The same to `[N, heads, each, tokens]`: keys.
pub(super) const KEYS: [i64; 4] = [0, 2, 3, 1];

/// What the products of queries and keys of heads of that many channels are multiplied by.
pub(super) fn logit_scale(graph: &mut Graph<'_>, each: usize) -> Value {
    let scale = rounded((each as f64).sqrt().recip());
    graph.floats(&[], &[scale])
}
