//! What a plain transformer costs.

use upernet_hf::config::HfNeck;
use upernet_vit::ImageBorder;

use crate::families::product;

/// What a plain transformer's cost depends on.
pub(super) struct Shape<'a> {
    pub(super) num_channels: usize,
    pub(super) patch_size: usize,
    pub(super) border: ImageBorder,
    pub(super) hidden_size: usize,
    pub(super) intermediate_size: usize,
    /// Matrices of a perceptron.
    pub(super) matrices: usize,
    /// Tokens that belong to no patch.
    pub(super) prefix: usize,
    pub(super) layers: usize,
    pub(super) neck: Option<HfNeck>,
    /// The layers whose maps are returned, from 1, ascending.
    pub(super) out_stages: &'a [usize],
}

impl Shape<'_> {
    /// Multiply-adds for an image of `size`, and the size of each layer's map, as it leaves the neck.
    pub(super) fn macs(&self, size: [usize; 2]) -> (u64, Vec<[usize; 2]>) {
        let grid = size.map(|side| match self.border {
            ImageBorder::LeftOut => side / self.patch_size,
            ImageBorder::Padded => side.div_ceil(self.patch_size),
        });
        let patches = grid[0] * grid[1];
        let channels = self.hidden_size;
        let patch = self.num_channels * self.patch_size * self.patch_size;
        let tokens = patches + self.prefix;
        let projections = product(&[4, tokens, channels, channels]);
        let attention = product(&[2, tokens, tokens, channels]);
        let perceptron = product(&[self.matrices, tokens, channels, self.intermediate_size]);
        let layer = projections + attention + perceptron;
        let last = self.out_stages.last().copied().unwrap_or_default();
        let macs = product(&[patches, patch, channels]) + last as u64 * layer;
        let mut sizes = vec![grid; self.layers];
        let (Some(neck), &[first, second, _, fourth]) = (self.neck, self.out_stages) else {
            return (macs, sizes);
        };
        let halved = grid.map(|side| side / 2);
        for (stage, size) in [
            (first, grid.map(|side| 4 * side)),
            (second, grid.map(|side| 2 * side)),
            (fourth, halved),
        ] {
            sizes[stage - 1] = size;
        }
        let neck = match neck {
            // Two deconvolutions of the patches, and one of four times as many cells; each makes four
            // cells.
            HfNeck::FeaturePyramid => product(&[patches, 4 + 4 + 16, channels, channels]),
            HfNeck::MultiLevel { channels: made } => {
                let cells = (16 + 4 + 1) * patches + halved[0] * halved[1];
                product(&[4, patches, channels, made]) + product(&[9, cells, made, made])
            }
        };
        (macs + neck, sizes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(neck: Option<HfNeck>) -> Shape<'static> {
        Shape {
            num_channels: 3,
            patch_size: 16,
            border: ImageBorder::LeftOut,
            hidden_size: 10,
            intermediate_size: 40,
            matrices: 2,
            prefix: 1,
            layers: 5,
            neck,
            out_stages: &[1, 2, 3, 4],
        }
    }

    /// 3 x 5 patches.
    #[test]
    fn a_neck_costs_what_its_convolutions_do() {
        let (bare, sizes) = shape(None).macs([48, 80]);
        let padded = Shape {
            border: ImageBorder::Padded,
            ..shape(None)
        };
        assert_eq!(padded.macs([33, 79]), (bare, sizes.clone()));
        assert_eq!(sizes, [[3, 5]; 5]);
        // Channels into those of the neck at every patch, and 3 x 3 at 12 x 20, 6 x 10, 3 x 5 and 1 x 2.
        let cells = 240 + 60 + 15 + 2;
        let neck = 4 * 15 * 10 * 7 + 9 * cells * 7 * 7;
        let (macs, sizes) = shape(Some(HfNeck::MultiLevel { channels: 7 })).macs([48, 80]);
        assert_eq!(macs, bare + neck);
        assert_eq!(sizes, [[12, 20], [6, 10], [3, 5], [1, 2], [3, 5]]);
    }
}
