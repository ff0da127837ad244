//! How many threads may compute: one pool, made before anything else runs.

use rayon::ThreadPoolBuilder;

use crate::failure::Failure;

/// Makes the pool that all computing on the processor shares, of `threads` threads.
///
/// `None` leaves the number to `RAYON_NUM_THREADS`, and without that to the number of cores. The
/// calling thread is one of them: it computes too, so a pool beside it would be one thread more than
/// was asked for.
pub(crate) fn limit(threads: Option<u16>) -> Result<(), Failure> {
    ThreadPoolBuilder::new()
        .num_threads(threads.map_or(0, usize::from))
        .use_current_thread()
        .build_global()
        .map_err(|error| Failure::Failed(format!("threads cannot be started: {error}")))
}

/// How many threads compute, the calling one included.
pub(crate) fn count() -> usize {
    rayon::current_num_threads()
}
