//! Every golden folder, on flex or the device that `UPERNET_DEVICE` names.

#![expect(
    clippy::print_stdout,
    reason = "`--nocapture` shows how close each folder was"
)]

use std::fs;

use upernet::{device, hf::config::SUPPORTED_BACKBONES};
use upernet_golden::{check, golden_folders};

fn model_type(folder: &std::path::Path) -> String {
    let config = fs::read(folder.join("config.json")).expect("a golden folder has a config");
    let config: serde_json::Value = serde_json::from_slice(&config).expect("the config is JSON");
    // Upstream's default is a ResNet.
    let model_type = config["backbone_config"]["model_type"].as_str();
    model_type.unwrap_or("resnet").to_owned()
}

#[test]
fn every_supported_folder_is_within_tolerance() {
    let device = device::from_env("UPERNET_DEVICE").expect("a device of this build");
    let mut failures = Vec::new();
    let mut checked = 0;
    for folder in golden_folders() {
        if !SUPPORTED_BACKBONES.contains(&model_type(&folder).as_str()) {
            continue;
        }
        let findings = check(&folder, &device).unwrap_or_else(|error| panic!("{error}"));
        let name = folder
            .file_name()
            .expect("a folder has a name")
            .to_string_lossy()
            .into_owned();
        if let Some(closest) = findings.closest_call() {
            println!(
                "{name}: {} comparisons, closest {closest}",
                findings.differences.len()
            );
        }
        failures.extend(
            findings
                .failures()
                .map(|difference| format!("{name}: {difference}")),
        );
        checked += 1;
    }
    assert!(checked > 0, "no folder with a supported backbone");
    assert!(
        failures.is_empty(),
        "{} comparisons failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn every_other_folder_is_refused_by_name() {
    let device = device::from_env("UPERNET_DEVICE").expect("a device of this build");
    for folder in golden_folders() {
        let model_type = model_type(&folder);
        if SUPPORTED_BACKBONES.contains(&model_type.as_str()) {
            continue;
        }
        let error = check(&folder, &device)
            .expect_err("not supported")
            .to_string();
        assert!(
            error.contains(&model_type) && error.contains(&SUPPORTED_BACKBONES.join(", ")),
            "{error}"
        );
    }
}
