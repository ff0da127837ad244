//! Protobuf's wire format, as much of it as an ONNX file needs.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>; field numbers are those of
//! [`onnx.proto`](https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). That file is of proto2, so
//! repeated numbers are not packed. Fields are written in the order of their numbers, as protobuf's own
//! writers do.

/// How the value of a field is laid out.
#[derive(Clone, Copy)]
enum Wire {
    Varint = 0,
    Delimited = 2,
    Fixed32 = 5,
}

/// A message under construction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// Adds a whole number or an enumerator.
    pub(crate) fn int(&mut self, field: u32, value: i64) {
        self.tag(field, Wire::Varint);
        // A negative number is sent as its two's complement of 64 bits.
        push_varint(&mut self.bytes, value.cast_unsigned());
    }

    /// Adds a number of 32 bits.
    pub(crate) fn float(&mut self, field: u32, value: f32) {
        self.tag(field, Wire::Fixed32);
        self.bytes.extend(value.to_le_bytes());
    }

    /// Adds bytes, or a text as UTF-8.
    pub(crate) fn data(&mut self, field: u32, value: &[u8]) {
        self.announce(field, value.len() as u64);
        self.bytes.extend(value);
    }

    /// Adds a message as a field of this one.
    pub(crate) fn message(&mut self, field: u32, value: &Self) {
        self.data(field, &value.bytes);
    }

    /// Adds what comes before `length` bytes of a field that are written elsewhere.
    pub(crate) fn announce(&mut self, field: u32, length: u64) {
        self.tag(field, Wire::Delimited);
        push_varint(&mut self.bytes, length);
    }

    /// Adds the fields of another message.
    pub(crate) fn append(&mut self, other: &Self) {
        self.bytes.extend(&other.bytes);
    }

    /// Returns the bytes so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn tag(&mut self, field: u32, wire: Wire) {
        push_varint(&mut self.bytes, u64::from(field << 3) | wire as u64);
    }
}

/// Adds a number, seven bits to a byte, the lowest first; all bytes but the last have the top bit set.
fn push_varint(bytes: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::Message;

    // The examples of protobuf's own description of the format.
    #[test]
    fn numbers() {
        let mut message = Message::default();
        message.int(1, 150);
        assert_eq!(message.bytes(), [0x08, 0x96, 0x01]);
        let mut negative = Message::default();
        negative.int(1, -2);
        assert_eq!(
            negative.bytes(),
            [
                0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01
            ]
        );
        let mut float = Message::default();
        float.float(2, 1.0);
        assert_eq!(float.bytes(), [0x15, 0, 0, 0x80, 0x3f]);
    }

    #[test]
    fn texts_and_messages() {
        let mut text = Message::default();
        text.data(2, b"testing");
        assert_eq!(text.bytes(), b"\x12\x07testing");
        let mut inner = Message::default();
        inner.int(1, 150);
        let mut outer = Message::default();
        outer.message(3, &inner);
        assert_eq!(outer.bytes(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
    }

    #[test]
    fn an_announced_field_is_the_field_without_its_bytes() {
        let bytes = [7; 300];
        let (mut whole, mut announced) = (Message::default(), Message::default());
        whole.data(20, &bytes);
        announced.announce(20, 300);
        assert_eq!(whole.bytes(), [announced.bytes(), &bytes].concat());
    }
}
