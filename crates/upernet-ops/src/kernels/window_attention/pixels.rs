//! A map whose pixels several threads change, each its own.
#![expect(
    unsafe_code,
    reason = "windows are not contiguous in the map that they share"
)]

use std::marker::PhantomData;

/// An exclusive borrow of a map, `[pixels, channels]`, to be divided among threads pixel by pixel.
#[derive(Debug)]
pub(super) struct SharedPixels<'a> {
    first: *mut f32,
    count: usize,
    channels: usize,
    lifetime: PhantomData<&'a mut [f32]>,
}

// SAFETY: pixels are handed out by an unsafe function only, whose callers keep them apart.
unsafe impl Sync for SharedPixels<'_> {}

impl<'a> SharedPixels<'a> {
    pub(super) fn new(map: &'a mut [f32], channels: usize) -> Self {
        let count = map.len() / channels;
        Self {
            first: map.as_mut_ptr(),
            count,
            channels,
            lifetime: PhantomData,
        }
    }

    /// The channels of one pixel.
    ///
    /// # Safety
    ///
    /// No other reference to the same pixel may live as long as this one.
    #[inline(always)]
    #[expect(
        clippy::mut_from_ref,
        reason = "the caller keeps references to one pixel apart"
    )]
    pub(super) unsafe fn pixel(&self, pixel: usize) -> &mut [f32] {
        assert!(pixel < self.count);
        // SAFETY: the pixel lies in the borrowed map (asserted), and the caller has it alone.
        unsafe {
            std::slice::from_raw_parts_mut(self.first.add(pixel * self.channels), self.channels)
        }
    }
}
