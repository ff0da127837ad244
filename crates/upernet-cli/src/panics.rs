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
        let first = FIRST.lock().unwrap_or_else(PoisonError::into_inner).take();
        let message = first.unwrap_or_else(|| "no message".to_owned());
        Err(Failure::Failed(format!(
            "the backend panicked: {message}; see `upernet doctor`, or use another --device"
        )))
    })
}

/// The panic's message, and where it came from.
fn describe(info: &PanicHookInfo<'_>) -> String {
    let message = info.payload_as_str().unwrap_or("no message");
    match info.location() {
        Some(location) => format!("{message} ({}:{})", location.file(), location.line()),
        None => message.to_owned(),
    }
}
