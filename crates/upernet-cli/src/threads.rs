//! How many threads may compute: one pool, made before anything else runs.

use rayon::ThreadPoolBuilder;

use crate::failure::Failure;

/// What the calling thread does while there is something to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// It computes too, so a pool beside it would be one thread more than was asked for.
    Computes,
    /// It waits for threads that compute; as a thread of the pool it would leave its share undone, and for
    /// ever if it is the only one.
    Waits,
}

/// Makes the pool that all computing on the processor shares, of `threads` threads.
///
/// `None` leaves the number to `RAYON_NUM_THREADS`, and without that to the number of cores.
pub(crate) fn limit(threads: Option<u16>, caller: Caller) -> Result<(), Failure> {
    let mut pool = ThreadPoolBuilder::new().num_threads(threads.map_or(0, usize::from));
    if caller == Caller::Computes {
        pool = pool.use_current_thread();
    }
    pool.build_global()
        .map_err(|error| Failure::Failed(format!("threads cannot be started: {error}")))
}

/// How many threads compute, the calling one included if it does.
pub(crate) fn count() -> usize {
    rayon::current_num_threads()
}
