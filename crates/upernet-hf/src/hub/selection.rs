//! Which files of a repository make a model folder.
//!
//! The order of preference is that of `transformers`' `from_pretrained`: safetensors before
//! pickles, one file before shards.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Read},
    path::Path,
};

use serde::Deserialize;

use super::Error;
use crate::error::Quoted;

/// The network's configuration; no folder is a model without it.
pub(super) const CONFIG: &str = "config.json";
/// How photos are prepared; optional.
pub(super) const PREPROCESSOR: &str = "preprocessor_config.json";
/// Longest JSON file accepted, bytes. Indices of the largest models have about 1 MB.
pub(super) const LONGEST_JSON: u64 = 16 << 20;
/// Most shards accepted.
const MOST_SHARDS: usize = 1000;

/// One way in which a repository can hold its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weights {
    /// All in this file.
    Whole(&'static str),
    /// In the shards that this index lists.
    Sharded(&'static str),
}

impl Weights {
    /// All ways, the best first.
    const ALL: [Self; 4] = [
        Self::Whole("model.safetensors"),
        Self::Sharded("model.safetensors.index.json"),
        Self::Whole("pytorch_model.bin"),
        Self::Sharded("pytorch_model.bin.index.json"),
    ];

    /// The file to ask for first.
    pub(super) fn entry(self) -> &'static str {
        match self {
            Self::Whole(file) | Self::Sharded(file) => file,
        }
    }

    /// The ways whose entry is there, the best first.
    pub(super) fn available(has: impl Fn(&str) -> bool) -> impl Iterator<Item = Self> {
        Self::ALL
            .into_iter()
            .filter(move |weights| has(weights.entry()))
    }
}

#[derive(Deserialize)]
struct ShardIndex {
    /// Tensor name to shard file.
    weight_map: BTreeMap<String, String>,
}

/// Reads the names of the shards, sorted, each once.
///
/// The names become paths and parts of addresses, so only plain file names pass.
pub(super) fn shards(index: &Path) -> Result<Vec<String>, Error> {
    let broken = |reason: String| Error::Index {
        path: index.to_owned(),
        reason,
    };
    let text = read_bounded(index).map_err(|error| broken(error.to_string()))?;
    let parsed: ShardIndex =
        serde_json::from_str(&text).map_err(|error| broken(format!("no shard index: {error}")))?;
    let names: BTreeSet<String> = parsed.weight_map.into_values().collect();
    if names.is_empty() || names.len() > MOST_SHARDS {
        return Err(broken(format!(
            "it lists {} shards, not 1 to {MOST_SHARDS}",
            names.len()
        )));
    }
    if let Some(bad) = names.iter().find(|name| !is_plain_shard(name)) {
        return Err(broken(format!(
            "{} is not the plain name of a weight file",
            Quoted(bad)
        )));
    }
    Ok(names.into_iter().collect())
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(LONGEST_JSON + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST_JSON {
        return Err(io::Error::other(format!(
            "it is longer than {LONGEST_JSON} bytes"
        )));
    }
    Ok(text)
}

fn is_plain_shard(name: &str) -> bool {
    let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let weights = Path::new(name)
        .extension()
        .is_some_and(|e| e == "safetensors" || e == "bin");
    weights && name.len() <= 200 && !name.starts_with('.') && name.bytes().all(known)
}

#[cfg(test)]
mod tests {
    use super::{Error, LONGEST_JSON, Weights, shards};

    #[test]
    fn safetensors_come_before_pickles_and_files_before_shards() {
        let all = Weights::available(|_| true)
            .map(Weights::entry)
            .collect::<Vec<_>>();
        assert_eq!(
            all,
            [
                "model.safetensors",
                "model.safetensors.index.json",
                "pytorch_model.bin",
                "pytorch_model.bin.index.json"
            ]
        );
        let pickle = Weights::available(|file| file.starts_with("pytorch")).next();
        assert_eq!(pickle, Some(Weights::Whole("pytorch_model.bin")));
        assert_eq!(Weights::available(|_| false).next(), None);
    }

    fn read(json: &str) -> Result<Vec<String>, Error> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let index = folder.path().join("model.safetensors.index.json");
        std::fs::write(&index, json).expect("writable");
        shards(&index)
    }

    #[test]
    fn shards_are_listed_once() {
        let json = r#"{"metadata": {"total_size": 3}, "weight_map":
            {"a": "m-2-of-2.safetensors", "b": "m-1-of-2.safetensors", "c": "m-2-of-2.safetensors"}}"#;
        let names = read(json).expect("a good index");
        assert_eq!(names, ["m-1-of-2.safetensors", "m-2-of-2.safetensors"]);
    }

    #[test]
    fn hostile_shard_names_are_refused() {
        for name in [
            "",
            "../x.safetensors",
            "a/b.safetensors",
            "a\\\\b.safetensors",
            "/etc/x.bin",
            ".bin",
            "config.json",
            "m?.bin",
        ] {
            let json = format!(r#"{{"weight_map": {{"a": "{name}"}}}}"#);
            assert!(
                matches!(read(&json), Err(Error::Index { .. })),
                "{name:?} must be refused"
            );
        }
        let long = "A".repeat(100_000);
        let error = read(&format!(r#"{{"weight_map": {{"a": "{long}"}}}}"#)).expect_err("too long");
        let cut = format!("\"{}\"... is not the plain name", &long[..80]);
        assert!(error.to_string().contains(&cut), "{error}");
    }

    #[test]
    fn indices_without_use_are_refused() {
        assert!(read("{}").is_err() && read("not json").is_err());
        assert!(read(r#"{"weight_map": {}}"#).is_err());
        let many = (0..1001)
            .map(|i| format!(r#""t{i}": "m{i}.bin""#))
            .collect::<Vec<_>>();
        assert!(read(&format!(r#"{{"weight_map": {{{}}}}}"#, many.join(","))).is_err());
        let long = " ".repeat(usize::try_from(LONGEST_JSON).expect("16 MiB fit") + 1);
        let message = read(&long).expect_err("too long").to_string();
        assert!(message.contains("longer than"), "{message}");
    }
}
