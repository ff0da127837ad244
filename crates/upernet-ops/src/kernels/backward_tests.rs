//! The backward kernels against their definitions, summed in `f64`.
//!
//! Inputs are below 1 in size; an error is measured against the largest value of the result, since
//! minimal filtering spreads rounding over a tile.

use proptest::prelude::*;

use super::{
    conv3x3::{Conv3x3Weights, conv3x3},
    gemm::Epilogue,
    map::MapSize,
    resize::taps,
    test_support::noise,
    upsample_taps_backward::{UpsampleGradient, Wanted, gradients},
    winograd_backward::weight_gradient,
};

/// Largest error beside the largest value, or beside 1 if that is smaller.
const TOLERANCE: f64 = 2e-5;

fn assert_close(actual: &[f32], expected: &[f64]) {
    assert_eq!(actual.len(), expected.len());
    let largest = expected.iter().fold(1.0_f64, |most, e| most.max(e.abs()));
    for (index, (&actual, expected)) in actual.iter().zip(expected).enumerate() {
        let error = (f64::from(actual) - expected).abs();
        assert!(
            error <= TOLERANCE * largest,
            "{actual} at {index}, expected {expected}; the largest is {largest}"
        );
    }
}

/// One product of the definition: indices of input, weight and output.
fn for_each_product(
    size: MapSize,
    [outputs, inputs]: [usize; 2],
    mut visit: impl FnMut(usize, usize, usize),
) {
    for pixel in 0..size.pixels() {
        let (image, y, x) = (
            pixel / (size.height * size.width),
            pixel / size.width % size.height,
            pixel % size.width,
        );
        for tap in 0..9 {
            let (from_y, from_x) = ((y + tap / 3).wrapping_sub(1), (x + tap % 3).wrapping_sub(1));
            if let Some(from) = size.pixel(image, from_y, from_x) {
                for output in 0..outputs {
                    for input in 0..inputs {
                        let weight = (output * inputs + input) * 9 + tap;
                        visit(from * inputs + input, weight, pixel * outputs + output);
                    }
                }
            }
        }
    }
}

/// Gradients of input and weights of a plain 3 x 3 convolution.
fn definition(
    x: &[f64],
    weights: &[f32],
    gradient: &[f32],
    size: MapSize,
    channels: [usize; 2],
) -> [Vec<f64>; 2] {
    let mut result = [vec![0.0; x.len()], vec![0.0; weights.len()]];
    for_each_product(size, channels, |from, weight, to| {
        result[0][from] += f64::from(weights[weight]) * f64::from(gradient[to]);
        result[1][weight] += x[from] * f64::from(gradient[to]);
    });
    result
}

/// Visits what each pixel of a resized map reads: image, source pixel, pixel, share.
fn for_each_share(from: MapSize, to: MapSize, mut visit: impl FnMut(usize, usize, f64)) {
    let (rows, columns) = (taps(from.height, to.height), taps(from.width, to.width));
    for image in 0..to.batch {
        for (y, row) in rows.iter().enumerate() {
            for (x, column) in columns.iter().enumerate() {
                let [down, right] = [row.fraction, column.fraction].map(f64::from);
                for (y_low, y_share) in [(row.low, 1.0 - down), (row.high, down)] {
                    for (x_low, x_share) in [(column.low, 1.0 - right), (column.high, right)] {
                        let source = (image * from.height + y_low) * from.width + x_low;
                        let pixel = (image * to.height + y) * to.width + x;
                        visit(source, pixel, y_share * x_share);
                    }
                }
            }
        }
    }
}

fn side() -> impl Strategy<Value = usize> {
    prop_oneof![1_usize..=3, 4_usize..=13]
}

fn channels() -> impl Strategy<Value = usize> {
    prop_oneof![1_usize..=3, 15_usize..=40]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn gradients_of_a_convolution(
        batch in 1_usize..=3,
        height in side(),
        width in side(),
        inputs in channels(),
        outputs in channels(),
    ) {
        let (size, channels) = (MapSize::new(batch, [height, width]), [outputs, inputs]);
        let x = noise(size.pixels() * inputs, 1);
        let weights = noise(outputs * inputs * 9, 2);
        let gradient = noise(size.pixels() * outputs, 3);
        let wide: Vec<f64> = x.iter().map(|&value| f64::from(value)).collect();
        let [of_x, of_weights] = definition(&wide, &weights, &gradient, size, channels);

        let mut actual = vec![f32::NAN; x.len()];
        let backward = Conv3x3Weights::backward(&weights, channels);
        conv3x3(&gradient, size, &backward, Epilogue::default(), &mut actual);
        assert_close(&actual, &of_x);

        let mut actual = vec![f32::NAN; weights.len()];
        weight_gradient(&x, size, &gradient, channels, &mut actual);
        assert_close(&actual, &of_weights);
    }

    #[test]
    fn gradients_of_a_convolution_of_a_resized_map(
        batch in 1_usize..=2,
        (height, width) in (side(), side()),
        (to_height, to_width) in (side(), side()),
        inputs in channels(),
        outputs in channels(),
    ) {
        let (from, channels) = (MapSize::new(batch, [height, width]), [outputs, inputs]);
        let to = MapSize::new(batch, [to_height, to_width]);
        let x = noise(from.pixels() * inputs, 1);
        let weights = noise(outputs * inputs * 9, 2);
        let gradient = noise(to.pixels() * outputs, 3);
        let mut resized = vec![0.0; to.pixels() * inputs];
        for_each_share(from, to, |source, pixel, share| {
            for input in 0..inputs {
                resized[pixel * inputs + input] += share * f64::from(x[source * inputs + input]);
            }
        });
        let [of_resized, of_weights] = definition(&resized, &weights, &gradient, to, channels);
        let mut of_x = vec![0.0; x.len()];
        for_each_share(from, to, |source, pixel, share| {
            for input in 0..inputs {
                of_x[source * inputs + input] += share * of_resized[pixel * inputs + input];
            }
        });

        let mut actual = [vec![f32::NAN; x.len()], vec![f32::NAN; weights.len()]];
        let given = UpsampleGradient {
            x: &x,
            from,
            gradient: &gradient,
            to: [to_height, to_width],
            channels,
        };
        let [actual_x, actual_weights] = &mut actual;
        let wanted = Wanted {
            input: Some((&weights, actual_x)),
            weights: Some(actual_weights),
        };
        gradients(given, wanted);
        assert_close(&actual[0], &of_x);
        assert_close(&actual[1], &of_weights);
    }
}

/// More tiles than fit one block, and more source rows than are gathered at once.
#[test]
fn large_maps_are_taken_in_parts() {
    let (size, channels) = (MapSize::new(2, [66, 70]), [3, 2]);
    let x = noise(size.pixels() * 2, 1);
    let weights = noise(3 * 2 * 9, 2);
    let gradient = noise(size.pixels() * 3, 3);
    let wide: Vec<f64> = x.iter().map(|&value| f64::from(value)).collect();
    let [of_x, of_weights] = definition(&wide, &weights, &gradient, size, channels);
    let mut actual = [vec![0.0; x.len()], vec![0.0; weights.len()]];
    let given = UpsampleGradient {
        x: &x,
        from: size,
        gradient: &gradient,
        to: [66, 70],
        channels,
    };
    let [actual_x, actual_weights] = &mut actual;
    let wanted = Wanted {
        input: Some((&weights, actual_x)),
        weights: Some(actual_weights),
    };
    gradients(given, wanted);
    assert_close(&actual[0], &of_x);
    assert_close(&actual[1], &of_weights);
}
