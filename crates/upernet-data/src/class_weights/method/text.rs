//! Weights in a config file: the name of a method, or a list.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::ClassWeights;

/// The methods that have a name.
const METHODS: [(&str, ClassWeights); 4] = [
    ("uniform", ClassWeights::Uniform),
    ("inverse_frequency", ClassWeights::InverseFrequency),
    ("median_frequency", ClassWeights::MedianFrequency),
    ("enet", ClassWeights::Enet),
];

/// Further names under which methods are read, not written.
const OTHER_NAMES: [(&str, ClassWeights); 2] = [
    ("none", ClassWeights::Uniform),
    ("auto", ClassWeights::Enet),
];

/// Most weights of a list: one for each label that fits 16 bits.
const MOST_WEIGHTS: usize = 1 << 16;

impl Serialize for ClassWeights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Self::Given(weights) = self {
            return weights.serialize(serializer);
        }
        let (name, _) = METHODS
            .iter()
            .find(|(_, method)| method == self)
            .expect("every method but a list has a name");
        serializer.serialize_str(name)
    }
}

impl<'de> Deserialize<'de> for ClassWeights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameOrList)
    }
}

// By hand, since an untagged enum says no more than that the data is none of its variants.
struct NameOrList;

impl<'de> de::Visitor<'de> for NameOrList {
    type Value = ClassWeights;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = METHODS.map(|(name, _)| format!("\"{name}\"")).join(", ");
        write!(
            formatter,
            "{names} or a list with one number for each class"
        )
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<ClassWeights, E> {
        METHODS
            .into_iter()
            .chain(OTHER_NAMES)
            .find(|(known, _)| *known == name)
            .map(|(_, method)| method)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Str(name), &self))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<ClassWeights, A::Error> {
        let mut weights = Vec::new();
        while let Some(weight) = list.next_element()? {
            if weights.len() == MOST_WEIGHTS {
                return Err(de::Error::invalid_length(weights.len() + 1, &self));
            }
            weights.push(weight);
        }
        Ok(ClassWeights::Given(weights))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Loss {
        class_weights: ClassWeights,
    }

    #[test]
    fn methods_and_lists_are_read_and_written() {
        for (text, class_weights) in [
            ("\"uniform\"", ClassWeights::Uniform),
            ("\"inverse_frequency\"", ClassWeights::InverseFrequency),
            ("\"median_frequency\"", ClassWeights::MedianFrequency),
            ("\"enet\"", ClassWeights::Enet),
            ("\"none\"", ClassWeights::Uniform),
            ("\"auto\"", ClassWeights::Enet),
            ("[0.5, 2]", ClassWeights::Given(vec![0.5, 2.0])),
        ] {
            let loss = Loss { class_weights };
            let text = format!("class_weights = {text}");
            assert_eq!(toml::from_str::<Loss>(&text).unwrap(), loss);
            let json = serde_json::to_string(&loss).unwrap();
            assert_eq!(serde_json::from_str::<Loss>(&json).unwrap(), loss);
        }
    }

    #[test]
    fn other_things_are_refused_with_what_there_is() {
        for text in ["\"median\"", "3", "true", "[\"a\"]"] {
            let text = format!("class_weights = {text}");
            let error = toml::from_str::<Loss>(&text).unwrap_err().to_string();
            assert!(error.contains("class_weights ="), "{error}");
        }
        let error = serde_json::from_str::<ClassWeights>("\"median\"").unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid value: string \"median\", expected \"uniform\", \"inverse_frequency\", \
             \"median_frequency\", \"enet\" or a list with one number for each class \
             at line 1 column 8"
        );
    }
}
