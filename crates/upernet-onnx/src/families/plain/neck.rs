//! Maps of four sizes from the maps of one size that four layers have: the first is enlarged four times,
//! the second twice, the third kept, the last halved.
//!
//! Upstream: the `BeitFPNNeck` of `BeitBackbone`; mmsegmentation's `MultiLevelNeck`.

mod multi_level;

use upernet_hf::config::HfNeck;

use crate::{
    Error,
    graph::{Attribute, Graph, Value, signed},
    layers::{BATCH_NORM_EPS, Map, Window},
    weights::{BATCH_NORM, Recipe},
};

/// What makes the four maps.
#[derive(Clone, Copy, Debug)]
pub(in crate::families) enum Neck {
    /// Deconvolutions and pooling.
    Pyramid(PyramidNames),
    /// Resizing between convolutions, to maps of so many channels.
    MultiLevel(usize),
}

/// How the hub calls the layers of a neck of deconvolutions.
#[derive(Clone, Copy, Debug)]
pub(in crate::families) struct PyramidNames {
    /// Of the first map: a deconvolution, its batch normalisation, and a deconvolution after GELU.
    pub(in crate::families) first: [&'static str; 3],
    /// The deconvolution of the second map.
    pub(in crate::families) second: &'static str,
}

/// Those of ours, which Hugging Face has not.
const FEATURE_PYRAMID: PyramidNames = PyramidNames {
    first: [
        "backbone.neck.fpn1.conv_transpose1",
        "backbone.neck.fpn1.batch_norm",
        "backbone.neck.fpn1.conv_transpose2",
    ],
    second: "backbone.neck.fpn2",
};

/// Cells along a side that a deconvolution makes of one; none reaches what is another's.
const SIDE: usize = 2;

impl Neck {
    /// Maps that it takes and returns.
    pub(super) const LEVELS: usize = 4;

    pub(super) fn lower(
        self,
        graph: &mut Graph<'_>,
        maps: [Map; Self::LEVELS],
    ) -> Result<Vec<Map>, Error> {
        match self {
            Self::Pyramid(names) => names.lower(graph, maps),
            Self::MultiLevel(channels) => multi_level::lower(graph, maps, channels),
        }
    }
}

impl From<HfNeck> for Neck {
    fn from(neck: HfNeck) -> Self {
        match neck {
            HfNeck::FeaturePyramid => Self::Pyramid(FEATURE_PYRAMID),
            HfNeck::MultiLevel { channels } => Self::MultiLevel(channels),
        }
    }
}

impl PyramidNames {
    fn lower(self, graph: &mut Graph<'_>, maps: [Map; Neck::LEVELS]) -> Result<Vec<Map>, Error> {
        let [deconvolution, norm, again] = self.first;
        let [first, second, third, fourth] = maps;
        let first = normed_twofold(graph, [deconvolution, norm], &first)?;
        let value = graph.gelu(deconvolution, &first.value);
        let first = twofold(graph, again, &Map { value, ..first })?;
        let second = twofold(graph, self.second, &second)?;
        let fourth = graph.max_pool("neck", &fourth, Window::patches(2));
        Ok(vec![first, second, third, fourth])
    }
}

/// A deconvolution that doubles the sides of a map.
fn twofold(graph: &mut Graph<'_>, path: &str, x: &Map) -> Result<Map, Error> {
    let [weight, bias] = ["weight", "bias"].map(|name| format!("{path}.{name}"));
    let weight = graph.weight(&weight, &filters(x))?;
    let bias = graph.weight(&bias, &[x.channels])?;
    Ok(node(graph, path, x, [&weight, &bias]))
}

/// The same with the batch normalisation after it folded in.
fn normed_twofold(graph: &mut Graph<'_>, [path, norm]: [&str; 2], x: &Map) -> Result<Map, Error> {
    let epsilon = BATCH_NORM_EPS;
    let [weight, bias] = ["weight", "bias"].map(|name| format!("{path}.{name}"));
    let norms = BATCH_NORM.map(|name| format!("{norm}.{name}"));
    let (dims, one_each) = (filters(x), [x.channels]);
    let of_norm = norms.each_ref().map(|key| (key.as_str(), &one_each[..]));

    let mut stored: Vec<(&str, &[usize])> = vec![(&weight, &dims)];
    stored.extend(of_norm);
    let recipe = Recipe::NormedDeconvolution {
        epsilon,
        taps: SIDE * SIDE,
    };
    let folded = graph.derived(&weight, &dims, recipe, &stored)?;
    let mut stored: Vec<(&str, &[usize])> = vec![(&bias, &one_each)];
    stored.extend(of_norm);
    let recipe = Recipe::NormedOwnBias { epsilon };
    let bias = graph.derived(&bias, &one_each, recipe, &stored)?;
    Ok(node(graph, path, x, [&folded, &bias]))
}

/// `[channels in, channels out, side, side]`.
fn filters(x: &Map) -> [usize; 4] {
    [x.channels, x.channels, SIDE, SIDE]
}

fn node(graph: &mut Graph<'_>, path: &str, x: &Map, [weight, bias]: [&Value; 2]) -> Map {
    let sides = Attribute::Ints(vec![signed(SIDE); 2]);
    let attributes = vec![("kernel_shape", sides.clone()), ("strides", sides)];
    let value = graph.node(path, "ConvTranspose", &[&x.value, weight, bias], attributes);
    Map {
        value,
        channels: x.channels,
        size: x
            .size
            .each_ref()
            .map(|size| graph.times(size, &SIDE.into())),
    }
}
