//! The JSON header of a safetensors file.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
};

use serde::{
    Deserialize,
    de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor},
};

use crate::{
    error::quoted,
    weights::{GIT_LFS_POINTER, SafetensorsError},
};

/// Bytes of a header that are read at most, as in the format's own library.
const MAX_HEADER_BYTES: u64 = 100_000_000;
/// Tensors of a file; the largest network here has about a thousand.
const MAX_TENSORS: usize = 1 << 16;
/// Axes of a tensor; convolution weights have four.
const MAX_RANK: usize = 8;
/// Characters of a parser's message that are repeated; it may quote the file.
const MESSAGE_CHARACTERS: usize = 300;

/// The header as it stands in the file, in the file's order.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) tensors: Vec<Entry>,
    pub(super) metadata: BTreeMap<String, String>,
}

/// One tensor as the header describes it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) dtype: String,
    pub(super) shape: Vec<u64>,
    pub(super) offsets: [u64; 2],
}

/// Splits a file into its header and its data.
pub(super) fn split(file: &[u8]) -> Result<(&[u8], &[u8]), SafetensorsError> {
    if file.starts_with(GIT_LFS_POINTER) {
        return Err(SafetensorsError::GitLfsPointer);
    }
    let found = file.len() as u64;
    let Some((length, rest)) = file.split_first_chunk() else {
        return Err(SafetensorsError::TooShort { found });
    };
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER_BYTES || length > rest.len() as u64 {
        return Err(SafetensorsError::HeaderLength { length, found });
    }
    let length = usize::try_from(length).expect("it is at most the length of the rest");
    Ok(rest.split_at(length))
}

/// Parses a header; its contents are not checked against each other yet.
pub(super) fn parse(header: &[u8]) -> Result<Header, SafetensorsError> {
    serde_json::from_slice(header).map_err(|error| {
        let message = error.to_string().chars().take(MESSAGE_CHARACTERS).collect();
        SafetensorsError::Header { message }
    })
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut header = Header {
            tensors: Vec::new(),
            metadata: BTreeMap::new(),
        };
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            let blame = |error: A::Error| A::Error::custom(format!("{}: {error}", quoted(&name)));
            if !names.insert(name.clone()) {
                return Err(A::Error::custom(format!(
                    "{} is there twice",
                    quoted(&name)
                )));
            }
            if name == "__metadata__" {
                let metadata: Option<_> = map.next_value().map_err(blame)?;
                header.metadata = metadata.unwrap_or_default();
                continue;
            }
            let Described {
                dtype,
                shape: Shape(shape),
                data_offsets: offsets,
            } = map.next_value().map_err(blame)?;
            if header.tensors.len() == MAX_TENSORS {
                return Err(A::Error::custom(format!("more than {MAX_TENSORS} tensors")));
            }
            header.tensors.push(Entry {
                name,
                dtype,
                shape,
                offsets,
            });
        }
        Ok(header)
    }
}

/// The value of one entry.
#[derive(Deserialize)]
struct Described {
    dtype: String,
    shape: Shape,
    data_offsets: [u64; 2],
}

/// A shape that stops being read at the first axis too many.
struct Shape(Vec<u64>);

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of axis lengths")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Shape, A::Error> {
        let mut shape = Vec::new();
        while let Some(side) = list.next_element()? {
            if shape.len() == MAX_RANK {
                return Err(A::Error::custom(format!(
                    "a shape of more than {MAX_RANK} axes"
                )));
            }
            shape.push(side);
        }
        Ok(Shape(shape))
    }
}
