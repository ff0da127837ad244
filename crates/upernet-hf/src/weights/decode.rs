//! Little-endian bytes to numbers.

use half::{bf16, f16, slice::HalfFloatSliceExt};

use crate::weights::{Dtype, TensorError};

/// Converts a floating-point tensor of any width to `f32`; `f64` is rounded to nearest.
pub(crate) fn to_f32(name: &str, dtype: Dtype, bytes: &[u8]) -> Result<Vec<f32>, TensorError> {
    match dtype {
        Dtype::F32 => Ok(map(bytes, f32::from_le_bytes)),
        Dtype::F16 => Ok(halves(bytes)),
        Dtype::BF16 => Ok(map(bytes, |element| bf16::from_le_bytes(element).to_f32())),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "rounding to f32 is what is asked for"
        )]
        Dtype::F64 => Ok(map(bytes, |element| f64::from_le_bytes(element) as f32)),
        found => {
            let expected = "a floating-point type";
            Err(TensorError::WrongDtype {
                name: name.into(),
                found,
                expected,
            })
        }
    }
}

/// Converts an integer tensor of any width to `i64`; truth values become 0 and 1.
pub(crate) fn to_i64(name: &str, dtype: Dtype, bytes: &[u8]) -> Result<Vec<i64>, TensorError> {
    match dtype {
        Dtype::I64 => Ok(map(bytes, i64::from_le_bytes)),
        Dtype::I32 => Ok(map(bytes, |element| i32::from_le_bytes(element).into())),
        Dtype::I16 => Ok(map(bytes, |element| i16::from_le_bytes(element).into())),
        Dtype::I8 => Ok(map(bytes, |element| i8::from_le_bytes(element).into())),
        Dtype::U32 => Ok(map(bytes, |element| u32::from_le_bytes(element).into())),
        Dtype::U16 => Ok(map(bytes, |element| u16::from_le_bytes(element).into())),
        Dtype::U8 => Ok(map(bytes, |element| u8::from_le_bytes(element).into())),
        Dtype::Bool => Ok(map(bytes, |[element]| (element != 0).into())),
        Dtype::U64 => map(bytes, |element| i64::try_from(u64::from_le_bytes(element)))
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(|_| TensorError::IntegerTooLarge { name: name.into() }),
        found @ (Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64) => {
            let expected = "an integer type";
            Err(TensorError::WrongDtype {
                name: name.into(),
                found,
                expected,
            })
        }
    }
}

/// Some at a time, for which processors have an instruction.
fn halves(bytes: &[u8]) -> Vec<f32> {
    const AT_A_TIME: usize = 256;
    let elements = bytes.as_chunks().0;
    let mut numbers = vec![0.0; elements.len()];
    let mut some = [f16::ZERO; AT_A_TIME];
    for (elements, numbers) in elements
        .chunks(AT_A_TIME)
        .zip(numbers.chunks_mut(AT_A_TIME))
    {
        for (half, &element) in some.iter_mut().zip(elements) {
            *half = f16::from_le_bytes(element);
        }
        some[..elements.len()].convert_to_f32_slice(numbers);
    }
    numbers
}

/// Whether no number is NaN or infinite.
pub(crate) fn all_finite(values: &[f32]) -> bool {
    // A fold without an exit runs on whole vectors; an exit after each block is early enough.
    const BLOCK: usize = 4096;
    values.chunks(BLOCK).all(|block| {
        let finite = block.iter().map(|value| value.is_finite());
        finite.fold(true, |all, finite| all & finite)
    })
}

fn map<const N: usize, T>(bytes: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|&element| number(element))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{all_finite, to_f32, to_i64};
    use crate::weights::Dtype;

    #[test]
    fn every_floating_point_width_is_read() {
        // 1.5 and -2.0 in each format, little-endian.
        let cases: [(Dtype, &[u8]); 4] = [
            (Dtype::F16, &[0x00, 0x3e, 0x00, 0xc0]),
            (Dtype::BF16, &[0xc0, 0x3f, 0x00, 0xc0]),
            (Dtype::F32, &[0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0]),
            (
                Dtype::F64,
                &[0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0],
            ),
        ];
        for (dtype, bytes) in cases {
            assert_eq!(to_f32("t", dtype, bytes), Ok(vec![1.5, -2.0]), "{dtype}");
            assert!(to_i64("t", dtype, bytes).is_err(), "{dtype} is no integer");
        }
    }

    #[test]
    fn one_number_that_is_not_finite_is_found_wherever_it_is() {
        let values = vec![f32::MAX; 9000];
        assert!(all_finite(&values) && all_finite(&[]));
        for place in [0, 4095, 4096, 8999] {
            for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut values = values.clone();
                values[place] = wrong;
                assert!(!all_finite(&values), "{wrong} at {place}");
            }
        }
    }

    #[test]
    fn every_integer_width_is_read() {
        for (dtype, bytes, expected) in [
            (Dtype::I8, vec![0xff], -1),
            (Dtype::U8, vec![0xff], 255),
            (Dtype::I16, vec![0xfe, 0xff], -2),
            (Dtype::U16, vec![0xfe, 0xff], 65534),
            (Dtype::I32, vec![0xfd, 0xff, 0xff, 0xff], -3),
            (Dtype::U32, vec![0xfd, 0xff, 0xff, 0xff], 4_294_967_293),
            (Dtype::I64, (-4_i64).to_le_bytes().to_vec(), -4),
            (Dtype::U64, 5_u64.to_le_bytes().to_vec(), 5),
            (Dtype::Bool, vec![2], 1),
        ] {
            assert_eq!(to_i64("t", dtype, &bytes), Ok(vec![expected]), "{dtype}");
            assert!(to_f32("t", dtype, &bytes).is_err(), "{dtype} is no float");
        }
        let error = to_i64("t", Dtype::U64, &[0xff; 8]).expect_err("2^64 - 1 does not fit");
        assert_eq!(
            error.to_string(),
            "tensor \"t\" holds an integer above 2^63 - 1"
        );
    }
}
