//! Things made ahead by several threads, and given out in order.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::Error;

/// What is made ahead, and by how many.
#[derive(Clone, Debug)]
pub(super) struct Ahead {
    /// Threads; with none, each thing is made when it is asked for.
    pub(super) workers: usize,
    /// Most things in work or ready.
    pub(super) items: usize,
    /// The numbers of the things.
    pub(super) range: Range<u64>,
}

/// Gives `make(number)` for each number of a range, in order.
pub(super) struct Prefetch<T> {
    work: Arc<Work<T>>,
    workers: Vec<JoinHandle<()>>,
    /// Next number without workers; with them it is in the queue.
    position: u64,
}

type Make<T> = dyn Fn(u64, &AtomicBool) -> Result<T, Error> + Send + Sync;

struct Work<T> {
    make: Box<Make<T>>,
    ahead: Ahead,
    queue: Mutex<Queue<T>>,
    /// Something is ready.
    ready: Condvar,
    /// There is room for something more.
    room: Condvar,
    cancelled: AtomicBool,
}

struct Queue<T> {
    /// Next number that a worker takes up.
    to_make: u64,
    /// Next number that is given out.
    to_give: u64,
    made: BTreeMap<u64, Result<T, Error>>,
}

impl<T: Send + 'static> Prefetch<T> {
    /// Starts the workers. `make` may give up, with any error, once its second argument is set.
    pub(super) fn new(
        ahead: Ahead,
        make: impl Fn(u64, &AtomicBool) -> Result<T, Error> + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let start = ahead.range.start;
        // More threads than things in work would only wait.
        let workers = ahead.workers.min(ahead.items);
        let work = Arc::new(Work {
            make: Box::new(make),
            ahead,
            queue: Mutex::new(Queue {
                to_make: start,
                to_give: start,
                made: BTreeMap::new(),
            }),
            ready: Condvar::new(),
            room: Condvar::new(),
            cancelled: AtomicBool::new(false),
        });
        let mut prefetch = Self {
            work,
            workers: Vec::with_capacity(workers),
            position: start,
        };
        for number in 0..workers {
            let work = Arc::clone(&prefetch.work);
            let worker = thread::Builder::new()
                .name(format!("upernet-data-{number}"))
                .spawn(move || work.run())
                .map_err(|cause| Error::Setting {
                    name: "workers",
                    problem: format!("thread {number} cannot be started: {cause}; use fewer"),
                })?;
            prefetch.workers.push(worker);
        }
        Ok(prefetch)
    }

    /// The number that is given out next.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Waits for the next thing; nothing at the end of the range.
    pub(super) fn next(&mut self) -> Option<Result<T, Error>> {
        if self.position >= self.work.ahead.range.end {
            return None;
        }
        let number = self.position;
        self.position += 1;
        if self.workers.is_empty() {
            return Some(self.work.make(number));
        }
        let mut queue = self.work.lock();
        loop {
            if let Some(made) = queue.made.remove(&number) {
                queue.to_give = self.position;
                drop(queue);
                self.work.room.notify_one();
                return Some(made);
            }
            queue = wait(&self.work.ready, queue);
        }
    }
}

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        // Under the lock, so that no worker is between its look at `cancelled` and its wait.
        let queue = self.work.lock();
        self.work.cancelled.store(true, Ordering::Relaxed);
        drop(queue);
        self.work.room.notify_all();
        for worker in self.workers.drain(..) {
            // A worker catches its panics; and a panic here, perhaps during another, would abort.
            let _ = worker.join();
        }
    }
}

impl<T> fmt::Debug for Prefetch<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Prefetch")
            .field("ahead", &self.work.ahead)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl<T> Work<T> {
    /// What a worker does until it is stopped or the range ends.
    fn run(&self) {
        while let Some(number) = self.take_up() {
            let made = self.make(number);
            self.lock().made.insert(number, made);
            self.ready.notify_one();
        }
    }

    /// Waits for room, and takes up the next number.
    fn take_up(&self) -> Option<u64> {
        let mut queue = self.lock();
        loop {
            if self.cancelled.load(Ordering::Relaxed) || queue.to_make >= self.ahead.range.end {
                return None;
            }
            if queue.to_make - queue.to_give < self.ahead.items as u64 {
                queue.to_make += 1;
                return Some(queue.to_make - 1);
            }
            queue = wait(&self.room, queue);
        }
    }

    /// Makes one thing; a panic becomes an error, so that nobody waits for it for ever.
    fn make(&self, number: u64) -> Result<T, Error> {
        catch_unwind(AssertUnwindSafe(|| (self.make)(number, &self.cancelled))).unwrap_or_else(
            |panic| {
                Err(Error::Setting {
                    name: "workers",
                    problem: format!("a reader failed at {number}: {}", panic_message(&*panic)),
                })
            },
        )
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        // Nothing that may panic runs under the lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The words of a panic.
pub(super) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

fn wait<'a, T>(condition: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condition
        .wait(guard)
        .unwrap_or_else(PoisonError::into_inner)
}
