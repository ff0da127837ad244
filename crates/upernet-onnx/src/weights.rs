//! Where weights come from, and what becomes of them on their way into the file.

use upernet_hf::weights::Checkpoint;

pub(crate) use crate::positions::POSITION_PERCEPTRON;
use crate::{
    fusion::Order,
    interpolation::{Interpolation, resized},
    positions::{continuous_table, relative_positions},
    rounding::rounded,
};

/// Tensors by their keys on the hub.
pub trait Weights {
    /// Returns the length of each axis of a tensor, if there is one of this key.
    fn shape(&self, key: &str) -> Option<Vec<usize>>;

    /// Returns a tensor's values in row-major order.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file and the tensor if it cannot be read.
    fn read(&self, key: &str) -> Result<Vec<f32>, upernet_hf::Error>;
}

/// A checkpoint whose names are the hub's.
impl Weights for Checkpoint {
    fn shape(&self, key: &str) -> Option<Vec<usize>> {
        Some(self.info(key)?.shape().to_vec())
    }

    fn read(&self, key: &str) -> Result<Vec<f32>, upernet_hf::Error> {
        self.read_f32(key)
    }
}

/// The keys of a batch normalisation below its path, in the order that [`Recipe`] takes them.
pub(crate) const BATCH_NORM: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];

/// Logarithm of the largest factor of a cosine in Swin V2: 100.
const LARGEST_FACTOR: f64 = 2.0 * std::f64::consts::LN_10;

/// Rows of `BEiT`'s table of position biases after those of offsets: from the class token to a patch, from
/// a patch to it, and to itself.
pub(crate) const CLASS_BIASES: usize = 3;

/// Weights of a filter of 3 x 3 for each channel.
const TAPS: usize = 9;

/// What an initialiser is made of, given the tensors it names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Recipe {
    /// The tensor as it is.
    Same,
    /// A matrix `[rows, columns]`, transposed.
    Transposed { columns: usize },
    /// The same, each row multiplied by a number of its own (the second tensor) before.
    ScaledTransposed { columns: usize },
    /// A vector, each number multiplied by one of its own (the second tensor).
    Scaled,
    /// A convolution's weight (the first tensor), each filter with the scale of the batch
    /// normalisation after it: its [`BATCH_NORM`] are the others.
    NormedWeight { epsilon: f64 },
    /// A part of such a weight: the filters' taps of some of the input channels.
    NormedPart { epsilon: f64, part: Part },
    /// A part of a convolution's weight that no norm follows.
    Part(Part),
    /// A bias as that of the products of all nine taps, of which the one in the middle has it.
    MiddleTaps,
    /// The bias that the same batch normalisation leaves: its [`BATCH_NORM`] are the tensors.
    NormedBias { epsilon: f64 },
    /// A deconvolution's weight, `[channels in, channels out, side, side]`, with the batch normalisation
    /// after it: its [`BATCH_NORM`] are the others.
    NormedDeconvolution { epsilon: f64, taps: usize },
    /// The bias of a layer that has one of its own (the first tensor) and the same batch normalisation
    /// after it.
    NormedOwnBias { epsilon: f64 },
    /// Swin's table `[(2 window - 1)^2, heads]`, looked up for each pair of tokens of a window:
    /// `[heads, window^2, window^2]`.
    RelativePositions { window: usize },
    /// Swin V2's perceptron (its layers' weight and bias, weight) asked for each pair of tokens of a
    /// window: `[heads, window^2, window^2]`. 0 stands for a pretrained window of the same size.
    ContinuousPositions {
        window: usize,
        pretrained_window: usize,
    },
    /// What Swin V2 multiplies cosines by, given the logarithms.
    CosineFactors,
    /// Tensors one behind the other.
    Joined,
    /// A class token, the positions of all tokens, of which the first is added to it, and behind it what
    /// else belongs to no patch.
    PositionedPrefix,
    /// The positions `[1, 1 + side^2, channels]` of a class token and a square grid of patches, without
    /// the first and brought to another grid: `[1, channels, height, width]`.
    Positions {
        channels: usize,
        grid: [usize; 2],
        interpolation: Interpolation,
    },
    /// The offsets of `BEiT`'s table of position biases, `[(2 side - 1)^2 + CLASS_BIASES, heads]`, as a map
    /// of another size: `[1, heads, height, width]`.
    OffsetBiases { heads: usize, size: [usize; 2] },
    /// The last rows of that table: `[1, heads, CLASS_BIASES]`.
    ClassBiases { heads: usize },
}

