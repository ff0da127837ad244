//! Numbers to little-endian bytes, in the width that a file is to have.

use std::collections::BTreeMap;

use half::{bf16, f16};

use crate::weights::{
    Dtype, TensorError, TensorInfo,
    int8::{self, NUMBERS, SCALES},
};

/// How a file keeps the weights of a network.
///
/// Tensors of fewer than two axes (biases, norms, running statistics) are always F32: they are few, and
/// what is lost of them is lost for a whole channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum StoredAs {
    /// 32 bits, as they are computed with.
    #[default]
    F32,
    /// IEEE's 16 bits: 11 bits of precision, nothing above 65,504.
    F16,
    /// The upper half of 32 bits: 8 bits of precision, the range of F32.
    Bf16,
    /// Whole numbers from -127 to 127 and a scale for each output channel; for weights alone, tables of
    /// positions stay F32.
    Int8,
}

impl StoredAs {
    /// Every way, by the name that a command line has for it.
    pub const ALL: [(&'static str, Self); 4] = [
        ("f32", Self::F32),
        ("f16", Self::F16),
        ("bf16", Self::Bf16),
        ("int8", Self::Int8),
    ];

    /// Returns its name on a command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        let row = Self::ALL.iter().find(|(_, stored)| *stored == self);
        row.map_or("", |(name, _)| name)
    }

    /// Returns the tensors of a file that keep the floating-point tensor `name`, which has `shape`.
    ///
    /// # Errors
    ///
    /// Returns an error if the size does not fit the machine's address space.
    pub fn tensors(
        self,
        name: &str,
        shape: &[usize],
    ) -> Result<Vec<(String, TensorInfo)>, TensorError> {
        let one = |dtype| {
            Ok(vec![(
                name.to_owned(),
                TensorInfo::new(dtype, shape.to_vec())?,
            )])
        };
        match self.of(name, shape) {
            Self::F32 => one(Dtype::F32),
            Self::F16 => one(Dtype::F16),
            Self::Bf16 => one(Dtype::BF16),
            Self::Int8 => Ok(vec![
                (
                    format!("{name}{NUMBERS}"),
                    TensorInfo::new(Dtype::I8, shape.to_vec())?,
                ),
                (
                    format!("{name}{SCALES}"),
                    TensorInfo::new(Dtype::F32, shape[..1].to_vec())?,
                ),
            ]),
        }
    }

    /// Returns the bytes of those tensors, by their names.
    ///
    /// ```
    /// use upernet_hf::weights::StoredAs;
    ///
    /// let values = [1.0, -127.0, 0.5, 0.25];
    /// let files = StoredAs::Int8.bytes("layer.weight", &[2, 2], &values)?;
    /// assert_eq!(files["layer.weight_int8"], [1, 0x81, 127, 64]);
    /// # Ok::<(), upernet_hf::weights::TensorError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error that names the tensor if a value does not fit: above F16's range, or, with
    /// [`Int8`](Self::Int8), no finite number.
    pub fn bytes(
        self,
        name: &str,
        shape: &[usize],
        values: &[f32],
    ) -> Result<BTreeMap<String, Vec<u8>>, TensorError> {
        let out_of_range = |dtype| TensorError::OutOfRange {
            name: name.to_owned(),
            dtype,
        };
        let one = |bytes| Ok(BTreeMap::from([(name.to_owned(), bytes)]));
        match self.of(name, shape) {
            Self::F32 => one(little_endian(values, f32::to_le_bytes)),
            Self::Bf16 => one(little_endian(values, |value| {
                bf16::from_f32(value).to_le_bytes()
            })),
            Self::F16 => {
                let fits = |&value: &f32| !value.is_finite() || f16::from_f32(value).is_finite();
                if !values.iter().all(fits) {
                    return Err(out_of_range(Dtype::F16));
                }
                one(little_endian(values, |value| {
                    f16::from_f32(value).to_le_bytes()
                }))
            }
            Self::Int8 => {
                if !values.iter().all(|value| value.is_finite()) {
                    return Err(out_of_range(Dtype::I8));
                }
                let (numbers, scales) = int8::rounded(values, shape[0]);
                Ok(BTreeMap::from([
                    (format!("{name}{NUMBERS}"), numbers),
                    (
                        format!("{name}{SCALES}"),
                        little_endian(&scales, f32::to_le_bytes),
                    ),
                ]))
            }
        }
    }

    /// How a tensor is kept in a file of this kind.
    fn of(self, name: &str, shape: &[usize]) -> Self {
        let is_weight = name.ends_with(".weight") && shape.iter().all(|&side| side > 0);
        match self {
            _ if shape.len() < 2 => Self::F32,
            Self::Int8 if !is_weight => Self::F32,
            other => other,
        }
    }
}

fn little_endian<const N: usize>(values: &[f32], bytes: impl Fn(f32) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&value| bytes(value)).collect()
}

#[cfg(test)]
mod tests {
    use super::StoredAs;

    #[test]
    fn vectors_and_tables_keep_all_their_bits() {
        for (_, stored) in StoredAs::ALL {
            let name = |name: &str, shape: &[usize]| {
                let tensors = stored.tensors(name, shape).expect("it is small");
                tensors
                    .iter()
                    .map(|(name, info)| format!("{name} {}", info.dtype()))
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            assert_eq!(name("norm.weight", &[3]), "norm.weight F32");
            if stored == StoredAs::Int8 {
                assert_eq!(name("a.bias_table", &[3, 3]), "a.bias_table F32");
                assert_eq!(
                    name("a.weight", &[2, 3]),
                    "a.weight_int8 I8, a.weight_scale F32"
                );
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let error = StoredAs::F16.bytes("a.weight", &[1, 2], &[1.0, 7e4]);
        assert_eq!(
            error.expect_err("above 65,504").to_string(),
            "tensor \"a.weight\" has values that F16 cannot hold; store it as bf16 or f32"
        );
        let error = StoredAs::Int8.bytes("a.weight", &[1, 2], &[1.0, f32::NAN]);
        assert!(error.is_err(), "no whole number is NaN");
    }
}
