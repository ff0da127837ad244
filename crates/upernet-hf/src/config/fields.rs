//! Typed, bounded reads of a JSON object's fields.
//!
//! A derived `Deserialize` would say "expected usize at line 3": which field it was, what it may
//! hold, and the difference between `null` and absent are only known here.

use std::{fmt::Display, ops::RangeInclusive};

use serde_json::{Map, Value};

use crate::{config::ConfigError, error::quoted};

type Result<T> = std::result::Result<T, ConfigError>;

/// A JSON object whose fields are read by name, with defaults and bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    map: &'a Map<String, Value>,
    prefix: &'a str,
}

impl<'a> Fields<'a> {
    /// Reads the top object of a file.
    pub(crate) fn top(value: &'a Value) -> Result<Self> {
        let map = value
            .as_object()
            .ok_or_else(|| wrong_type("(top)", "an object", value))?;
        Ok(Self { map, prefix: "" })
    }

    /// Reads the object `name`, if it is there; its fields are named `prefix` + field.
    pub(crate) fn object(&self, name: &str, prefix: &'a str) -> Result<Option<Self>> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let map = value.as_object();
        let map = map.ok_or_else(|| wrong_type(&self.path(name), "an object", value))?;
        Ok(Some(Self { map, prefix }))
    }

    /// Returns a field's value; `null` is the same as absent, as in Python's keyword defaults.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// Returns a field's full name.
    pub(crate) fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Reads an integer, or the default.
    pub(crate) fn integer(
        &self,
        name: &str,
        default: usize,
        range: &RangeInclusive<usize>,
    ) -> Result<usize> {
        Ok(self.optional_integer(name, range)?.unwrap_or(default))
    }

    /// Reads an integer that may be absent.
    pub(crate) fn optional_integer(
        &self,
        name: &str,
        range: &RangeInclusive<usize>,
    ) -> Result<Option<usize>> {
        self.get(name)
            .map(|value| integer(&self.path(name), value, range))
            .transpose()
    }

    /// Reads an integer of either sign, or the default.
    pub(crate) fn signed(&self, name: &str, default: i64) -> Result<i64> {
        let Some(value) = self.get(name) else {
            return Ok(default);
        };
        value
            .as_i64()
            .ok_or_else(|| wrong_type(&self.path(name), "an integer", value))
    }

    /// Reads a list of integers; the length and each entry are bounded.
    pub(crate) fn integers(
        &self,
        name: &str,
        default: &[usize],
        lengths: &RangeInclusive<usize>,
        range: &RangeInclusive<usize>,
    ) -> Result<Vec<usize>> {
        let Some(list) = self.list(name, "a list of integers", lengths)? else {
            return Ok(default.to_vec());
        };
        let path = self.path(name);
        list.iter()
            .enumerate()
            .map(|(index, value)| integer(&format!("{path}[{index}]"), value, range))
            .collect()
    }

    /// Reads an integer, or two equal ones (`[height, width]`), or the default.
    pub(crate) fn square(
        &self,
        name: &str,
        default: usize,
        range: &RangeInclusive<usize>,
    ) -> Result<usize> {
        if !self.get(name).is_some_and(Value::is_array) {
            return self.integer(name, default, range);
        }
        match self.integers(name, &[], &(2..=2), range)?[..] {
            [height, width] if height != width => Err(ConfigError::Unsupported {
                field: self.path(name),
                found: format!("{height} x {width}"),
                hint: "height and width must be equal".into(),
            }),
            [side, ..] => Ok(side),
            [] => Ok(default),
        }
    }

    /// Reads a finite number, or the default.
    pub(crate) fn number(
        &self,
        name: &str,
        default: f64,
        range: &RangeInclusive<f64>,
    ) -> Result<f64> {
        let Some(value) = self.get(name) else {
            return Ok(default);
        };
        number(&self.path(name), value, range)
    }

    /// Reads a finite number that `null` switches off: unlike elsewhere, absent is the default.
    pub(crate) fn optional_number(
        &self,
        name: &str,
        default: Option<f64>,
        range: &RangeInclusive<f64>,
    ) -> Result<Option<f64>> {
        match self.map.get(name) {
            None => Ok(default),
            Some(Value::Null) => Ok(None),
            Some(value) => number(&self.path(name), value, range).map(Some),
        }
    }

    /// Reads a list of finite numbers, or the default.
    pub(crate) fn numbers(
        &self,
        name: &str,
        default: &[f64],
        lengths: &RangeInclusive<usize>,
        range: &RangeInclusive<f64>,
    ) -> Result<Vec<f64>> {
        let Some(list) = self.list(name, "a list of numbers", lengths)? else {
            return Ok(default.to_vec());
        };
        let path = self.path(name);
        list.iter()
            .enumerate()
            .map(|(index, value)| number(&format!("{path}[{index}]"), value, range))
            .collect()
    }

