//! Builds `PyTorch` archives byte by byte, so that each field can lie.

/// A zip archive of stored entries.
#[derive(Clone)]
pub(crate) struct Archive {
    pub(crate) entries: Vec<Entry>,
    /// Whether sizes and offsets are in zip64 records.
    pub(crate) zip64: bool,
    /// What the end record adds to the directory's true place.
    pub(crate) directory_shift: i32,
}

/// One entry, and how its directory record lies about it.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) data: Vec<u8>,
    pub(crate) flags: u16,
    /// How its bytes are packed; 0 for not at all.
    pub(crate) method: u16,
    pub(crate) claimed_length: Option<u32>,
    pub(crate) header_offset: Option<u32>,
}

impl Entry {
    pub(crate) fn new(name: &str, data: Vec<u8>) -> Self {
        Self {
            name: name.into(),
            data,
            flags: 0,
            method: 0,
            claimed_length: None,
            header_offset: None,
        }
    }
}

impl Archive {
    /// An archive of a pickle and one storage named `0`.
    pub(crate) fn new(pickle: Vec<u8>, storage: Vec<u8>) -> Self {
        let pickle = Entry::new("archive/data.pkl", pickle);
        let storage = Entry::new("archive/data/0", storage);
        Self {
            entries: vec![pickle, storage],
            zip64: false,
            directory_shift: 0,
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut file = Vec::new();
        let mut directory = Vec::new();
        for entry in &self.entries {
            let offset = entry
                .header_offset
                .unwrap_or(u32::try_from(file.len()).expect("small"));
            let length = u32::try_from(entry.data.len()).expect("small");
            let name_length = u16::try_from(entry.name.len())
                .expect("small")
                .to_le_bytes();
            file.extend(b"PK\x03\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
            file.extend(length.to_le_bytes());
            file.extend(length.to_le_bytes());
            file.extend(name_length);
            file.extend([0, 0]);
            file.extend(entry.name.as_bytes());
            file.extend(&entry.data);

            let length = entry.claimed_length.unwrap_or(length);
            directory.extend(b"PK\x01\x02\0\0\0\0");
            directory.extend(entry.flags.to_le_bytes());
            directory.extend(entry.method.to_le_bytes());
            directory.extend([0; 8]);
            let wide = |value: u32| if self.zip64 { u32::MAX } else { value };
            directory.extend(wide(length).to_le_bytes());
            directory.extend(wide(length).to_le_bytes());
            directory.extend(name_length);
            directory.extend(if self.zip64 { 28_u16 } else { 0 }.to_le_bytes());
            directory.extend([0; 10]);
            directory.extend(wide(offset).to_le_bytes());
            directory.extend(entry.name.as_bytes());
            if self.zip64 {
                directory.extend([1, 0, 24, 0]);
                for value in [length, length, offset] {
                    directory.extend(u64::from(value).to_le_bytes());
                }
            }
        }
        let start = u32::try_from(file.len()).expect("small");
        let start = start.wrapping_add_signed(self.directory_shift);
        let size = u32::try_from(directory.len()).expect("small");
        file.extend(directory);
        if self.zip64 {
            let record = file.len() as u64;
            file.extend(b"PK\x06\x06");
            file.extend([0; 36]);
            file.extend(u64::from(size).to_le_bytes());
            file.extend(u64::from(start).to_le_bytes());
            file.extend(b"PK\x06\x07\0\0\0\0");
            file.extend(record.to_le_bytes());
            file.extend([1, 0, 0, 0]);
        }
        file.extend(b"PK\x05\x06\0\0\0\0\0\0\0\0");
        file.extend(size.to_le_bytes());
        file.extend(start.to_le_bytes());
        file.extend([0, 0]);
        file
    }
}

/// A pickle of a dictionary of f32 tensors, as `torch.save` writes it but without memos.
#[derive(Clone)]
pub(crate) struct Pickle {
    pub(crate) bytes: Vec<u8>,
    /// The storage that the tensors to come are in.
    pub(crate) key: &'static str,
}

impl Pickle {
    pub(crate) fn dict() -> Self {
        Self {
            bytes: b"\x80\x02}".to_vec(),
            key: "0",
        }
    }

    pub(crate) fn end(mut self) -> Vec<u8> {
        self.bytes.push(b'.');
        self.bytes
    }

    /// Adds a tensor over a storage of so many elements.
    pub(crate) fn tensor(
        mut self,
        name: &str,
        elements: i64,
        offset: i64,
        shape: &[i64],
        strides: &[i64],
    ) -> Self {
        self.text(name);
        self.bytes.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        self.text("storage");
        self.bytes.extend(b"ctorch\nFloatStorage\n");
        self.text(self.key);
        self.text("cpu");
        self.integer(elements);
        self.bytes.extend(b"tQ");
        self.integer(offset);
        for axes in [shape, strides] {
            self.bytes.push(b'(');
            for &side in axes {
                self.integer(side);
            }
            self.bytes.push(b't');
        }
        self.bytes.extend(b"\x89}tRs");
        self
    }

    fn text(&mut self, text: &str) {
        self.bytes.push(b'X');
        self.bytes
            .extend(u32::try_from(text.len()).expect("small").to_le_bytes());
        self.bytes.extend(text.as_bytes());
    }

    fn integer(&mut self, number: i64) {
        self.bytes.extend([0x8a, 8]);
        self.bytes.extend(number.to_le_bytes());
    }
}
