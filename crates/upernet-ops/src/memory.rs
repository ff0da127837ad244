//! Memory of feature maps on the CPU, kept from one forward pass to the next.
//!
//! A map of a large photo takes tens of megabytes. Asked from the operating system anew for each
//! operation, such memory arrives page by page and cleared, which takes as long as many an operation
//! does. So buffers go back to a pool and serve the next map that fits.
//!
//! The pool is bounded: what is in use and what lies ready are together never more than five quarters
//! of what was once in use at the same time. [`release_memory`] gives back what lies ready.
#![expect(unsafe_code, reason = "burn's buffers are views of raw memory")]

use std::{
    mem::MaybeUninit,
    sync::{Mutex, MutexGuard, PoisonError},
};

use burn::tensor::Bytes;
use burn_std::{AccessError, AccessPolicy, AllocationController, AllocationProperty};

use crate::kernels::packed::AlignedBuffer;

/// Below this many values a buffer comes from the allocator, which is quick with small ones.
const SMALLEST: usize = 16 * 1024;
/// A buffer serves maps down to one part in so many of its length.
const LARGEST_SHARE: usize = 2;

static POOL: Mutex<Pool> = Mutex::new(Pool {
    ready: Vec::new(),
    ready_values: 0,
    in_use: 0,
    most_in_use: 0,
});

/// Gives the memory of feature maps that are no longer in use back to the operating system.
///
/// For programs that live on after a large image. The next forward pass asks for memory again.
///
/// # Example
///
/// ```
/// upernet_ops::release_memory();
/// ```
pub fn release_memory() {
    let mut pool = lock();
    pool.ready.clear();
    pool.ready_values = 0;
    pool.most_in_use = pool.in_use;
}

/// Memory for `length` values, to be written before it is read: what it holds is left open.
#[derive(Debug)]
pub(crate) struct MapMemory {
    buffer: AlignedBuffer,
}

impl MapMemory {
    pub(crate) fn take(length: usize) -> Self {
        let buffer = if length < SMALLEST {
            AlignedBuffer::zeros(length)
        } else {
            let reused = lock().take(length);
            reused.unwrap_or_else(|| AlignedBuffer::zeros(length))
        };
        Self { buffer }
    }

    /// As the memory of a tensor; it comes back to the pool with the tensor's end.
    pub(crate) fn into_bytes(self) -> Bytes {
        let length = size_of_val(self.buffer.values());
        // SAFETY: all `length` bytes are initialised, they are plain floats from the start.
        unsafe { Bytes::from_controller(Box::new(self), length) }
    }
}

impl Drop for MapMemory {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        if buffer.values().len() >= SMALLEST {
            lock().give_back(buffer);
        }
    }
}

impl AllocationController for MapMemory {
    fn alloc_align(&self) -> usize {
        align_of::<f32>()
    }

    fn property(&self) -> AllocationProperty {
        AllocationProperty::Other
    }

    unsafe fn memory_mut(
        &mut self,
        _policy: AccessPolicy,
    ) -> Result<&mut [MaybeUninit<u8>], AccessError> {
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(self.buffer.values_mut());
        let (first, length) = (bytes.as_mut_ptr(), bytes.len());
        // SAFETY: the same bytes for the same time; the caller writes initialised data only.
        Ok(unsafe { std::slice::from_raw_parts_mut(first.cast(), length) })
    }

    fn memory(&self, _policy: AccessPolicy) -> Result<&[MaybeUninit<u8>], AccessError> {
        let bytes: &[u8] = bytemuck::cast_slice(self.buffer.values());
        // SAFETY: the same bytes for the same time; initialised ones are also maybe initialised.
        Ok(unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) })
    }
}

/// Buffers that lie ready, and how much is in use.
#[derive(Debug)]
struct Pool {
    ready: Vec<AlignedBuffer>,
    /// Sum of their capacities.
    ready_values: usize,
    /// Sum of the capacities of buffers that tensors hold.
    in_use: usize,
    most_in_use: usize,
}

