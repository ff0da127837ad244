//! `models ls`: the published checkpoints.

use serde::Serialize;
use upernet::zoo::{PublishedModel, published};

use super::millions;
use crate::{
    console::Console,
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
    address: &'static str,
    backbone: &'static str,
    pretraining: &'static str,
    training_data: &'static str,
    num_labels: usize,
    crop: [usize; 2],
    parameters: u64,
    gmacs: f64,
    miou: f64,
    miou_multi_scale: f64,
    scored_by: &'static str,
    licence: &'static str,
    checked: &'static str,
}

pub(super) fn run(json: bool, console: Console) -> Result<(), Failure> {
    if json {
        let models = published().iter().map(Row::from).collect();
        return Stdout::default().print_json(&Document { models });
    }
    let mut table = Table::new(&[
        ("model", Align::Left),
        ("backbone", Align::Left),
        ("pretrained on", Align::Left),
        ("trained on", Align::Left),
        ("classes", Align::Right),
        ("crop", Align::Right),
        ("parameters", Align::Right),
        ("GMAC", Align::Right),
        ("mIoU", Align::Right),
        ("multi-scale", Align::Right),
        ("licence", Align::Left),
        ("checked here", Align::Left),
    ]);
    for model in published() {
        table.row([
            model.id.to_owned(),
            model.backbone.to_owned(),
            model.pretraining.to_owned(),
            model.training_data.to_owned(),
            model.num_labels.to_string(),
            side(model.crop),
            millions(model.parameters),
            format!("{:.1}", model.gmacs),
            format!("{:.2}", model.miou),
            format!("{:.2}", model.miou_multi_scale),
            model.licence.to_owned(),
            model.checked.as_str().to_owned(),
        ]);
    }
    Stdout::default().print(&table.to_string())?;
    console.note(
        "mIoU in percent on the validation split, as mmsegmentation publishes it; licences as the publishers \
         state them",
    );
    console.note(
        "models without a / are files of mmsegmentation: --json has their addresses, `upernet convert FILE DIR` \
         makes a model of one",
    );
    Ok(())
}

/// One number for a square.
fn side([height, width]: [usize; 2]) -> String {
    if height == width {
        height.to_string()
    } else {
        format!("{height}x{width}")
    }
}

impl From<&PublishedModel> for Row {
    fn from(model: &PublishedModel) -> Self {
        Self {
            id: model.id,
            address: model.address,
            backbone: model.backbone,
            pretraining: model.pretraining,
            training_data: model.training_data,
            num_labels: model.num_labels,
            crop: model.crop,
            parameters: model.parameters,
            gmacs: model.gmacs,
            miou: model.miou,
            miou_multi_scale: model.miou_multi_scale,
            scored_by: model.scored_by,
            licence: model.licence,
            checked: model.checked.as_str(),
        }
    }
}
