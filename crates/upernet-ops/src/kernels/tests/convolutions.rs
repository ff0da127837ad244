//! Both ways to a 3 x 3 convolution, and the one of a resized map.

use proptest::prelude::*;

use super::super::{
    conv3x3::{Conv3x3Weights, conv3x3},
    gemm::{Activation, Epilogue, Residual},
    map::MapSize,
    resize::taps,
    rows::Rows,
    test_support::noise,
    upsample_taps::{TapWeights, upsample_conv3x3},
    winograd::{WinogradWeights, winograd},
};

/// Which values an epilogue adds, and whether it cuts off below 0.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Plain,
    BiasRelu,
    ResidualRelu,
    Onto,
}

fn endings() -> impl Strategy<Value = Ending> {
    prop_oneof![
        Just(Ending::Plain),
        Just(Ending::BiasRelu),
        Just(Ending::ResidualRelu),
        Just(Ending::Onto)
    ]
}

/// What an epilogue adds to the sums.
struct Extras {
    bias: Vec<f32>,
    residual: Vec<f32>,
    before: Vec<f32>,
}

impl Extras {
    fn new(pixels: usize, outputs: usize) -> Self {
        Self {
            bias: noise(outputs, 3),
            residual: noise(pixels * outputs, 4),
            before: noise(pixels * outputs, 5),
        }
    }

    fn epilogue(&self, ending: Ending) -> Epilogue<'_> {
        let residual = Rows {
            values: &self.residual,
            stride: self.bias.len(),
            count: self.residual.len() / self.bias.len(),
        };
        let (bias, residual, activation) = match ending {
            Ending::Plain => (None, Residual::None, Activation::None),
            Ending::BiasRelu => (Some(self.bias.as_slice()), Residual::None, Activation::Relu),
            Ending::ResidualRelu => (None, Residual::Rows(residual), Activation::Relu),
            Ending::Onto => (None, Residual::Output, Activation::None),
        };
        Epilogue {
            bias,
            residual,
            activation,
        }
    }

    fn end(&self, ending: Ending, index: usize, sum: f64) -> f64 {
        match ending {
            Ending::Plain => sum,
            Ending::BiasRelu => (sum + f64::from(self.bias[index % self.bias.len()])).max(0.0),
            Ending::ResidualRelu => (sum + f64::from(self.residual[index])).max(0.0),
            Ending::Onto => sum + f64::from(self.before[index]),
        }
    }
}

/// A convolution by its definition.
fn definition(
    x: &[f64],
    size: MapSize,
    weights: &[f32],
    [outputs, inputs]: [usize; 2],
) -> Vec<f64> {
    let mut out = Vec::with_capacity(size.pixels() * outputs);
    for image in 0..size.batch {
        for (y, x0) in (0..size.height).flat_map(|y| (0..size.width).map(move |x| (y, x))) {
            for output in 0..outputs {
                let mut sum = 0.0;
                for tap in 0..9 {
                    let (row, column) = (y + tap / 3, x0 + tap % 3);
                    let pixel = size.pixel(image, row.wrapping_sub(1), column.wrapping_sub(1));
                    if let Some(pixel) = pixel {
                        for input in 0..inputs {
                            let weight = weights[(output * inputs + input) * 9 + tap];
                            sum += x[pixel * inputs + input] * f64::from(weight);
                        }
                    }
                }
                out.push(sum);
            }
        }
    }
    out
}

/// A bilinear resize by its definition.
fn resized(x: &[f32], from: MapSize, size: MapSize, channels: usize) -> Vec<f64> {
    let (rows, columns) = (taps(from.height, size.height), taps(from.width, size.width));
    let mut out = Vec::with_capacity(size.pixels() * channels);
    for image in 0..size.batch {
        for (row, column) in rows
            .iter()
            .flat_map(|row| columns.iter().map(move |column| (row, column)))
        {
            let weight = |tap: &super::super::resize::Tap| {
                [
                    (tap.low, 1.0 - f64::from(tap.fraction)),
                    (tap.high, f64::from(tap.fraction)),
                ]
            };
            for channel in 0..channels {
                let mut sum = 0.0;
                for (y, vertical) in weight(row) {
                    for (x0, horizontal) in weight(column) {
                        let pixel = (image * from.height + y) * from.width + x0;
                        sum += vertical * horizontal * f64::from(x[pixel * channels + channel]);
                    }
                }
                out.push(sum);
            }
        }
    }
    out
}

