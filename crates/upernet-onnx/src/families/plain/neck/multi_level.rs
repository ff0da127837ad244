//! Every map between a pointwise convolution and one of 3 x 3, resized in between.

use super::Neck;
use crate::{
    Error,
    graph::{Graph, Size},
    layers::{Map, Window},
};

/// What comes before the number of a level.
const LATERALS: &str = "backbone.neck.lateral_convs";
const CONVS: &str = "backbone.neck.convs";

pub(super) fn lower(
    graph: &mut Graph<'_>,
    maps: [Map; Neck::LEVELS],
    channels: usize,
) -> Result<Vec<Map>, Error> {
    let mut made = Vec::with_capacity(Neck::LEVELS);
    for (level, map) in maps.into_iter().enumerate() {
        let (lateral, conv) = (format!("{LATERALS}.{level}"), format!("{CONVS}.{level}"));
        made.push(match level {
            0 | 1 => {
                let x = graph.conv(&lateral, &map, channels, Window::same(1))?;
                let times = if level == 0 { 4 } else { 2 };
                let size = x
                    .size
                    .each_ref()
                    .map(|side| graph.times(side, &Size::Fixed(times)));
                graph.conv_of_resized(&conv, &x, channels, size)?
            }
            2 => {
                let x = graph.conv(&lateral, &map, channels, Window::same(1))?;
                graph.conv(&conv, &x, channels, Window::same(3))?
            }
            _ => {
                // Resizing commutes with a pointwise convolution, which has fewer cells after it.
                let half = halved(graph, &conv, &map);
                let x = graph.conv(&lateral, &half, channels, Window::same(1))?;
                graph.conv(&conv, &x, channels, Window::same(3))?
            }
        });
    }
    Ok(made)
}

/// The map at half its sides: a last row or column without a partner is left out, since upstream resizes
/// by the scale and not to a size.
fn halved(graph: &mut Graph<'_>, scope: &str, x: &Map) -> Map {
    let half = x.size.each_ref().map(|side| graph.divided(side, 2));
    let whole = half
        .each_ref()
        .map(|side| graph.times(side, &Size::Fixed(2)));
    let is_even = whole == x.size && whole.iter().all(|side| side.fixed().is_some());
    let value = if is_even {
        x.value.clone()
    } else {
        let [from, axes] = [[0, 0], [2, 3]].map(|numbers| graph.list(&numbers));
        let to = graph.sizes(&whole);
        graph.node(scope, "Slice", &[&x.value, &from, &to, &axes], Vec::new())
    };
    let x = Map {
        value,
        channels: x.channels,
        size: whole,
    };
    graph.resize(scope, &x, &half)
}
