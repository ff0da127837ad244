//! The patterns of the tables: keys with numbers and names left open.
//!
//! A pattern has as many dotted parts as the keys that it matches. `#` stands for a number, `#odd` and
//! `#even` for one of that kind (0 is not taken for even), both perhaps after letters, as in `norm#`; `*`
//! stands for a whole part. In a pattern that is filled, the numbers come in their order, and `#+1`,
//! `#-1`, `#/2` and `#/2-1` count otherwise than the file does.

/// What a key has in the open places of a pattern.
#[derive(Debug, Default)]
pub(super) struct Captured<'k> {
    numbers: Vec<usize>,
    texts: Vec<&'k str>,
}

/// Digits of a number in a key; no network has more blocks.
const MAX_DIGITS: usize = 4;

/// What `key` has in the open places of `pattern`; `None` if it does not match.
pub(super) fn captured<'k>(pattern: &str, key: &'k str) -> Option<Captured<'k>> {
    let mut found = Captured::default();
    let mut parts = key.split('.');
    for wanted in pattern.split('.') {
        let part = parts.next()?;
        match wanted.split_once('#') {
            None if wanted == "*" => found.texts.push(part),
            None if wanted == part => {}
            None => return None,
            Some((letters, kind)) => {
                let number = number(part.strip_prefix(letters)?)?;
                let fits = match kind {
                    "odd" => number % 2 == 1,
                    "even" => number % 2 == 0 && number > 0,
                    _ => true,
                };
                found.numbers.push(fits.then_some(number)?);
            }
        }
    }
    parts.next().is_none().then_some(found)
}

/// The key that `pattern` makes of what was found; `None` if a number would fall below 0.
pub(super) fn filled(pattern: &str, found: &Captured<'_>) -> Option<String> {
    let mut numbers = found.numbers.iter();
    let mut texts = found.texts.iter();
    let parts = pattern.split('.').map(|part| match part.split_once('#') {
        None if part == "*" => texts.next().map(|text| (*text).to_owned()),
        None => Some(part.to_owned()),
        Some((letters, count)) => {
            let number = *numbers.next()?;
            let number = match count {
                "+1" => number + 1,
                "-1" => number.checked_sub(1)?,
                "/2" => number / 2,
                "/2-1" => (number / 2).checked_sub(1)?,
                _ => number,
            };
            Some(format!("{letters}{number}"))
        }
    });
    Some(parts.collect::<Option<Vec<_>>>()?.join("."))
}

/// Reads a number as it is written in keys, so that no two texts are one number.
fn number(text: &str) -> Option<usize> {
    let plain = text == "0" || !text.starts_with('0');
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    (plain && digits && text.len() <= MAX_DIGITS).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::{captured, filled};

    fn translated(from: &str, to: &str, key: &str) -> Option<String> {
        filled(to, &captured(from, key)?)
    }

    #[test]
    fn numbers_and_names_are_carried_over() {
        for (from, to, key, expected) in [
            ("a.#.b.*", "x.#.*", "a.12.b.bias", Some("x.12.bias")),
            ("a.#.b.*", "x.#.*", "a.12.c.bias", None),
            ("a.#", "x.#", "a.1.b", None),
            ("a.#", "x.#", "a", None),
            (
                "norm#.*",
                "y.stage#+1.*",
                "norm0.weight",
                Some("y.stage1.weight"),
            ),
            ("norm#.*", "y.stage#+1.*", "norm.weight", None),
            ("l.#.d", "l.#-1.d", "l.3.d", Some("l.2.d")),
            ("l.#.d", "l.#-1.d", "l.0.d", None),
            ("f.#odd.#", "s.#/2.#", "f.5.1", Some("s.2.1")),
            ("f.#odd.#", "s.#/2.#", "f.4.1", None),
            ("f.#even.d", "s.#/2-1.d", "f.6.d", Some("s.2.d")),
            ("f.#even.d", "s.#/2-1.d", "f.0.d", None),
            (
                "layer#.#.conv#.*",
                "s.#-1.#.#-1.*",
                "layer4.2.conv3.weight",
                Some("s.3.2.2.weight"),
            ),
        ] {
            assert_eq!(translated(from, to, key).as_deref(), expected, "{key}");
        }
    }

    #[test]
    fn a_number_has_one_spelling_and_an_end() {
        for key in [
            "a.01",
            "a.+1",
            "a.",
            "a.x",
            "a.99999999999999999999999",
            "a.-1",
            "a.١",
        ] {
            assert!(captured("a.#", key).is_none(), "{key}");
        }
        assert!(captured("a.#", "a.0").is_some() && captured("a.#", "a.9999").is_some());
    }
}