    /// Reads a truth value, or the default.
    pub(crate) fn boolean(&self, name: &str, default: bool) -> Result<bool> {
        let Some(value) = self.get(name) else {
            return Ok(default);
        };
        value
            .as_bool()
            .ok_or_else(|| wrong_type(&self.path(name), "true or false", value))
    }

    /// Reads a string that may be absent.
    pub(crate) fn string(&self, name: &str) -> Result<Option<&'a str>> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let text = value.as_str();
        Ok(Some(text.ok_or_else(|| {
            wrong_type(&self.path(name), "a string", value)
        })?))
    }

    /// Reads a list whose length is bounded, and that may be absent.
    pub(crate) fn list(
        &self,
        name: &str,
        expected: &'static str,
        lengths: &RangeInclusive<usize>,
    ) -> Result<Option<&'a [Value]>> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let list = value
            .as_array()
            .ok_or_else(|| wrong_type(&self.path(name), expected, value))?;
        if !lengths.contains(&list.len()) {
            return Err(ConfigError::OutOfRange {
                field: self.path(name),
                found: format!("a list of {}", list.len()),
                allowed: format!("a length of {}", range_text(lengths)),
            });
        }
        Ok(Some(list))
    }
}

/// Makes the error for a value of the wrong type.
pub(crate) fn wrong_type(field: &str, expected: &'static str, value: &Value) -> ConfigError {
    let found = match value {
        Value::Null => "null".into(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(list) => format!("a list of {}", list.len()),
        Value::Object(map) => format!("an object of {} fields", map.len()),
    };
    ConfigError::WrongType {
        field: field.into(),
        expected,
        found,
    }
}

/// Makes the error for a number outside its range.
pub(crate) fn out_of_range<T: Display>(
    field: &str,
    found: impl Display,
    range: &RangeInclusive<T>,
) -> ConfigError {
    ConfigError::OutOfRange {
        field: field.into(),
        found: found.to_string(),
        allowed: range_text(range),
    }
}

fn range_text<T: Display>(range: &RangeInclusive<T>) -> String {
    format!("{} to {}", range.start(), range.end())
}

fn integer(field: &str, value: &Value, range: &RangeInclusive<usize>) -> Result<usize> {
    if !(value.is_u64() || value.is_i64()) {
        return Err(wrong_type(field, "an integer", value));
    }
    let exact = value
        .as_u64()
        .and_then(|number| usize::try_from(number).ok());
    exact
        .filter(|number| range.contains(number))
        .ok_or_else(|| out_of_range(field, value, range))
}

fn number(field: &str, value: &Value, range: &RangeInclusive<f64>) -> Result<f64> {
    let number = value
        .as_f64()
        .ok_or_else(|| wrong_type(field, "a number", value))?;
    if !range.contains(&number) {
        return Err(out_of_range(field, value, range));
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Fields;

    #[test]
    fn whole_floats_are_not_integers() {
        let value = json!({"hidden_size": 16.0});
        let fields = Fields::top(&value).expect("it is an object");
        let error = fields
            .integer("hidden_size", 1, &(1..=32))
            .expect_err("16.0 is a float");
        assert_eq!(
            error.to_string(),
            "field `hidden_size` must be an integer, found 16.0"
        );
    }

    #[test]
    fn negative_and_huge_integers_are_out_of_range() {
        let value = json!({"negative": -1, "huge": u64::MAX});
        let fields = Fields::top(&value).expect("it is an object");
        for (name, found) in [("negative", "-1"), ("huge", "18446744073709551615")] {
            let error = fields
                .integer(name, 1, &(1..=32))
                .expect_err("it is out of range");
            assert_eq!(
                error.to_string(),
                format!("field `{name}` is {found}, allowed is 1 to 32")
            );
        }
    }

    #[test]
    fn null_is_the_same_as_absent() {
        let value = json!({"hidden_size": null});
        let fields = Fields::top(&value).expect("it is an object");
        assert_eq!(fields.integer("hidden_size", 7, &(1..=32)), Ok(7));
        assert_eq!(fields.integer("other", 8, &(1..=32)), Ok(8));
    }

    #[test]
    fn a_pair_must_be_square() {
        let value = json!({"same": [4, 4], "flat": [4, 2]});
        let fields = Fields::top(&value).expect("it is an object");
        assert_eq!(fields.square("same", 1, &(1..=8)), Ok(4));
        let error = fields
            .square("flat", 1, &(1..=8))
            .expect_err("it is not square");
        assert_eq!(
            error.to_string(),
            "field `flat` asks for \"4 x 2\", which is not supported; \
             height and width must be equal"
        );
    }
}
