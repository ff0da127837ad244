//! Text of strangers on its way to a terminal: names of classes, files and tensors.

use std::fmt::Write as _;

/// Escapes what would break the line, command the terminal, or show the rest in another order.
pub(crate) fn one_line(text: &str) -> String {
    escape(text, is_unsafe)
}

/// As [`one_line`], of a text that has several lines.
pub(crate) fn lines(text: &str) -> String {
    escape(text, |character| character != '\n' && is_unsafe(character))
}

fn escape(text: &str, is_unsafe: fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "{}", character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Control characters, Unicode's ends of lines and paragraphs, and all that sets a direction of writing
/// (Unicode Standard Annex 9, section 2), which can make a name look like another.
fn is_unsafe(character: char) -> bool {
    let sets_direction = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    character.is_control() || sets_direction || matches!(character, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::{lines, one_line};

    #[test]
    fn a_message_stays_on_its_line() {
        assert_eq!(one_line("a\nb\r\u{1b}[31m ä"), "a\\nb\\r\\u{1b}[31m ä");
    }

    #[test]
    fn a_text_keeps_its_lines_and_nothing_else() {
        assert_eq!(
            lines("a\n\u{1b}]0;x\u{7}\r\n\u{9b}2J"),
            "a\n\\u{1b}]0;x\\u{7}\\r\n\\u{9b}2J"
        );
    }

    #[test]
    fn names_cannot_be_turned_around() {
        assert_eq!(
            one_line("gpj.\u{202e}exe\u{2066}\u{200f}\u{2028}"),
            "gpj.\\u{202e}exe\\u{2066}\\u{200f}\\u{2028}"
        );
        // Letters of scripts that run from right to left, and joiners between them, are text.
        assert_eq!(one_line("דרך می\u{200c}خواهم"), "דרך می\u{200c}خواهم");
    }
}
