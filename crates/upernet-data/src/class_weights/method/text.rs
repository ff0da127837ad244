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
