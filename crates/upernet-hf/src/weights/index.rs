//! The index of a sharded checkpoint: which file holds which tensor.

use std::{
    collections::BTreeMap,
    path::{Component, Path},
};

use serde_json::Value;

use crate::error::{ErrorKind, Quoted};

/// Files that an index may name.
const MAX_SHARDS: usize = 1024;

/// Bytes of a file's name: no system has longer ones.
const MAX_FILE_NAME: usize = 255;

/// What is wrong with the index of a sharded checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The file is not JSON.
    #[error("is not valid JSON: {message}")]
    NotJson {
        /// What the JSON parser said.
        message: String,
    },
    /// There is no map from tensors to files, or an empty one.
    #[error("has no `weight_map` that names a file for each tensor")]
    NoWeightMap,
    /// A tensor's entry is not a file name in the index's own folder.
    #[error(
        "places tensor {} in {}, which is not a file name in the same folder",
        Quoted(.tensor),
        Quoted(.shard)
    )]
    NotAFileName {
        /// The tensor.
        tensor: String,
        /// What stands where a file name should.
        shard: String,
    },
    /// The index names more files than any checkpoint has.
    #[error("names more than {limit} files")]
    TooManyShards {
        /// The most files that are opened.
        limit: usize,
    },
    /// A file does not hold a tensor that the index places there.
    #[error("places tensor {} in {}, which does not hold it", Quoted(.tensor), Quoted(.shard))]
    MissingTensor {
        /// The tensor.
        tensor: String,
        /// The file.
        shard: String,
    },
    /// A file holds a tensor that the index does not place there.
    #[error("does not place tensor {} in {}, which holds it", Quoted(.tensor), Quoted(.shard))]
    ExtraTensor {
        /// The tensor.
        tensor: String,
        /// The file.
        shard: String,
    },
}

impl IndexError {
    /// Returns which kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::BadData
    }
}

/// Reads an index: for each file, in order of its name, the tensors it should hold.
pub(crate) fn parse(text: &[u8]) -> Result<BTreeMap<String, Vec<String>>, IndexError> {
    let value: Value = serde_json::from_slice(text).map_err(|error| IndexError::NotJson {
        message: error.to_string(),
    })?;
    let map = value.get("weight_map").and_then(Value::as_object);
    let map = map
        .filter(|map| !map.is_empty())
        .ok_or(IndexError::NoWeightMap)?;
    let mut shards = BTreeMap::<String, Vec<String>>::new();
    for (tensor, shard) in map {
        let name = shard.as_str().filter(|name| is_file_name(name));
        let name = name.ok_or_else(|| IndexError::NotAFileName {
            tensor: tensor.clone(),
            shard: shard
                .as_str()
                .map_or_else(|| shard.to_string(), str::to_owned),
        })?;
        shards.entry(name.into()).or_default().push(tensor.clone());
        if shards.len() > MAX_SHARDS {
            return Err(IndexError::TooManyShards { limit: MAX_SHARDS });
        }
    }
    Ok(shards)
}

/// Tells a plain file name from a path, on every system's terms.
fn is_file_name(name: &str) -> bool {
    let mut components = Path::new(name).components();
    let plain = matches!(components.next(), Some(Component::Normal(part)) if part == name);
    let short = name.len() <= MAX_FILE_NAME;
    plain && short && components.next().is_none() && !name.contains(['/', '\\', ':', '\0'])
}

#[cfg(test)]
mod tests {
    use super::{IndexError, is_file_name, parse};

    #[test]
    fn only_plain_names_are_file_names() {
        assert!(is_file_name("model-00001-of-00002.safetensors"));
        for name in [
            "", ".", "..", "../x", "/x", "a/b", "a/", "a/..", "./a", "a\\b", "C:x", "\\\\s\\x",
            "a\0",
        ] {
            assert!(!is_file_name(name), "{name:?}");
        }
    }

    #[test]
    fn tensors_are_grouped_by_file() {
        let shards = parse(br#"{"metadata": {}, "weight_map": {"c": "1", "a": "2", "b": "1"}}"#);
        let shards = shards.expect("it is well formed");
        assert_eq!(shards["1"], ["b", "c"]);
        assert_eq!(shards["2"], ["a"]);
    }

    #[test]
    fn malformed_indices_are_refused() {
        for text in ["{}", "[]", r#"{"weight_map": []}"#, r#"{"weight_map": {}}"#] {
            assert_eq!(
                parse(text.as_bytes()),
                Err(IndexError::NoWeightMap),
                "{text}"
            );
        }
        let error = parse(br#"{"weight_map": {"a": "../secret"}}"#).expect_err("it escapes");
        assert_eq!(
            error.to_string(),
            "places tensor \"a\" in \"../secret\", which is not a file name in the same folder"
        );
        let long = format!(r#"{{"weight_map": {{"a": "{}"}}}}"#, "A".repeat(256));
        let error = parse(long.as_bytes()).expect_err("no system has such names");
        let cut = format!("places tensor \"a\" in \"{}\"..., which", "A".repeat(80));
        assert!(error.to_string().starts_with(&cut), "{error}");
        let error = parse(br#"{"weight_map": {"a": 3}}"#).expect_err("3 is no file");
        assert!(matches!(error, IndexError::NotAFileName { .. }), "{error}");
        let many: Vec<String> = (0..1025).map(|n| format!("\"{n}\": \"{n}\"")).collect();
        let many = format!("{{\"weight_map\": {{{}}}}}", many.join(", "));
        assert_eq!(
            parse(many.as_bytes()),
            Err(IndexError::TooManyShards { limit: 1024 })
        );
    }
}
