//! Burnpacks: whatever is accepted can be read whole.

#![no_main]

use libfuzzer_sys::fuzz_target;
use upernet_hf::weights::BurnpackFile;

fuzz_target!(|bytes: &[u8]| {
    match BurnpackFile::from_bytes(bytes.to_vec()) {
        Ok(file) => {
            for (name, info) in file.tensors() {
                assert!(info.byte_len() <= bytes.len(), "{name:?}");
                if let Ok(values) = file.read_f32(name) {
                    assert_eq!(values.len(), info.elements());
                }
                if let Ok(values) = file.read_i64(name) {
                    assert_eq!(values.len(), info.elements());
                }
            }
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
});
