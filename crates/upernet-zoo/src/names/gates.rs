//! DINOv2's gated perceptrons, which have other layers in a file of the hub than elsewhere.

use upernet_hf::weights::Checkpoint;

use super::{HubNames, Source};

/// What the keys of DINOv2's layers begin with on the hub.
const DINOV2_LAYERS: &str = "backbone.encoder.layer.";

impl HubNames {
    /// timm calls the layers of DINOv2's gated perceptrons what it calls those of plain ones; they are told
    /// by the first, which has two rows for each column of the second.
    pub(super) fn tell_gates(&mut self, checkpoint: &Checkpoint) {
        const RENAMED: [(&str, &str); 2] = [
            (".mlp.fc1.", ".mlp.weights_in."),
            (".mlp.fc2.", ".mlp.weights_out."),
        ];
        let shape = |layer: &str| {
            let key = format!("backbone.encoder.layer.0.mlp.{layer}.weight");
            self.names.get(&key)?.shape(checkpoint)
        };
        let (first, second) = (
            shape("fc1").unwrap_or_default(),
            shape("fc2").unwrap_or_default(),
        );
        let is_gated = match (first.as_slice(), second.as_slice()) {
            ([rows, ..], [_, columns]) => columns.checked_mul(2) == Some(*rows),
            _ => false,
        };
        if !is_gated {
            return;
        }
        let plain = self.names.extract_if(.., |key, _| {
            key.starts_with(DINOV2_LAYERS) && RENAMED.iter().any(|row| key.contains(row.0))
        });
        let plain: Vec<_> = plain.collect();
        for (key, source) in plain {
            let gated = RENAMED
                .iter()
                .fold(key, |key, row| key.replace(row.0, row.1));
            self.insert_source(gated, source);
        }
    }

    /// DINOv2's gated perceptrons have one layer in files and two in `transformers` 5's memory.
    pub(super) fn join_gates(&mut self, checkpoint: &Checkpoint) {
        const GATE: &str = ".mlp.gate_proj.";
        let gates = self.names.extract_if(.., |key, _| {
            key.starts_with(DINOV2_LAYERS) && key.contains(GATE)
        });
        let gates: Vec<(String, Source)> = gates.collect();
        for (gate, source) in gates {
            let of = |part: &str| gate.replace(GATE, part);
            let up = self.names.get(&of(".mlp.up_proj."));
            let joined = Source {
                below: up.map(|up| up.name.clone()),
                ..source.clone()
            };
            // A gate without what it multiplies stays a tensor that fits nowhere.
            if joined.below.is_none() || joined.shape(checkpoint).is_none() {
                self.insert_source(gate, source);
                continue;
            }
            self.names.remove(&of(".mlp.up_proj."));
            self.insert_source(of(".mlp.weights_in."), joined);
            if let Some(down) = self.names.remove(&of(".mlp.down_proj.")) {
                self.insert_source(of(".mlp.weights_out."), down);
            }
        }
    }
}
