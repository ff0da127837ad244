//! The `config.json` of a backbone on its own, such as an ImageNet classifier's.

use std::path::Path;

use crate::{
    config::{
        ConfigError, HfBackboneConfig, fields::Fields, head, json_file, limits::MAX_PARAMETERS,
        variant,
    },
    error::Error,
};

impl HfBackboneConfig {
    /// Reads the text of a backbone's own `config.json`, or the backbone out of a `UPerNet`'s.
    ///
    /// Classifiers return their last stage's map alone; [`with_all_stages`](Self::with_all_stages)
    /// makes of it what a `UPerNet` is built on.
    ///
    /// ```
    /// use upernet_hf::config::HfBackboneConfig;
    ///
    /// let text = br#"{
    ///     "architectures": ["ConvNextForImageClassification"],
    ///     "model_type": "convnext",
    ///     "hidden_sizes": [96, 192, 384, 768],
    ///     "depths": [3, 3, 9, 3]
    /// }"#;
    /// let backbone = HfBackboneConfig::from_json(text)?;
    /// assert_eq!(backbone.out_channels(), [768]);
    /// assert_eq!(backbone.with_all_stages().out_channels(), [96, 192, 384, 768]);
    /// # Ok::<(), upernet_hf::config::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error that names the field if the text is not JSON, contradicts itself, is out of
    /// bounds, or describes another network.
    pub fn from_json(text: &[u8]) -> Result<Self, ConfigError> {
        let value = json_file::parse(text)?;
        let fields = Fields::top(&value)?;
        if fields.string("model_type")? == Some("upernet") {
            return Ok(head::parse(&fields)?.backbone);
        }
        let mut backbone = Self::parse(&fields)?;
        variant::read(&fields, &mut backbone)?;
        let parameters = backbone.family().parameters();
        if parameters > MAX_PARAMETERS {
            return Err(head::too_many(parameters));
        }
        Ok(backbone)
    }

    /// Reads a backbone's own `config.json`, or the backbone out of a `UPerNet`'s.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file if it cannot be read, and those of
    /// [`from_json`](Self::from_json).
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = json_file::read(path)?;
        Self::from_json(&text).map_err(|problem| Error::Config {
            path: path.into(),
            problem,
        })
    }

    /// Returns the same backbone with the map of every stage as its output.
    ///
    /// A `BEiT`, whose stages are its layers, returns the maps of four of them through its neck, as its
    /// authors' recipes have it; any other plain transformer those of four layers at equal distances.
    #[must_use]
    pub fn with_all_stages(mut self) -> Self {
        self.family_mut().set_usual_stages();
        self
    }
}