fn worst(actual: &[f32], expected: impl Iterator<Item = f64>) -> f64 {
    let differences = actual
        .iter()
        .zip(expected)
        .map(|(a, e)| (f64::from(*a) - e).abs());
    // A NaN must count as the worst.
    differences.fold(0.0, |worst, d| if d <= worst { worst } else { d })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Weights are below 0.3, so sums are below 100; Winograd's points amplify rounding about tenfold.
    #[test]
    fn convolutions_are_their_definition(
        batch in 1..3_usize,
        height in 1..12_usize,
        width in 1..12_usize,
        inputs in 1..40_usize,
        outputs in 1..70_usize,
        ending in endings(),
    ) {
        let size = MapSize::new(batch, [height, width]);
        let x = noise(size.pixels() * inputs, 1);
        let weights: Vec<f32> = noise(outputs * inputs * 9, 2).iter().map(|w| 0.3 * w).collect();
        let channels = [outputs, inputs];
        let exact: Vec<f64> = x.iter().map(|&value| f64::from(value)).collect();
        let exact = definition(&exact, size, &weights, channels);
        let extras = Extras::new(size.pixels(), outputs);
        let expected = || exact.iter().enumerate().map(|(index, &sum)| extras.end(ending, index, sum));

        let mut out = extras.before.clone();
        let laid_out = Conv3x3Weights::new(&weights, channels);
        conv3x3(&x, size, &laid_out, extras.epilogue(ending), &mut out);
        let chosen = worst(&out, expected());
        prop_assert!(chosen < 1e-4, "chosen path: {chosen}");

        let mut out = extras.before.clone();
        let laid_out = WinogradWeights::new(&weights, channels);
        winograd(&x, size, &laid_out, extras.epilogue(ending), &mut out);
        let by_tiles = worst(&out, expected());
        prop_assert!(by_tiles < 1e-4, "Winograd: {by_tiles}");
    }

    /// Any ratio, up and down.
    #[test]
    fn convolution_of_a_resized_map_is_its_definition(
        batch in 1..3_usize,
        from in [1..9_usize, 1..9_usize],
        to in [1..14_usize, 1..14_usize],
        inputs in 1..20_usize,
        outputs in 1..70_usize,
        ending in endings(),
    ) {
        let (from, size) = (MapSize::new(batch, from), MapSize::new(batch, to));
        let x = noise(from.pixels() * inputs, 1);
        let weights: Vec<f32> = noise(outputs * inputs * 9, 2).iter().map(|w| 0.3 * w).collect();
        let channels = [outputs, inputs];
        let exact = definition(&resized(&x, from, size, inputs), size, &weights, channels);
        let extras = Extras::new(size.pixels(), outputs);
        let mut out = extras.before.clone();
        let laid_out = TapWeights::new(&weights, channels);
        upsample_conv3x3(&x, from, &laid_out, to, extras.epilogue(ending), &mut out);
        let expected = exact.iter().enumerate().map(|(index, &sum)| extras.end(ending, index, sum));
        let worst = worst(&out, expected);
        prop_assert!(worst < 2e-5, "{worst}");
    }
}

/// More tiles than one block holds, and more pixels than are multiplied at once.
#[test]
fn large_maps() {
    let size = MapSize::new(1, [67, 45]);
    let channels = [33, 17];
    let x = noise(size.pixels() * 17, 1);
    let weights: Vec<f32> = noise(33 * 17 * 9, 2).iter().map(|w| 0.3 * w).collect();
    let exact: Vec<f64> = x.iter().map(|&value| f64::from(value)).collect();
    let mut out = vec![0.0; size.pixels() * 33];
    let laid_out = WinogradWeights::new(&weights, channels);
    winograd(&x, size, &laid_out, Epilogue::default(), &mut out);
    let difference = worst(
        &out,
        definition(&exact, size, &weights, channels).into_iter(),
    );
    assert!(difference < 1e-4, "{difference}");

    let to = MapSize::new(1, [131, 77]);
    let mut out = vec![0.0; to.pixels() * 33];
    let laid_out = TapWeights::new(&weights, channels);
    upsample_conv3x3(
        &x,
        size,
        &laid_out,
        [131, 77],
        Epilogue::default(),
        &mut out,
    );
    let expected = definition(&resized(&x, size, to, 17), to, &weights, channels);
    let difference = worst(&out, expected.into_iter());
    assert!(difference < 2e-5, "{difference}");
}

#[test]
fn no_pixels_are_no_work() {
    let weights = Conv3x3Weights::new(&[0.5; 9], [1, 1]);
    conv3x3(
        &[],
        MapSize::new(0, [4, 4]),
        &weights,
        Epilogue::default(),
        &mut [],
    );
}

#[test]
#[should_panic(expected = "input of another size")]
fn refuses_an_input_of_another_size() {
    let weights = WinogradWeights::new(&[0.5; 9], [1, 1]);
    winograd(
        &[1.0; 3],
        MapSize::new(1, [2, 2]),
        &weights,
        Epilogue::default(),
        &mut [0.0; 4],
    );
}
