//! Standard output as a place for results, whoever reads it.

use std::io::{self, Write as _};

use serde::Serialize;

use super::escape::lines;
use crate::failure::Failure;

/// Standard output. A reader that goes away, such as `head`, silences it and is no failure.
#[derive(Debug, Default)]
pub(crate) struct Stdout {
    closed: bool,
}

impl Stdout {
    /// Writes lines for people, at once: what a terminal would obey is escaped.
    ///
    /// A name that was read goes through [`one_line`](super::one_line) first, or it could be two lines.
    pub(crate) fn print(&mut self, text: &str) -> Result<(), Failure> {
        self.print_verbatim(lines(text).as_bytes())
    }

    /// Writes a piece of a text for programs as it is, at once.
    pub(crate) fn print_verbatim(&mut self, piece: &[u8]) -> Result<(), Failure> {
        if self.closed {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        match stdout.write_all(piece).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(error) => Err(Failure::Failed(format!(
                "standard output: cannot be written: {error}"
            ))),
            Ok(()) => Ok(()),
        }
    }

    /// Writes one whole JSON document.
    pub(crate) fn print_json(&mut self, document: &impl Serialize) -> Result<(), Failure> {
        let mut text = to_json(document, true)?;
        text.push('\n');
        self.print_verbatim(text.as_bytes())
    }
}

/// Serialises `value`, over several lines if `pretty`.
pub(crate) fn to_json(value: &impl Serialize, pretty: bool) -> Result<String, Failure> {
    let text = if pretty {
        serde_json::to_string_pretty(value)
    } else {
        serde_json::to_string(value)
    };
    text.map_err(|error| Failure::Failed(format!("cannot express the result as JSON: {error}")))
}
