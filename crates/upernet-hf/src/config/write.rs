//! Writing `config.json` so that `transformers` 4 and 5 build the same network from it.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::{
    config::{HfBackboneConfig, HfConfig, variant},
    error::Error,
    output::{Overwrite, write_file},
};

impl HfConfig {
    /// Returns the text of a `config.json` that Hugging Face loads to the same network.
    ///
    /// ```
    /// use upernet_hf::config::{HfBackboneConfig, HfConfig, HfConvNextConfig};
    ///
    /// let mut config = HfConfig::new(HfBackboneConfig::ConvNext(HfConvNextConfig {
    ///     out_stages: vec![1, 2, 3, 4],
    ///     ..HfConvNextConfig::default()
    /// }));
    /// config.id2label = vec!["road".into(), "sky".into(), "tree".into()];
    /// assert_eq!(HfConfig::from_json(config.to_json().as_bytes())?, config);
    /// # Ok::<(), upernet_hf::config::ConfigError>(())
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        let numbered = self.id2label.iter().enumerate();
        let id2label: Map<String, Value> = numbered
            .clone()
            .map(|(id, name)| (id.to_string(), json!(name)))
            .collect();
        let label2id: Map<String, Value> = numbered
            .map(|(id, name)| (name.clone(), json!(id)))
            .collect();
        let mut value = json!({
            "architectures": ["UperNetForSemanticSegmentation"],
            "model_type": "upernet",
            "torch_dtype": "float32",
            "backbone_config": self.backbone.to_value(),
            "hidden_size": self.hidden_size,
            "initializer_range": self.initializer_range,
            "pool_scales": self.pool_scales,
            "use_auxiliary_head": self.use_auxiliary_head,
            "auxiliary_loss_weight": self.auxiliary_loss_weight,
            "auxiliary_in_channels": self.auxiliary_in_channels,
            "auxiliary_channels": self.auxiliary_channels,
            "auxiliary_num_convs": self.auxiliary_num_convs,
            "auxiliary_concat_input": self.auxiliary_concat_input,
            "loss_ignore_index": self.loss_ignore_index,
            "id2label": id2label,
            "label2id": label2id,
        });
        if let Some(map) = value.as_object_mut() {
            variant::write(&self.backbone, map);
        }
        format!("{value:#}\n")
    }

    /// Writes a `config.json`; nothing is left behind if it fails.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file if it exists and may not be replaced, or cannot be
    /// written.
    pub fn write(&self, path: &Path, overwrite: Overwrite) -> Result<(), Error> {
        write_file(path, self.to_json().as_bytes(), overwrite)
    }
}

impl HfBackboneConfig {
    /// Returns the text of the `config.json` of a backbone on its own, such as a `SwinBackbone`'s.
    ///
    /// ```
    /// use upernet_hf::config::{HfBackboneConfig, HfSwinConfig};
    ///
    /// let backbone = HfBackboneConfig::Swin(HfSwinConfig::default()).with_all_stages();
    /// let text = backbone.to_json();
    /// assert!(text.contains("SwinBackbone"));
    /// assert_eq!(HfBackboneConfig::from_json(text.as_bytes())?, backbone);
    /// # Ok::<(), upernet_hf::config::ConfigError>(())
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut value = self.to_value();
        if let Some(map) = value.as_object_mut() {
            let class = self.family().backbone_class();
            map.insert("architectures".into(), json!([class]));
            map.insert("torch_dtype".into(), json!("float32"));
            variant::write(self, map);
        }
        format!("{value:#}\n")
    }

    /// Writes the `config.json` of a backbone on its own; nothing is left behind if it fails.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file if it exists and may not be replaced, or cannot be
    /// written.
    pub fn write(&self, path: &Path, overwrite: Overwrite) -> Result<(), Error> {
        write_file(path, self.to_json().as_bytes(), overwrite)
    }

    fn to_value(&self) -> Value {
        let mut map = Map::new();
        self.family().write(&mut map);
        let stages = self.stage_channels().len();
        let names = self.family().stage_names();
        for (name, value) in names.fields(stages, self.out_stages()) {
            map.insert(name.into(), value);
        }
        Value::Object(map)
    }
}