/// Some input channels of a 3 x 3 convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Input channels of the whole.
    pub(crate) inputs: usize,
    /// The first one of the part.
    pub(crate) first: usize,
    /// How many the part has.
    pub(crate) count: usize,
    pub(crate) order: Order,
}

impl Recipe {
    /// Makes the values; sizes have been checked.
    pub(crate) fn make(&self, mut tensors: Vec<Vec<f32>>) -> Vec<f32> {
        match (self, tensors.as_mut_slice()) {
            (Self::Same, [values]) => std::mem::take(values),
            (Self::Transposed { columns }, [values]) => transposed(values, *columns),
            (Self::ScaledTransposed { columns }, [values, scales]) => {
                scale_rows(values, |row| f64::from(scales[row]), *columns);
                transposed(values, *columns)
            }
            (Self::Scaled, [values, scales]) => {
                scale_rows(values, |row| f64::from(scales[row]), 1);
                std::mem::take(values)
            }
            (Self::NormedWeight { epsilon }, [values, weight, _, _, variance]) => {
                scale_filters(values, [weight, variance], *epsilon);
                std::mem::take(values)
            }
            (Self::NormedPart { epsilon, part }, [values, weight, _, _, variance]) => {
                scale_filters(values, [weight, variance], *epsilon);
                part.take(values)
            }
            (Self::Part(part), [values]) => part.take(values),
            (Self::MiddleTaps, [bias]) => {
                let taps = |value: &f32| {
                    std::array::from_fn(|tap| if tap == TAPS / 2 { *value } else { 0.0 })
                };
                bias.iter()
                    .flat_map(|value| -> [f32; TAPS] { taps(value) })
                    .collect()
            }
            (Self::NormedBias { epsilon }, [weight, bias, mean, variance]) => (0..bias.len())
                .map(|row| {
                    let scale = norm_scale(weight[row], variance[row], *epsilon);
                    rounded(f64::from(bias[row]) - f64::from(mean[row]) * scale)
                })
                .collect(),
            (Self::NormedDeconvolution { epsilon, taps }, [values, weight, _, _, variance]) => {
                let scale = |row: usize| {
                    let output = row % weight.len();
                    norm_scale(weight[output], variance[output], *epsilon)
                };
                scale_rows(values, scale, *taps);
                std::mem::take(values)
            }
            (Self::NormedOwnBias { epsilon }, [own, weight, bias, mean, variance]) => (0..own
                .len())
                .map(|row| {
                    let scale = norm_scale(weight[row], variance[row], *epsilon);
                    let apart = f64::from(own[row]) - f64::from(mean[row]);
                    rounded(f64::from(bias[row]) + apart * scale)
                })
                .collect(),
            (Self::RelativePositions { window }, [table]) => relative_positions(table, *window),
            (
                Self::ContinuousPositions {
                    window,
                    pretrained_window,
                },
                [expand, bias, project],
            ) => {
                let table = continuous_table([expand, bias, project], *window, *pretrained_window);
                relative_positions(&table, *window)
            }
            (Self::CosineFactors, [logarithms]) => {
                let factor = |logarithm: &f32| f64::from(*logarithm).min(LARGEST_FACTOR).exp();
                logarithms.iter().map(factor).map(rounded).collect()
            }
            (Self::Joined, tensors) => tensors.concat(),
            (Self::PositionedPrefix, [class, positions, others @ ..]) => {
                for (number, position) in class.iter_mut().zip(positions) {
                    *number = rounded(f64::from(*number) + f64::from(*position));
                }
                class.extend(others.iter().flatten());
                std::mem::take(class)
            }
            (
                Self::Positions {
                    channels,
                    grid,
                    interpolation,
                },
                [positions],
            ) => {
                let learned = &positions[*channels..];
                let side = (learned.len() / channels).isqrt();
                transposed(&resized(learned, side, *grid, *interpolation), *channels)
            }
            (Self::OffsetBiases { heads, size }, [table]) => {
                let learned = &table[..table.len() - CLASS_BIASES * heads];
                let side = (learned.len() / heads).isqrt();
                let map = resized(learned, side, *size, Interpolation::Bilinear);
                transposed(&map, *heads)
            }
            (Self::ClassBiases { heads }, [table]) => {
                transposed(&table[table.len() - CLASS_BIASES * heads..], *heads)
            }
            (recipe, tensors) => unreachable!("{recipe:?} of {} tensors", tensors.len()),
        }
    }
}

