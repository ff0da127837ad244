//! Weights in other widths, written and read back.

use std::{borrow::Cow, collections::BTreeMap, path::Path};

use upernet_hf::{
    Overwrite,
    weights::{Checkpoint, Dtype, StoredAs, TensorInfo, write_safetensors},
};

const SHAPE: [usize; 2] = [2, 3];
const VALUES: [f32; 6] = [0.1, -0.2, 0.3, 4.0, -5.0, 6.0];

fn write(folder: &Path, stored: StoredAs) -> Checkpoint {
    let path = folder.join(format!("{}.safetensors", stored.name()));
    let infos: BTreeMap<String, TensorInfo> = stored
        .tensors("layer.weight", &SHAPE)
        .expect("it is small")
        .into_iter()
        .collect();
    let bytes = stored.bytes("layer.weight", &SHAPE, &VALUES);
    let bytes = bytes.expect("small numbers");
    write_safetensors(&path, &infos, &BTreeMap::new(), Overwrite::Refuse, |name| {
        Ok(Cow::Borrowed(&bytes[name]))
    })
    .expect("a folder of its own");
    Checkpoint::open(&path).expect("what was just written")
}

#[test]
fn every_width_is_one_tensor_of_the_same_name_and_shape() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, stored) in StoredAs::ALL {
        let checkpoint = write(folder.path(), stored);
        let tensors: Vec<_> = checkpoint.tensors().collect();
        assert_eq!(tensors.len(), 1, "{name}");
        assert_eq!(tensors[0].0, "layer.weight", "{name}");
        assert_eq!(tensors[0].1.shape(), SHAPE, "{name}");
        let values = checkpoint.read_f32("layer.weight").expect("it is there");
        // Half a step: of 2^-11, of 2^-8, and of the largest value of a row in 127 parts.
        let step = |index: usize| match stored {
            StoredAs::F32 => 0.0,
            StoredAs::F16 => VALUES[index].abs() * 2.0_f32.powi(-11),
            StoredAs::Bf16 => VALUES[index].abs() * 2.0_f32.powi(-8),
            _ => [0.3, 6.0][index / 3] / 127.0 / 1.999,
        };
        for (index, (found, expected)) in values.iter().zip(VALUES).enumerate() {
            let difference = (found - expected).abs();
            assert!(difference <= step(index), "{name}: {found} for {expected}");
        }
    }
}

#[test]
fn numbers_without_their_scales_are_no_weight() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("half.safetensors");
    let info = TensorInfo::new(Dtype::I8, vec![1, 2]).expect("it is small");
    let scale = TensorInfo::new(Dtype::F32, vec![2]).expect("it is small");
    let tensors = BTreeMap::from([
        ("a.weight_int8".to_owned(), info),
        ("a.weight_scale".to_owned(), scale),
    ]);
    write_safetensors(
        &path,
        &tensors,
        &BTreeMap::new(),
        Overwrite::Refuse,
        |name| Ok(Cow::Owned(vec![0; tensors[name].byte_len()])),
    )
    .expect("a folder of its own");
    let checkpoint = Checkpoint::open(&path).expect("a sound file");
    let names: Vec<_> = checkpoint.tensors().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        ["a.weight_int8", "a.weight_scale"],
        "two scales for one row"
    );
}
