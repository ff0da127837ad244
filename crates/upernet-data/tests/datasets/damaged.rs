//! Files from strangers: whatever is in them, reading ends with labels or with a line that names the file.

use std::fs;
use std::path::Path;

use rstest::rstest;
use upernet_data::SampleSource;
use upernet_data::dataset::{self, DatasetOptions};

use crate::folder::Folder;

/// Every shorter file, and every file with one byte changed.
fn damaged(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let cut = (0..bytes.len()).map(|length| bytes[..length].to_vec());
    let changed = (0..bytes.len()).flat_map(|place| {
        [0x00, 0x7f, 0xff, b'"', b'9'].map(|byte| {
            let mut bytes = bytes.to_vec();
            bytes[place] = byte;
            bytes
        })
    });
    cut.chain(changed)
}

/// Writes a new file: writing over an old one makes some file systems wait for the disk.
fn replace(path: &Path, bytes: &[u8]) {
    if path.exists() {
        fs::remove_file(path).unwrap();
    }
    fs::write(path, bytes).unwrap();
}

#[rstest]
#[case::png("a.png")]
#[case::bmp("a.bmp")]
#[case::tiff("a.tif")]
fn masks(#[case] name: &str) {
    let folder = Folder::new();
    folder
        .photo("images/a.png", 3, 0)
        .mask(&format!("masks/{name}"), &[0, 1, 1]);
    let mut options = DatasetOptions {
        num_classes: Some(2),
        ..DatasetOptions::default()
    };
    options.limits.max_pixels = 10_000;
    options.limits.max_bytes = 1 << 20;
    let split = folder.open(&options).split("all").unwrap();
    let path = folder.path(&format!("masks/{name}"));
    for bytes in damaged(&fs::read(&path).unwrap()) {
        replace(&path, &bytes);
        if let Err(error) = split.read(0) {
            let message = folder.message(&error);
            assert!(message.starts_with(&format!("masks/{name}: ")), "{message}");
            assert!(!message.contains('\n'), "{message}");
        }
    }
}

#[rstest]
#[case::coco("train.json", r#"{"images":[{"id":7,"file_name":"a.png","width":4,"height":2}],"categories":[{"id":9,"name":"car"}],"annotations":[{"image_id":7,"category_id":9,"segmentation":{"size":[2,4],"counts":"422"}},{"image_id":7,"category_id":9,"segmentation":[[1,0,2,0,2,2]]}]}"#)]
#[case::labelme("a.json", r#"{"shapes":[{"label":"car","points":[[0,0],[1.5,0],[1e1,2]],"shape_type":"polygon"}],"imagePath":"a.png","imageHeight":2,"imageWidth":4}"#)]
#[case::label_map(
    "label_map.toml",
    "classes = ['a', 'b']\n[ids]\n0 = 'a'\n1 = 1\n[colors]\n'1,2,3' = 0\n"
)]
#[case::cvat("labelmap.txt", "# label\nroad:0,0,0::\ncar:1,1,1::\n")]
fn texts(#[case] name: &str, #[case] text: &str) {
    let folder = Folder::new();
    folder.photo("a.png", 4, 0);
    if !name.ends_with("json") {
        folder
            .photo("JPEGImages/a.png", 2, 0)
            .mask("SegmentationClass/a.png", &[0, 1]);
    }
    let mut options = DatasetOptions::default();
    options.limits.max_pixels = 10_000;
    for bytes in damaged(text.as_bytes()) {
        replace(&folder.path(name), &bytes);
        let read = dataset::open(folder.root(), &options).and_then(|dataset| {
            let split = dataset.split(dataset.splits()[0])?;
            split.read(0)
        });
        if let Err(error) = read {
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
}
