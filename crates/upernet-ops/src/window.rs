//! Windows: padding, shifting, cutting and merging, and the mask of shifted windows.
//!
//! Paper: section 3.2, figure 4. Upstream: `window_partition`, `window_reverse`,
//! `SwinLayer.get_attn_mask`.

use burn::tensor::{Device, Tensor, TensorData};

/// What attention adds to the logit of two tokens that the shift brought together from regions that
/// do not touch. Not minus infinity: upstream's value, and its results depend on it.
const MASKED: f32 = -100.0;

/// Zero-pads two axes of `x` at their end so that each is a multiple of `multiple`.
#[must_use]
pub fn pad_to_multiple(x: Tensor<4>, axes: [usize; 2], multiple: usize) -> Tensor<4> {
    axes.into_iter().fold(x, |x, axis| {
        let mut dims = x.dims();
        let missing = dims[axis].next_multiple_of(multiple) - dims[axis];
        if missing == 0 {
            return x;
        }
        dims[axis] = missing;
        let zeros = Tensor::zeros(dims, &x.device());
        Tensor::cat(vec![x, zeros], axis)
    })
}

/// Moves every token up and left by `shift`, around the border.
#[must_use]
pub fn shift_back(x: Tensor<4>, shift: usize) -> Tensor<4> {
    rotate(rotate(x, 1, shift), 2, shift)
}

/// Undoes [`shift_back`].
#[must_use]
pub fn shift_forward(x: Tensor<4>, shift: usize) -> Tensor<4> {
    if shift == 0 {
        return x;
    }
    let [_, height, width, _] = x.dims();
    rotate(rotate(x, 1, height - shift), 2, width - shift)
}

/// Moves the first `start` positions of `axis` to its end; `start` is below the axis' length.
fn rotate(x: Tensor<4>, axis: usize, start: usize) -> Tensor<4> {
    if start == 0 {
        return x;
    }
    let length = x.dims()[axis];
    let head = x.clone().narrow(axis, 0, start);
    let tail = x.narrow(axis, start, length - start);
    Tensor::cat(vec![tail, head], axis)
}

/// Applies `attend` to the windows of a map and puts its results back.
///
/// The map is filled up with zeros to whole windows, and moved up and left by `shift`, around the
/// border. `attend` gets the windows, `[N * num_windows, w * w, C]`, and, if they are shifted, the mask
/// of [`shift_mask`].
///
/// # Shapes
///
/// - `x`, output: `[N, H, W, C]`
#[must_use]
pub fn in_windows(
    x: Tensor<4>,
    window_size: usize,
    shift: usize,
    attend: impl FnOnce(Tensor<3>, Option<Tensor<3>>) -> Tensor<3>,
) -> Tensor<4> {
    let [batch, height, width, channels] = x.dims();
    let padded = pad_to_multiple(x, [1, 2], window_size);
    let [_, padded_height, padded_width, _] = padded.dims();
    let size = [padded_height, padded_width];
    let mask = (shift > 0).then(|| shift_mask(size, window_size, shift, &padded.device()));
    let windows = window_partition(shift_back(padded, shift), window_size);
    let windows = attend(windows, mask);
    shift_forward(window_reverse(windows, window_size, size), shift).slice([
        0..batch,
        0..height,
        0..width,
        0..channels,
    ])
}

/// Cuts `[N, H, W, C]` into windows `[N * num_windows, w * w, C]`, images outermost, windows
/// row by row. `H` and `W` are multiples of `window_size`.
#[must_use]
pub fn window_partition(x: Tensor<4>, window_size: usize) -> Tensor<3> {
    let [batch, height, width, channels] = x.dims();
    let (rows, columns) = (height / window_size, width / window_size);
    x.reshape([batch, rows, window_size, columns, window_size, channels])
        .permute([0, 1, 3, 2, 4, 5]) // [N, rows, columns, w, w, C]
        .reshape([batch * rows * columns, window_size * window_size, channels])
}

/// Puts windows back to `[N, H, W, C]`; undoes [`window_partition`].
#[must_use]
pub fn window_reverse(
    windows: Tensor<3>,
    window_size: usize,
    [height, width]: [usize; 2],
) -> Tensor<4> {
    let [num_windows, _, channels] = windows.dims();
    let (rows, columns) = (height / window_size, width / window_size);
    let batch = num_windows / (rows * columns);
    windows
        .reshape([batch, rows, columns, window_size, window_size, channels])
        .permute([0, 1, 3, 2, 4, 5]) // [N, rows, w, columns, w, C]
        .reshape([batch, height, width, channels])
}

