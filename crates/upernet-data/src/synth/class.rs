//! The classes of a scene: those of `CamVid`, in the order of its 11-class split.

use upernet_image::CAMVID;

/// What a surface is; the number is the label in the mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Class {
    Sky,
    Building,
    Pole,
    Road,
    Pavement,
    Tree,
    SignSymbol,
    Fence,
    Car,
    Pedestrian,
    Bicyclist,
}

/// The names of the classes, by label.
pub(super) fn class_names() -> Vec<String> {
    CAMVID.iter().map(|class| class.name.to_owned()).collect()
}
