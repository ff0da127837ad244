//! Which crate may use which: an arrow points down, never sideways or up.

use std::{path::Path, process::Command};

use serde_json::Value;

use crate::Failure;

/// Every package of the workspace and its layer, as in ARCHITECTURE.md.
const LAYERS: [(&str, usize); 20] = [
    ("upernet-hf", 0),
    ("upernet-image", 0),
    ("upernet-ops", 0),
    ("upernet-nn", 1),
    ("upernet-onnx", 1),
    ("upernet-beit", 2),
    ("upernet-convnext", 2),
    ("upernet-head", 2),
    ("upernet-pvt", 2),
    ("upernet-resnet", 2),
    ("upernet-swin", 2),
    ("upernet-vit", 2),
    ("upernet-data", 3),
    ("upernet-zoo", 3),
    ("upernet", 4),
    ("upernet-train", 5),
    ("upernet-cli", 6),
    ("upernet-benches", DEVELOPMENT),
    ("upernet-golden", DEVELOPMENT),
    ("xtask", DEVELOPMENT),
];
/// Packages for development: they may use anything, nothing may use them.
const DEVELOPMENT: usize = 7;
/// The lowest layer that may choose a backend of burn, by forwarding features.
const FACADE: usize = 4;
/// The one package of layer 0 that uses burn: operations on its tensors.
const OPERATIONS: &str = "upernet-ops";
/// Features of burn that bring a backend.
const BACKENDS: [&str; 8] = [
    "flex", "ndarray", "wgpu", "vulkan", "metal", "cuda", "rocm", "cpu",
];

/// What cargo knows of the workspace's own packages.
pub(super) fn metadata(root: &Path) -> Result<Value, Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))
}

/// Lists arrows that do not point down, and backends chosen too low.
pub(super) fn check(metadata: &Value) -> Vec<String> {
    let mut findings = Vec::new();
    for package in array(metadata, "packages") {
        let name = text(package, "name");
        let Some(layer) = layer(name) else {
            findings.push(format!(
                "{name} has no layer: add it to ARCHITECTURE.md and tidy"
            ));
            continue;
        };
        // Tests may look up: the judge of a lower crate may be a higher one.
        let used = array(package, "dependencies").filter(|used| text(used, "kind") != "dev");
        for used in used {
            let used_name = text(used, "name");
            findings.extend(arrow(name, layer, used_name));
            if used_name == "burn" {
                findings.extend(burn(name, layer, used));
            }
        }
    }
    findings
}

fn arrow(name: &str, from: usize, used: &str) -> Option<String> {
    let to = layer(used)?;
    let points_down = to < from && to != DEVELOPMENT;
    (!points_down).then(|| format!("{name} (layer {from}) must not use {used} (layer {to})"))
}

fn burn(name: &str, layer: usize, used: &Value) -> Option<String> {
    if layer == 0 && name != OPERATIONS {
        return Some(format!("{name} (layer 0) must not use burn"));
    }
    let mut features = array(used, "features").filter_map(Value::as_str);
    let chosen = features.find(|feature| BACKENDS.contains(feature))?;
    (layer < FACADE).then(|| format!("{name} (layer {layer}) must not choose burn's {chosen}"))
}

fn layer(name: &str) -> Option<usize> {
    let (_, layer) = LAYERS.iter().find(|(known, _)| *known == name)?;
    Some(*layer)
}

/// The entries of an array field; none if there is no such field.
pub(super) fn array<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value[field].as_array().into_iter().flatten()
}

/// A text field; empty if it is null, as the kind of a normal dependency is.
pub(super) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(name: &str, used: &str, kind: Option<&str>, features: &[&str]) -> Value {
        let used = json!({ "name": used, "kind": kind, "features": features });
        json!({ "packages": [{ "name": name, "dependencies": [used] }] })
    }

    #[test]
    fn arrows_point_down() {
        assert!(check(&package("upernet-swin", "upernet-nn", None, &[])).is_empty());
        let up = check(&package("upernet-nn", "upernet-swin", None, &[]));
        assert_eq!(
            up,
            ["upernet-nn (layer 1) must not use upernet-swin (layer 2)"]
        );
        let sideways = package("upernet-swin", "upernet-head", None, &[]);
        assert_eq!(check(&sideways).len(), 1);
    }

    #[test]
    fn tests_may_look_up() {
        let looks_up = package("upernet-nn", "upernet", Some("dev"), &[]);
        assert!(check(&looks_up).is_empty());
    }

    #[test]
    fn backends_are_chosen_at_the_top() {
        assert!(check(&package("upernet-nn", "burn", None, &["std"])).is_empty());
        assert_eq!(
            check(&package("upernet-nn", "burn", None, &["flex"])).len(),
            1
        );
        assert_eq!(check(&package("upernet-hf", "burn", None, &[])).len(), 1);
        assert!(check(&package("upernet-ops", "burn", None, &["std"])).is_empty());
    }

    #[test]
    fn an_unknown_crate_is_a_finding() {
        assert_eq!(check(&package("upernet-new", "burn", None, &[])).len(), 1);
    }
}
