//! Safetensors files: whatever is accepted can be read whole.

#![no_main]

use libfuzzer_sys::fuzz_target;
use upernet_hf::weights::SafetensorsFile;

fuzz_target!(|bytes: &[u8]| {
    match SafetensorsFile::from_bytes(bytes.to_vec()) {
        Ok(file) => {
            let mut total = 0;
            for (name, info) in file.tensors() {
                total += info.byte_len();
                assert_eq!(file.bytes(name).map(<[u8]>::len), Some(info.byte_len()));
                if let Ok(values) = file.read_f32(name) {
                    assert_eq!(values.len(), info.elements());
                }
                if let Ok(values) = file.read_i64(name) {
                    assert_eq!(values.len(), info.elements());
                }
            }
            assert!(total <= bytes.len(), "{total} bytes of tensors");
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
});