/// The mask of shifted windows, `[num_windows, w * w, w * w]`: zero where the query and key come from
/// the same region of the unshifted map, -100 else.
#[must_use]
pub fn shift_mask(
    [height, width]: [usize; 2],
    window_size: usize,
    shift: usize,
    device: &Device,
) -> Tensor<3> {
    let region = |position: usize, length: usize| {
        usize::from(position >= length - window_size) + usize::from(position >= length - shift)
    };
    let (rows, columns) = (height / window_size, width / window_size);
    let tokens = window_size * window_size;
    let mut mask = Vec::with_capacity(rows * columns * tokens * tokens);
    for window in 0..rows * columns {
        let (row, column) = (
            window / columns * window_size,
            window % columns * window_size,
        );
        let regions: Vec<[usize; 2]> = (0..tokens)
            .map(|token| {
                let (y, x) = (row + token / window_size, column + token % window_size);
                [region(y, height), region(x, width)]
            })
            .collect();
        for query in &regions {
            mask.extend(
                regions
                    .iter()
                    .map(|key| if key == query { 0.0 } else { MASKED }),
            );
        }
    }
    Tensor::from_data(
        TensorData::new(mask, [rows * columns, tokens, tokens]),
        device,
    )
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;

    fn random(dims: [usize; 4]) -> Tensor<4> {
        Tensor::random(dims, Distribution::Default, &Device::flex())
    }

    #[test]
    fn reverse_undoes_partition() {
        let x = random([2, 6, 9, 5]);
        let windows = window_partition(x.clone(), 3);
        assert_eq!(windows.dims(), [2 * 2 * 3, 9, 5]);
        let back = window_reverse(windows, 3, [6, 9]);
        back.into_data().assert_eq(&x.into_data(), true);
    }

    #[test]
    fn windows_go_back_where_they_came_from() {
        let x = random([2, 5, 8, 3]);
        for (shift, has_mask) in [(0, false), (1, true)] {
            let doubled = in_windows(x.clone(), 3, shift, |windows, mask| {
                assert_eq!(windows.dims(), [2 * 2 * 3, 9, 3]);
                assert_eq!(mask.is_some(), has_mask);
                windows * 2
            });
            let expected = x.clone() * 2;
            doubled.into_data().assert_eq(&expected.into_data(), true);
        }
    }

    #[test]
    fn shifting_forward_undoes_shifting_back() {
        let x = random([1, 6, 9, 2]);
        let back = shift_forward(shift_back(x.clone(), 2), 2);
        back.into_data().assert_eq(&x.into_data(), true);
    }

    #[test]
    fn shifting_back_brings_the_token_at_the_shift_to_the_corner() {
        let x = random([1, 4, 5, 1]);
        let corner = shift_back(x.clone(), 2).slice([0..1, 0..1, 0..1, 0..1]);
        let expected = x.slice([0..1, 2..3, 2..3, 0..1]);
        corner.into_data().assert_eq(&expected.into_data(), true);
    }

    #[test]
    fn padding_adds_zeros_at_the_end_only() {
        let padded = pad_to_multiple(Tensor::ones([1, 3, 4, 2], &Device::flex()), [1, 2], 4);
        assert_eq!(padded.dims(), [1, 4, 4, 2]);
        let total: f32 = padded.sum().into_scalar();
        assert!((total - 24.0).abs() < f32::EPSILON, "total {total}");
    }

    #[test]
    fn the_mask_is_symmetric_and_only_border_windows_have_one() {
        let mask = shift_mask([8, 12], 4, 2, &Device::flex());
        assert_eq!(mask.dims(), [6, 16, 16]);
        let transposed = mask.clone().swap_dims(1, 2);
        mask.clone()
            .into_data()
            .assert_eq(&transposed.into_data(), true);
        let inner: f32 = mask.clone().narrow(0, 0, 2).abs().sum().into_scalar();
        assert!(
            inner == 0.0,
            "the first row's inner windows touch no border"
        );
        // The corner window holds four regions of 4 tokens: 16 * 16 - 4 * 4 * 4 masked pairs.
        let corner: f32 = mask.narrow(0, 5, 1).sum().into_scalar();
        assert!((corner - 192.0 * MASKED).abs() < 1e-2, "corner {corner}");
    }
}
