//! The size of a batch of maps.

/// Batch, height and width of maps `[N, H, W, C]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MapSize {
    pub(crate) batch: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
}

impl MapSize {
    pub(crate) fn new(batch: usize, [height, width]: [usize; 2]) -> Self {
        Self {
            batch,
            height,
            width,
        }
    }

    /// Pixels of all maps.
    pub(crate) fn pixels(self) -> usize {
        self.batch * self.height * self.width
    }

    /// The number of a pixel, if it lies in the map.
    #[inline(always)]
    pub(crate) fn pixel(self, image: usize, y: usize, x: usize) -> Option<usize> {
        let inside = y < self.height && x < self.width;
        inside.then(|| (image * self.height + y) * self.width + x)
    }
}