impl Part {
    fn take(&self, values: &[f32]) -> Vec<f32> {
        let filters = values.chunks_exact(self.inputs * TAPS);
        let parts = filters.map(|filter| &filter[self.first * TAPS..][..self.count * TAPS]);
        match self.order {
            Order::Filters => parts.flatten().copied().collect(),
            Order::Taps => parts.flat_map(|part| transposed(part, TAPS)).collect(),
        }
    }
}

fn scale_filters(values: &mut [f32], [weight, variance]: [&[f32]; 2], epsilon: f64) {
    let filter = values.len() / weight.len();
    let scale = |row: usize| norm_scale(weight[row], variance[row], epsilon);
    scale_rows(values, scale, filter);
}

fn norm_scale(weight: f32, variance: f32, epsilon: f64) -> f64 {
    f64::from(weight) / (f64::from(variance) + epsilon).sqrt()
}

fn scale_rows(values: &mut [f32], scale: impl Fn(usize) -> f64, columns: usize) {
    for (row, values) in values.chunks_exact_mut(columns).enumerate() {
        let scale = scale(row);
        for value in values {
            *value = rounded(f64::from(*value) * scale);
        }
    }
}

fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    let rows = values.len() / columns;
    let mut out = Vec::with_capacity(values.len());
    for column in 0..columns {
        out.extend((0..rows).map(|row| values[row * columns + column]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Interpolation, Order, Part, Recipe};

    #[test]
    fn matrices_are_transposed_and_scaled_by_their_rows() {
        let matrix = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]; // [2, 3]
        let plain = Recipe::Transposed { columns: 3 }.make(vec![matrix.clone()]);
        assert_eq!(plain, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        let scaled = Recipe::ScaledTransposed { columns: 3 };
        assert_eq!(
            scaled.make(vec![matrix, vec![10.0, 100.0]]),
            [10.0, 400.0, 20.0, 500.0, 30.0, 600.0]
        );
        let bias = Recipe::Scaled.make(vec![vec![1.0, 2.0], vec![10.0, 100.0]]);
        assert_eq!(bias, [10.0, 200.0]);
    }

    #[test]
    fn a_folded_norm_does_what_the_norm_does() {
        // Two filters of two taps; the norm of `w x` and `folded w x + folded b` at one position.
        let filters = vec![1.0, -2.0, 0.5, 3.0];
        let [weight, bias] = [vec![2.0, -1.0], vec![0.25, 4.0]];
        let [mean, variance] = [vec![-1.0, 0.5], vec![4.0, 0.25]];
        let norm = [weight, bias, mean, variance];
        let epsilon = 1e-5;
        let mut tensors = vec![filters.clone()];
        tensors.extend(norm.clone());
        let folded = Recipe::NormedWeight { epsilon }.make(tensors);
        let shift = Recipe::NormedBias { epsilon }.make(norm.to_vec());
        let x = [3.0_f32, -0.5];
        for filter in 0..2 {
            let product = |taps: &[f32]| taps[0] * x[0] + taps[1] * x[1];
            let taps = 2 * filter..2 * filter + 2;
            let plain = f64::from(product(&filters[taps.clone()]));
            let [weight, bias, mean, variance] = norm.each_ref().map(|v| f64::from(v[filter]));
            let expected = (plain - mean) / (variance + epsilon).sqrt() * weight + bias;
            let found = f64::from(product(&folded[taps]) + shift[filter]);
            assert!((found - expected).abs() < 1e-5, "{found} for {expected}");
        }
    }

    #[test]
    fn a_norm_after_a_deconvolution_is_folded_by_its_outputs() {
        // Two channels in, two out, one tap; the norm of `w x + b` and `folded w x + folded b`.
        let weights = vec![1.0_f32, -2.0, 0.5, 3.0]; // [in, out, 1, 1]
        let own = vec![0.125, -0.75];
        let norm = [
            vec![2.0, -1.0],
            vec![0.25, 4.0],
            vec![-1.0, 0.5],
            vec![4.0, 0.25],
        ];
        let (epsilon, taps) = (1e-5, 1);
        let with = |first: &Vec<f32>| {
            let mut tensors = vec![first.clone()];
            tensors.extend(norm.clone());
            tensors
        };
        let folded = Recipe::NormedDeconvolution { epsilon, taps }.make(with(&weights));
        let shift = Recipe::NormedOwnBias { epsilon }.make(with(&own));
        let x = [3.0_f32, -0.5];
        for output in 0..2 {
            let product = |weights: &[f32]| weights[output] * x[0] + weights[2 + output] * x[1];
            let plain = f64::from(product(&weights) + own[output]);
            let [weight, bias, mean, variance] = norm.each_ref().map(|v| f64::from(v[output]));
            let expected = (plain - mean) / (variance + epsilon).sqrt() * weight + bias;
            let found = f64::from(product(&folded) + shift[output]);
            assert!((found - expected).abs() < 1e-5, "{found} for {expected}");
        }
    }

    #[test]
    fn a_part_of_a_weight_is_its_channels() {
        // One filter of three channels, whose taps are numbered; a norm that changes nothing.
        let filter: Vec<f32> = (0_u8..27).map(f32::from).collect();
        let norm = [1.0, 0.0, 0.0, 1.0].map(|number| vec![number]);
        let mut tensors = vec![filter];
        tensors.extend(norm);
        let part = |order| Part {
            inputs: 3,
            first: 1,
            count: 2,
            order,
        };
        let epsilon = 0.0;
        let make = |order| {
            let part = part(order);
            Recipe::NormedPart { epsilon, part }.make(tensors.clone())
        };
        let filters: Vec<f32> = (9_u8..27).map(f32::from).collect();
        assert_eq!(make(Order::Filters), filters);
        let taps = make(Order::Taps);
        assert_eq!(taps[..4], [9.0, 18.0, 10.0, 19.0]);
        assert_eq!(taps[16..], [17.0, 26.0]);
        let plain = Recipe::Part(part(Order::Taps)).make(vec![tensors[0].clone()]);
        assert_eq!(plain, taps);
    }

    #[test]
    fn the_tap_in_the_middle_has_the_bias() {
        let taps = Recipe::MiddleTaps.make(vec![vec![2.0, -3.0]]);
        let others = taps.iter().filter(|&&tap| tap == 0.0);
        assert_eq!((taps.len(), others.count()), (18, 16));
        assert_eq!((taps[4], taps[13]), (2.0, -3.0));
    }

    #[test]
    fn a_class_token_gets_its_position_and_registers_none() {
        let class = vec![1.0, 2.0];
        let positions = vec![10.0, 20.0, 30.0, 40.0]; // of the class token and one patch
        let registers = vec![5.0, 6.0, 7.0, 8.0];
        let joined = Recipe::Joined.make(vec![class.clone(), registers.clone()]);
        assert_eq!(joined, [1.0, 2.0, 5.0, 6.0, 7.0, 8.0]);
        let alone = Recipe::PositionedPrefix.make(vec![class.clone(), positions.clone()]);
        assert_eq!(alone, [11.0, 22.0]);
        let all = Recipe::PositionedPrefix.make(vec![class, positions, registers]);
        assert_eq!(all, [11.0, 22.0, 5.0, 6.0, 7.0, 8.0]);
    }

    #[test]
    fn positions_become_a_map_without_that_of_the_class_token() {
        let recipe = Recipe::Positions {
            channels: 2,
            grid: [2, 2],
            interpolation: Interpolation::Bicubic,
        };
        let positions = vec![-1.0, -2.0, 1.0, 10.0, 2.0, 20.0, 3.0, 30.0, 4.0, 40.0];
        let map = recipe.make(vec![positions]);
        assert_eq!(map, [1.0, 2.0, 3.0, 4.0, 10.0, 20.0, 30.0, 40.0]);
    }

    #[test]
    fn a_table_of_biases_is_offsets_and_the_class_token() {
        // A side of 1 has one offset; two heads.
        let table: Vec<f32> = (1_u8..=8).map(f32::from).collect();
        let heads = 2;
        let class = Recipe::ClassBiases { heads }.make(vec![table.clone()]);
        assert_eq!(class, [3.0, 5.0, 7.0, 4.0, 6.0, 8.0]);
        let size = [1, 3];
        let offsets = Recipe::OffsetBiases { heads, size }.make(vec![table]);
        assert_eq!(offsets, [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
    }

    #[test]
    fn factors_of_cosines_end_at_100() {
        let factors = Recipe::CosineFactors.make(vec![vec![0.0, 10.0_f32.ln(), 4.7]]);
        for (found, expected) in factors.into_iter().zip([1.0, 10.0, 100.0]) {
            assert!((found - expected).abs() < 1e-4, "{found}, not {expected}");
        }
    }
}
