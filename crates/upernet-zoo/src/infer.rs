//! What a network is made of, told by the shapes of its tensors.
//!
//! Works on hub keys, so one reading serves all dialects. What no shape tells has Hugging Face's default
//! and is said ([`Inferred::assumed`]), or there is no answer. The result goes through the reader of
//! `config.json`, which bounds every number of it before anything is built.

mod backbone;
mod beit;
mod head;
mod shapes;
mod vit;

use upernet_hf::config::{HfBackboneConfig, HfConfig};

pub(crate) use beit::with_neck_as_in;
pub(crate) use shapes::Shapes;

/// A configuration, and what in it no tensor tells.
#[derive(Debug)]
pub(crate) struct Inferred<T> {
    pub(crate) config: T,
    /// Fields with their values, as `pool_scales 1, 2, 3, 6`.
    pub(crate) assumed: Vec<String>,
}

/// The configuration of a whole UPerNet; an error says what the tensors do not tell.
///
/// `class_names` are those that the file has beside its tensors.
pub(crate) fn network(
    shapes: &Shapes,
    class_names: Option<Vec<String>>,
) -> Result<Inferred<HfConfig>, String> {
    let Inferred {
        config: backbone,
        mut assumed,
    } = backbone::infer(shapes)?;
    let config = head::infer(shapes, backbone, class_names, &mut assumed)?;
    let config = HfConfig::from_json(config.to_json().as_bytes()).map_err(refused)?;
    Ok(Inferred { config, assumed })
}

/// The configuration of a backbone on its own, with the map of every stage.
pub(crate) fn backbone(shapes: &Shapes) -> Result<Inferred<HfBackboneConfig>, String> {
    let Inferred { config, assumed } = backbone::infer(shapes)?;
    let config = vit::with_usual_neck(config);
    let config = HfBackboneConfig::from_json(config.to_json().as_bytes()).map_err(refused)?;
    let config = with_neck_as_in(config.with_all_stages(), shapes.has(beit::NECK));
    Ok(Inferred { config, assumed })
}

#[expect(clippy::needless_pass_by_value, reason = "it maps an error")]
fn refused(problem: upernet_hf::config::ConfigError) -> String {
    format!("they describe what is refused: {problem}")
}
