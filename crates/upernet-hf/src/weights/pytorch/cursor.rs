//! Reading a pickle's operands from front to back.

use crate::weights::PickleError;

type Result<T> = std::result::Result<T, PickleError>;

/// The bytes of a pickle and how far they have been read.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    /// Starts at the first byte.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Returns how many bytes have been read.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// Reads so many bytes, which stay where they are.
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.position..];
        let taken = rest.get(..length).ok_or(PickleError::Truncated)?;
        self.position += length;
        Ok(taken)
    }

    /// Reads one byte.
    pub(super) fn byte(&mut self) -> Result<u8> {
        self.take(1).map(|byte| byte[0])
    }

    /// Passes over so many bytes.
    pub(super) fn skip(&mut self, length: usize) -> Result<()> {
        self.take(length).map(drop)
    }

    /// Reads a little-endian number of up to four bytes.
    pub(super) fn number<const BYTES: usize>(&mut self) -> Result<u32> {
        let bytes = self.take(BYTES)?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |number, &byte| number << 8 | u32::from(byte)))
    }

    /// Reads text behind its length, a number of so many bytes.
    pub(super) fn text<const BYTES: usize>(&mut self) -> Result<&'a str> {
        let length = self.number::<BYTES>()?;
        // A length that this machine cannot address is past the end in any case.
        let bytes = self.take(usize::try_from(length).unwrap_or(usize::MAX))?;
        str::from_utf8(bytes).map_err(|_| PickleError::NotUtf8)
    }

    /// Reads text up to the end of its line.
    pub(super) fn line(&mut self) -> Result<&'a str> {
        let rest = &self.bytes[self.position..];
        let length = rest
            .iter()
            .position(|&byte| byte == b'\n')
            .ok_or(PickleError::Truncated)?;
        let line = self.take(length)?;
        self.skip(1)?;
        str::from_utf8(line).map_err(|_| PickleError::NotUtf8)
    }

    /// Reads an integer of any length, or `None` if it does not fit in 64 bits.
    pub(super) fn long(&mut self) -> Result<Option<i64>> {
        let length = self.byte()?;
        let bytes = self.take(length.into())?;
        if bytes.len() > 8 {
            return Ok(None);
        }
        let negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
        let mut number = if negative { [0xff; 8] } else { [0; 8] };
        number[..bytes.len()].copy_from_slice(bytes);
        Ok(Some(i64::from_le_bytes(number)))
    }
}

#[cfg(test)]
mod tests {
    use super::Cursor;
    use crate::weights::PickleError;

    #[test]
    fn integers_of_any_length_keep_their_sign() {
        for (bytes, expected) in [
            (&[0][..], Some(0)),
            (&[1, 0xff], Some(-1)),
            (&[2, 0xff, 0], Some(255)),
            (&[8, 0, 0, 0, 0, 0, 0, 0, 0x80], Some(i64::MIN)),
            (&[9, 0, 0, 0, 0, 0, 0, 0, 0, 1], None),
        ] {
            assert_eq!(Cursor::new(bytes).long(), Ok(expected), "{bytes:?}");
        }
        assert_eq!(Cursor::new(&[2, 1]).long(), Err(PickleError::Truncated));
    }

    #[test]
    fn lines_and_texts_end_where_they_say() {
        let mut cursor = Cursor::new(b"os\nsystem\n\x02abc");
        assert_eq!((cursor.line(), cursor.line()), (Ok("os"), Ok("system")));
        assert_eq!((cursor.text::<1>(), cursor.position()), (Ok("ab"), 13));
        assert_eq!(cursor.line(), Err(PickleError::Truncated));
        assert_eq!(cursor.text::<4>(), Err(PickleError::Truncated));
    }
}