impl Pool {
    /// The smallest buffer that fits, if one does; counts the memory as in use in any case.
    fn take(&mut self, length: usize) -> Option<AlignedBuffer> {
        let fits =
            |buffer: &AlignedBuffer| (length..=length * LARGEST_SHARE).contains(&buffer.capacity());
        let fitting = self
            .ready
            .iter()
            .enumerate()
            .filter(|(_, buffer)| fits(buffer));
        let best = fitting
            .min_by_key(|(_, buffer)| buffer.capacity())
            .map(|(index, _)| index);
        let Some(index) = best else {
            self.in_use += AlignedBuffer::capacity_for(length);
            self.most_in_use = self.most_in_use.max(self.in_use);
            self.shrink();
            return None;
        };
        let mut buffer = self.ready.swap_remove(index);
        self.ready_values -= buffer.capacity();
        self.in_use += buffer.capacity();
        self.most_in_use = self.most_in_use.max(self.in_use);
        buffer.resize(length);
        Some(buffer)
    }

    fn give_back(&mut self, buffer: AlignedBuffer) {
        self.in_use -= buffer.capacity();
        self.ready_values += buffer.capacity();
        self.ready.push(buffer);
        self.shrink();
    }

    /// A quarter more than the most in use: without it the small maps of the backbone and the large
    /// ones of the head would drive each other out with every image.
    fn bound(&self) -> usize {
        self.most_in_use + self.most_in_use / 4
    }

    /// Lets go of buffers, the longest unused first, until the bound holds.
    fn shrink(&mut self) {
        while self.in_use + self.ready_values > self.bound() && !self.ready.is_empty() {
            self.ready_values -= self.ready.remove(0).capacity();
        }
    }
}

fn lock() -> MutexGuard<'static, Pool> {
    // Every state of the pool is a sound one, so a panic elsewhere does not matter.
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Pool {
        Pool {
            ready: Vec::new(),
            ready_values: 0,
            in_use: 0,
            most_in_use: 0,
        }
    }

    fn get(pool: &mut Pool, length: usize) -> AlignedBuffer {
        let reused = pool.take(length);
        reused.unwrap_or_else(|| AlignedBuffer::zeros(length))
    }

    #[test]
    fn a_buffer_serves_again() {
        let mut pool = empty();
        let mut buffer = get(&mut pool, 100_000);
        buffer.values_mut()[7] = 1.5;
        pool.give_back(buffer);
        let buffer = pool.take(90_000).expect("lies ready");
        assert_eq!(buffer.values().len(), 90_000);
        assert!((buffer.values()[7] - 1.5).abs() < f32::EPSILON);
        assert_eq!(pool.ready_values, 0);
    }

    #[test]
    fn a_far_larger_buffer_is_left_for_a_larger_map() {
        let mut pool = empty();
        let buffer = get(&mut pool, 300_000);
        pool.give_back(buffer);
        assert!(pool.take(100_000).is_none());
    }

    #[test]
    fn holds_little_more_than_was_in_use_at_once() {
        let mut pool = empty();
        for length in [50_000, 200_000, 20_000, 900_000, 30_000, 400_000] {
            let (first, second) = (get(&mut pool, length), get(&mut pool, length / 2));
            pool.give_back(first);
            pool.give_back(second);
            assert_eq!(pool.in_use, 0);
            assert!(pool.ready_values <= pool.most_in_use * 5 / 4);
        }
        assert!(pool.most_in_use < 900_000 * 3 / 2 + 64);
    }

    #[test]
    fn a_tensors_memory_is_what_was_written() {
        let mut memory = MapMemory::take(SMALLEST + 3);
        memory.buffer.values_mut().fill(0.25);
        let bytes = memory.into_bytes();
        assert_eq!(bytes.len(), (SMALLEST + 3) * 4);
        let copy = bytes.clone();
        drop(bytes);
        let values: &[f32] = bytemuck::cast_slice(&copy);
        assert!(
            values
                .iter()
                .all(|&value| (value - 0.25).abs() < f32::EPSILON)
        );
    }
}
