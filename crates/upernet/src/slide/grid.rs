//! Where the windows are.

/// Windows over a picture.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    pub(super) rows: Axis,
    pub(super) columns: Axis,
}

/// Windows along one axis of a picture.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    length: usize,
    /// Pixels of a window.
    window: usize,
    /// The first pixel of each window, ascending.
    starts: Vec<usize>,
}

impl Grid {
    /// Windows of `crop` every `stride` over a picture of `size`, all `[height, width]` in pixels and
    /// none zero.
    pub(crate) fn new(size: [usize; 2], crop: [usize; 2], stride: [usize; 2]) -> Self {
        let axis = |index: usize| Axis::new(size[index], crop[index], stride[index]);
        Self {
            rows: axis(0),
            columns: axis(1),
        }
    }

    /// `[height, width]` of every window.
    pub(crate) fn window(&self) -> [usize; 2] {
        [self.rows.window, self.columns.window]
    }

    /// `[height, width]` of the picture.
    pub(crate) fn size(&self) -> [usize; 2] {
        [self.rows.length, self.columns.length]
    }

    /// Whether one window covers the picture.
    pub(crate) fn is_single(&self) -> bool {
        self.window() == self.size()
    }
}

impl Axis {
    fn new(length: usize, crop: usize, stride: usize) -> Self {
        let window = crop.min(length);
        let last = length - window;
        let starts = (0..last).step_by(stride).chain([last]);
        Self {
            length,
            window,
            starts: starts.collect(),
        }
    }

    pub(super) fn length(&self) -> usize {
        self.length
    }

    pub(super) fn window(&self) -> usize {
        self.window
    }

    pub(super) fn starts(&self) -> &[usize] {
        &self.starts
    }

    /// How many windows cover each pixel.
    pub(super) fn coverage(&self) -> Vec<u32> {
        let mut coverage = vec![0; self.length];
        for &start in &self.starts {
            for count in &mut coverage[start..start + self.window] {
                *count += 1;
            }
        }
        coverage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_window_is_moved_back_to_the_border() {
        for (length, crop, stride, starts) in [
            (10, 4, 3, vec![0, 3, 6]),
            (11, 4, 3, vec![0, 3, 6, 7]),
            (5, 4, 4, vec![0, 1]),
            (4, 4, 1, vec![0]),
            (3, 4, 2, vec![0]),
        ] {
            let axis = Axis::new(length, crop, stride);
            assert_eq!(axis.starts(), starts, "{length} by {crop} every {stride}");
            // As mmsegmentation counts them.
            let grids = (length + stride - 1).saturating_sub(crop) / stride + 1;
            assert_eq!(starts.len(), grids);
        }
    }

    #[test]
    fn every_pixel_is_covered() {
        // Pixels 0 to 3, 3 to 6, 6 to 9 and 7 to 10.
        let axis = Axis::new(11, 4, 3);
        assert_eq!(axis.coverage(), [1, 1, 1, 2, 1, 1, 2, 2, 2, 2, 1]);
        assert!(Grid::new([3, 4], [5, 4], [1, 1]).is_single());
        assert!(!Grid::new([3, 5], [5, 4], [1, 1]).is_single());
    }
}
