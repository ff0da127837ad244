//! A backend that panics ends in one line, not in a backtrace.

use std::{
    env,
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    sync::{Mutex, PoisonError},
};

use crate::{console::Console, failure::Failure};

/// What the first panic said; it may have been on a thread of the backend.
static FIRST: Mutex<Option<String>> = Mutex::new(None);

/// Runs `action`; a panic becomes a failure with the panic's message.
///
/// The panic's own report, with its backtrace, is shown if both `-v` and `RUST_BACKTRACE` ask.
pub(crate) fn caught<T>(
    console: Console,
    action: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let wanted = console.is_verbose() && env::var_os("RUST_BACKTRACE").is_some();
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let mut first = FIRST.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| describe(info));
        if wanted {
            usual(info);
        }
    }));
    // What the action was working on is dropped with it.
    panic::catch_unwind(AssertUnwindSafe(action)).unwrap_or_else(|_| {
        let message = take_message();
        Err(Failure::Failed(format!(
            "the backend panicked: {message}; see `upernet doctor`, or use another --device"
        )))
    })
}

/// What the first panic since the last call said.
pub(crate) fn take_message() -> String {
    let first = FIRST.lock().unwrap_or_else(PoisonError::into_inner).take();
    first.unwrap_or_else(|| "no message".to_owned())
}

/// The panic's message, and where it came from.
fn describe(info: &PanicHookInfo<'_>) -> String {
    let message = info.payload_as_str().unwrap_or("no message");
    match info.location() {
        Some(location) => format!("{message} ({}:{})", location.file(), location.line()),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Verbosity;

    #[test]
    fn a_panic_becomes_a_failure_with_its_message() {
        let console = Console::new(Verbosity::default());
        let failure = caught::<()>(console, || panic!("no memory on the card")).expect_err("it");
        let message = failure.to_string();
        assert!(
            message.contains("panicked: no memory on the card ("),
            "{message}"
        );
        assert!(caught(console, || Ok(1)).is_ok());
    }
}
