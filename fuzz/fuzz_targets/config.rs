//! `config.json` and `preprocessor_config.json`: whatever is read can be written and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use upernet_hf::{config::HfConfig, processor::HfProcessorConfig};

fuzz_target!(|text: &[u8]| {
    match HfConfig::from_json(text) {
        Ok(config) => {
            assert_eq!(
                config.backbone.out_channels().len(),
                config.backbone.out_stages().len()
            );
            assert_eq!(HfConfig::from_json(config.to_json().as_bytes()), Ok(config));
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
    match HfProcessorConfig::from_json(text) {
        Ok(config) => assert_eq!(
            HfProcessorConfig::from_json(config.to_json().as_bytes()),
            Ok(config)
        ),
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
});
