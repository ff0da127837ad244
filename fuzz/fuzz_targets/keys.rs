//! What keys and shapes alone decide: which library named the tensors, what the hub calls them, and the
//! configuration that they tell.
//!
//! The input is text, a tensor on each line: its key, then the lengths of its axes, with tabs between.
//! The file is made whole around them, so nothing is asked that a weight file could not ask.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use libfuzzer_sys::fuzz_target;
use upernet_hf::{
    config::{HfBackboneConfig, HfConfig},
    weights::Checkpoint,
};

/// The half of `upernet-zoo` that maps names and reads shapes. It knows no burn, so it is compiled from
/// its sources here: the crate would need a quarter of an hour.
#[path = "../../crates/upernet-zoo/src"]
#[expect(dead_code, unused_imports, reason = "the other half uses the rest")]
mod zoo {
    pub(crate) mod dialects;
    pub(crate) mod error;
    pub(crate) mod infer;
    pub(crate) mod keys;
    pub(crate) mod names;
    pub(crate) mod report;
}

/// What `names` asks of a parameter of a network; the real one lies beside burn's modules.
mod parameters {
    #[derive(Debug)]
    pub(crate) struct HubParameter {
        pub(crate) path: String,
        pub(crate) key: String,
    }
}

use parameters::HubParameter;
use zoo::{
    dialects,
    error::Error,
    infer::{self, Shapes},
    keys,
    names::{self, HubNames},
    report::{self, Dialect, Dropped, KeyReport, Mismatch},
};

/// Elements of all tensors of a file.
const MOST_ELEMENTS: usize = 1 << 16;
/// Bytes of a message: three keys of a file, some numbers, and the words around them.
const LONGEST_LINE: usize = 4096;

fuzz_target!(|text: &str| {
    let Some(checkpoint) = checkpoint(text) else {
        return;
    };
    for mapped in [HubNames::of_network, HubNames::of_backbone] {
        match mapped(&checkpoint) {
            Ok(names) => look_at(&checkpoint, &names),
            Err(error) => assert_line(&error.to_string()),
        }
    }
    // A burnpack's names are paths of modules; here each leads to the key of its neighbour.
    let keys: Vec<&str> = checkpoint.tensors().map(|(key, _)| key).collect();
    let parameters = keys.windows(2).map(|pair| HubParameter {
        path: pair[0].to_owned(),
        key: pair[1].to_owned(),
    });
    let parameters: Vec<HubParameter> = parameters.collect();
    look_at(&checkpoint, &HubNames::of_modules(&checkpoint, &parameters));
    let _ = dialects::has_heads(keys.iter().copied());
});

/// The file of these tensors; none if a name is refused.
fn checkpoint(text: &str) -> Option<Checkpoint> {
    let mut tensors = BTreeMap::new();
    let mut elements = 0;
    for line in text.split('\n') {
        let mut words = line.split('\t');
        let key = words.next().unwrap_or_default();
        let shape: Result<Vec<usize>, _> = words.map(str::parse).collect();
        let Ok(shape) = shape else { continue };
        let count = shape
            .iter()
            .try_fold(1_usize, |count, &side| count.checked_mul(side));
        let Some(count) = count.filter(|count| *count <= MOST_ELEMENTS - elements) else {
            continue;
        };
        if shape.len() <= 8 && key != "__metadata__" && !tensors.contains_key(key) {
            tensors.insert(key, (shape, [4 * elements, 4 * (elements + count)]));
            elements += count;
        }
    }
    let tensors = tensors.into_iter().map(|(key, (shape, offsets))| {
        let described = serde_json::json!({
            "dtype": "F32", "shape": shape, "data_offsets": offsets,
        });
        (key.to_owned(), described)
    });
    let header = serde_json::Value::Object(tensors.collect()).to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.resize(file.len() + 4 * elements, 0);
    match Checkpoint::from_bytes("model.safetensors", file) {
        Ok(checkpoint) => Some(checkpoint),
        Err(error) => {
            assert_line(&error.to_string());
            None
        }
    }
}

fn look_at(checkpoint: &Checkpoint, names: &HubNames) {
    // Every key is somewhere.
    let sources = names.names.values();
    let sources = sources.flat_map(|source| [Some(&source.name), source.below.as_ref()]);
    let sources = sources.flatten().map(String::as_str);
    let placed: BTreeSet<&str> = sources
        .chain(names.dropped.iter().map(|dropped| dropped.key.as_str()))
        .collect();
    for (key, _) in checkpoint.tensors() {
        assert!(placed.contains(key), "{key:?} is lost");
    }
    assert_eq!(placed.len(), checkpoint.len());
    // What is promised of a tensor is what is read.
    for (key, source) in &names.names {
        let shape = source.shape(checkpoint).expect("the file has it");
        let values = source.read(checkpoint).expect("they are zeros");
        let elements: usize = shape.iter().product();
        assert_eq!(values.len(), elements, "{key:?}: {shape:?}");
    }
    // A report on them is one line, even where nothing has a place.
    let mut report = KeyReport::empty(names.dialect);
    report.unexpected = names.names.keys().cloned().collect();
    report.mismatched = names
        .names
        .iter()
        .map(|(key, source)| Mismatch {
            key: key.clone(),
            found: source.shape(checkpoint).unwrap_or_default(),
            expected: Vec::new(),
        })
        .collect();
    assert_line(&report.problems());

    let shapes = Shapes::of(names, checkpoint);
    match infer::network(&shapes, None) {
        Ok(found) => {
            let again = HfConfig::from_json(found.config.to_json().as_bytes());
            assert_eq!(again.as_ref(), Ok(&found.config));
            assert_line(&found.assumed.join(", "));
        }
        Err(problem) => assert_line(&problem),
    }
    match infer::backbone(&shapes) {
        Ok(found) => {
            let again = HfBackboneConfig::from_json(found.config.to_json().as_bytes());
            assert_eq!(again.as_ref(), Ok(&found.config));
        }
        Err(problem) => assert_line(&problem),
    }
}

fn assert_line(message: &str) {
    assert!(!message.contains('\n'), "{message}");
    assert!(
        message.len() <= LONGEST_LINE,
        "{} bytes: {message}",
        message.len()
    );
}
