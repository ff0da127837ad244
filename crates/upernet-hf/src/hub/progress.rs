//! How a download tells its caller how far it is.

/// Hears about every file that is downloaded; a progress bar, say.
///
/// The library itself prints nothing. Closures will do:
///
/// ```
/// use upernet_hf::hub::Progress;
///
/// let mut last = 0;
/// let mut bar = |_file: &str, done: u64, _total: Option<u64>| last = done;
/// bar.advanced("config.json", 512, Some(1024));
/// assert_eq!(last, 512);
/// ```
pub trait Progress {
    /// `done` of `total` bytes of `file` are on disk.
    ///
    /// Called first with the bytes that an earlier, broken download left behind (0 if none), then
    /// after each piece, last with `done` equal to `total`. `done` falls back to 0 where a server
    /// cannot go on in the middle of a file. `total` is `None` where the hub does not state it.
    /// Files that are in the cache already are not mentioned.
    fn advanced(&mut self, file: &str, done: u64, total: Option<u64>);
}

/// Ignores all progress.
///
/// ```
/// use upernet_hf::hub::{Progress, Silent};
///
/// Silent.advanced("config.json", 1, None);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn advanced(&mut self, _file: &str, _done: u64, _total: Option<u64>) {}
}

impl<F: FnMut(&str, u64, Option<u64>)> Progress for F {
    fn advanced(&mut self, file: &str, done: u64, total: Option<u64>) {
        self(file, done, total);
    }
}
