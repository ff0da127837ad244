//! Ctrl-C: exit 130, with no file half-written.

use std::{
    process,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crate::{console::Console, failure::Code};

/// Held while files are being written: the handler waits for it, so that temporary ones are gone.
static WRITING: Mutex<()> = Mutex::new(());
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Handles Ctrl-C and requests to terminate.
pub(crate) fn install(console: Console) {
    let handler = move || {
        INTERRUPTED.store(true, Ordering::SeqCst);
        let _whole = writing();
        console.error("interrupted");
        process::exit(Code::Interrupted as i32);
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        console.detail(&format!("Ctrl-C is not handled: {error}"));
    }
}

/// Keeps the process alive, Ctrl-C or not, until the guard is dropped; for as long as files take.
pub(crate) fn writing() -> MutexGuard<'static, ()> {
    WRITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether to give up: long writes ask now and then.
pub(crate) fn is_pending() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Leaves the last word to the handler if it is running.
pub(crate) fn finish() {
    while is_pending() {
        thread::park();
    }
}
