//! Working memory that is kept from call to call.

use std::cell::RefCell;

use super::packed::AlignedBuffer;

thread_local! {
    static BUFFERS: RefCell<Vec<AlignedBuffer>> = const { RefCell::new(Vec::new()) };
}

/// Lends `length` values of a buffer that the calling thread keeps for the next time. What they are
/// at first is left open. Calls may be nested: each level has a buffer of its own.
pub(crate) fn with_scratch<T>(length: usize, work: impl FnOnce(&mut [f32]) -> T) -> T {
    let mut buffer = BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_default();
    buffer.resize(length);
    let result = work(buffer.values_mut());
    BUFFERS.with_borrow_mut(|buffers| buffers.push(buffer));
    result
}
