//! What the configurations of all backbone families have in common.

use serde_json::{Map, Value};

use crate::config::{HfVariant, stages::StageNames};

/// A backbone family's part of a configuration.
pub(crate) trait Family {
    /// Hugging Face's name of the family.
    fn model_type(&self) -> &'static str;

    /// Hugging Face's class of the bare backbone.
    fn backbone_class(&self) -> &'static str;

    /// Its name as its paper writes it.
    fn title(&self) -> &'static str;

    /// Channels of the image.
    fn num_channels(&self) -> usize;

    /// Blocks of each stage.
    fn depths(&self) -> &[usize];

    /// Channels of each stage.
    fn stage_channels(&self) -> Vec<usize>;

    /// How its stages are named.
    fn stage_names(&self) -> StageNames {
        StageNames::AfterStem
    }

    /// Stages whose maps are returned, from 1, ascending.
    fn out_stages(&self) -> &[usize];

    /// Chooses the stages whose maps are returned.
    fn set_out_stages(&mut self, out_stages: Vec<usize>);

    /// Chooses the maps that a `UPerNet` is built on: those of all stages, where there are few.
    fn set_usual_stages(&mut self) {
        self.set_out_stages((1..=self.stage_channels().len()).collect());
    }

    /// What the network has that Hugging Face's has not.
    fn variant(&self) -> Option<HfVariant> {
        None
    }

    /// Gives it to the backbone, and says whether the family has a place for it.
    fn put_variant(&mut self, _: HfVariant) -> bool {
        false
    }

    /// Estimates the number of parameters; exact in every term that grows.
    fn parameters(&self) -> f64;

    /// Writes all fields but those of the stages that are returned.
    fn write(&self, map: &mut Map<String, Value>);
}
