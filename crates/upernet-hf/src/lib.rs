//! Hugging Face model folders without burn: configs, weight files, the hub and its cache.
