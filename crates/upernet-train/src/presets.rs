//! Configs to start from.

use crate::Error;

/// The presets: a name, one line on what it is, and the config file.
const PRESETS: [(&str, &str, &str); 8] = [
    (
        "scratch-small",
        "a 3.3 M-parameter ConvNeXt UPerNet from scratch, for street-sized photos on a CPU",
        include_str!("../presets/scratch-small.toml"),
    ),
    (
        "finetune",
        "any UPerNet to other classes, a few thousand steps",
        include_str!("../presets/finetune.toml"),
    ),
    (
        "demo",
        "the embedded demo model, on synthetic scenes",
        include_str!("../presets/demo.toml"),
    ),
    (
        "demo-larger",
        "its second part, on larger scenes, from runs/demo/best",
        include_str!("../presets/demo-larger.toml"),
    ),
    (
        "demo-finish",
        "its last part, more of the same, from runs/demo-larger/best",
        include_str!("../presets/demo-finish.toml"),
    ),
    (
        "swin-tiny-ade20k",
        "the published recipe of UPerNet on Swin-T, 160,000 steps of 16 images",
        include_str!("../presets/swin-tiny-ade20k.toml"),
    ),
    (
        "convnext-tiny-ade20k",
        "the published recipe of UPerNet on ConvNeXt-T, 160,000 steps of 16 images",
        include_str!("../presets/convnext-tiny-ade20k.toml"),
    ),
    (
        "smoke",
        "a few steps of a toy on synthetic scenes: does training run on this machine?",
        include_str!("../presets/smoke.toml"),
    ),
];

/// Names and one-line descriptions of all presets.
pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    PRESETS.iter().map(|(name, about, _)| (*name, *about))
}

/// The config file of a preset.
///
/// # Errors
///
/// [`Error::Config`] lists the presets if there is none of that name.
pub fn text(name: &str) -> Result<&'static str, Error> {
    let found = PRESETS.iter().find(|(preset, ..)| *preset == name);
    found.map(|(_, _, text)| *text).ok_or_else(|| {
        let all: Vec<&str> = names().map(|(name, _)| name).collect();
        Error::Config {
            origin: format!("preset {name}"),
            problem: format!("there is none; there are {}", all.join(", ")),
        }
    })
}
