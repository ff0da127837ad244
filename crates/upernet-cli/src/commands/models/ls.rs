//! `models ls`: the published checkpoints.

use serde::Serialize;
use upernet::zoo::{PublishedModel, published};

use super::millions;
use crate::{
    failure::Failure,
    output::{Align, Stdout, Table},
};

#[derive(Serialize)]
struct Document {
    models: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    id: &'static str,
    backbone: &'static str,
    pretraining: &'static str,
    crop: usize,
    parameters: u64,
    gmacs: f64,
    miou: f64,
    miou_multi_scale: f64,
}

pub(super) fn run(json: bool) -> Result<(), Failure> {
    if json {
        let models = published().iter().map(Row::from).collect();
        return Stdout::default().print_json(&Document { models });
    }
    let mut table = Table::new(&[
        ("model", Align::Left),
        ("backbone", Align::Left),
        ("pretrained on", Align::Left),
        ("crop", Align::Right),
        ("parameters", Align::Right),
        ("GMAC", Align::Right),
        ("mIoU", Align::Right),
        ("multi-scale", Align::Right),
    ]);
    for model in published() {
        table.row([
            model.id.to_owned(),
            model.backbone.to_owned(),
            model.pretraining.to_owned(),
            model.crop.to_string(),
            millions(model.parameters),
            format!("{:.1}", model.gmacs),
            format!("{:.2}", model.miou),
            format!("{:.2}", model.miou_multi_scale),
        ]);
    }
    Stdout::default().print(&table.to_string())
}

impl From<&PublishedModel> for Row {
    fn from(model: &PublishedModel) -> Self {
        Self {
            id: model.id,
            backbone: model.backbone,
            pretraining: model.pretraining,
            crop: model.crop,
            parameters: model.parameters,
            gmacs: model.gmacs,
            miou: model.miou,
            miou_multi_scale: model.miou_multi_scale,
        }
    }
}
