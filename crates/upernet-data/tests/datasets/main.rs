//! Tiny datasets of every layout, good ones and bad ones, through the public readers.
#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap fails the test, as it should"
)]

mod ade20k;
mod check;
mod cityscapes;
mod coco;
mod convert;
mod damaged;
mod folder;
mod label_maps;
mod labelme;
mod paired_folders;
mod pascal_voc;
mod sheet;
mod splitting;
