//! What becomes of a tensor's values between a file and the hub.

/// How the hub's values differ from the file's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Not at all.
    Same,
    /// A fused projection of query, key and value: three tensors of a third of the rows each. In a
    /// table, the row's place has `{}` for their names, or `{:.1}` for the first letters of them.
    Thirds,
    /// One of those three, from 0.
    Third(usize),
    /// A fused projection whose key has no bias: query and value alone.
    OuterThirds,
    /// A fused projection of key and value: two tensors of half the rows each, `{}` standing for their
    /// names.
    Halves,
    /// One of those two, from 0.
    Half(usize),
    /// Patch merging in the order of `torch.nn.Unfold`, in which mmsegmentation gathers.
    Unfolded,
    /// A vector with further axes of one, as `[C, 1, 1]`.
    Vector,
    /// A matrix with further axes of one: a linear layer that was written as a convolution.
    Matrix,
    /// A vector, on the hub over the last of four axes.
    LastOfFour,
    /// A row of a token, on the hub of a batch of one.
    Token,
    /// Positions of patches, on the hub after that of the class token, which is zero.
    AfterZeros,
    /// A stem of three bands, for so many.
    Bands(usize),
}

/// Names of the thirds of a fused projection.
const THIRDS: [&str; 3] = ["query", "key", "value"];
/// Names of the halves of one whose query is a projection of its own.
const HALVES: [&str; 2] = ["key", "value"];

impl Change {
    /// The tensors of the hub that a tensor of the file makes, `hub` being the place that the table
    /// names.
    pub(super) fn parts(self, hub: &str) -> Vec<(String, Self)> {
        let third = |index: usize| {
            let name = THIRDS[index];
            let hub = hub.replace("{}", name).replace("{:.1}", &name[..1]);
            (hub, Self::Third(index))
        };
        match self {
            Self::Thirds => (0..3).map(third).collect(),
            Self::OuterThirds => vec![third(0), third(2)],
            Self::Halves => [0, 1]
                .map(|index| (hub.replace("{}", HALVES[index]), Self::Half(index)))
                .to_vec(),
            other => vec![(hub.to_owned(), other)],
        }
    }

    /// The shape on the hub of what has `shape` in the file; that itself if it has not the form.
    pub(crate) fn shape(self, shape: &[usize]) -> Vec<usize> {
        let ones_after = |axes: usize| shape.iter().skip(axes).all(|&side| side == 1);
        match (self, shape) {
            (Self::Third(_), [rows, others @ ..]) if rows % 3 == 0 => {
                [&[rows / 3], others].concat()
            }
            (Self::Half(_), [rows, others @ ..]) if rows % 2 == 0 => [&[rows / 2], others].concat(),
            (Self::Vector, [first, ..]) if ones_after(1) => vec![*first],
            (Self::Matrix, [rows, columns, ..]) if ones_after(2) => vec![*rows, *columns],
            (Self::LastOfFour, [channels]) => vec![1, 1, 1, *channels],
            (Self::Token, [1, channels]) => vec![1, 1, *channels],
            (Self::AfterZeros, [1, patches @ (1..), channels]) => vec![1, patches + 1, *channels],
            (Self::Bands(bands), [channels, 3, height, width]) => {
                vec![*channels, bands, *height, *width]
            }
            _ => shape.to_vec(),
        }
    }

    /// The values on the hub, of a tensor of `shape` in the file; both in row-major order.
    pub(crate) fn apply(self, values: Vec<f32>, shape: &[usize]) -> Vec<f32> {
        match (self, shape) {
            (Self::Third(third), [rows, ..]) if rows % 3 == 0 => {
                let length = values.len() / 3;
                values[third * length..(third + 1) * length].to_vec()
            }
            (Self::Bands(bands), [_, 3, height, width]) => fitted(&values, height * width, bands),
            (Self::Half(half), [rows, ..]) if rows % 2 == 0 => {
                let length = values.len() / 2;
                values[half * length..(half + 1) * length].to_vec()
            }
            (Self::Unfolded, [.., columns]) if columns % 4 == 0 => folded(&values, *columns),
            (Self::AfterZeros, [1, (1..), channels]) => [vec![0.0; *channels], values].concat(),
            _ => values,
        }
    }

    /// What is done, as a report says it; `None` if the values lie as they did.
    pub(crate) fn verb(self) -> Option<Verb> {
        match self {
            Self::Thirds | Self::OuterThirds | Self::Third(_) | Self::Halves | Self::Half(_) => {
                Some(Verb::Split)
            }
            Self::Unfolded => Some(Verb::Reordered),
            Self::Same
            | Self::Vector
            | Self::Matrix
            | Self::LastOfFour
            | Self::Token
            | Self::AfterZeros
            | Self::Bands(_) => None,
        }
    }
}

/// What a report says of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Split,
    Reordered,
}

/// Brings rows of `columns` values from `torch.nn.Unfold`'s order to the hub's.
///
/// The four neighbours that are merged lie at (row, column). `Unfold` has for each channel the four in
/// the order (0,0), (0,1), (1,0), (1,1); the hub has for each of (0,0), (1,0), (0,1), (1,1) all channels.
fn folded(values: &[f32], columns: usize) -> Vec<f32> {
    const NEIGHBOURS: [usize; 4] = [0, 2, 1, 3];
    let channels = columns / 4;
    let mut folded = Vec::with_capacity(values.len());
    for row in values.chunks_exact(columns.max(1)) {
        for neighbour in NEIGHBOURS {
            folded.extend((0..channels).map(|channel| row[channel * 4 + neighbour]));
        }
    }
    folded
}

/// Kernels of `size` values for three bands as kernels for `bands`.
fn fitted(values: &[f32], size: usize, bands: usize) -> Vec<f32> {
    let mut fitted = Vec::with_capacity(values.len() / 3 * bands);
    for kernels in values.chunks_exact((3 * size).max(1)) {
        let kernel = |band: usize| &kernels[band % 3 * size..][..size];
        if bands == 1 {
            let [red, green, blue] = [kernel(0), kernel(1), kernel(2)];
            fitted.extend((0..size).map(|place| red[place] + green[place] + blue[place]));
            continue;
        }
        let factor = 3.0 / bands as f32;
        for band in 0..bands {
            fitted.extend(kernel(band).iter().map(|value| value * factor));
        }
    }
    fitted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What mmsegmentation would write of the hub's rows: the definition of `Unfold`, by index.
    fn unfolded(values: &[f32], columns: usize) -> Vec<f32> {
        let channels = columns / 4;
        let mut written = vec![0.0; values.len()];
        for (index, &value) in values.iter().enumerate() {
            let (row, column) = (index / columns, index % columns);
            let (neighbour, channel) = (column / channels, column % channels);
            // The hub counts neighbours down columns, `Unfold` along rows.
            let (down, right) = (neighbour % 2, neighbour / 2);
            written[row * columns + channel * 4 + 2 * down + right] = value;
        }
        written
    }

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "small whole numbers")]
    fn folding_is_the_inverse_of_unfolding() {
        for (rows, channels) in [(1, 1), (1, 7), (6, 3), (5, 16), (16, 8)] {
            let columns = 4 * channels;
            let hub: Vec<f32> = (0..rows * columns).map(|index| index as f32).collect();
            let written = unfolded(&hub, columns);
            let shape = if rows == 1 {
                vec![columns]
            } else {
                vec![rows, columns]
            };
            assert_eq!(
                Change::Unfolded.apply(written, &shape),
                hub,
                "{rows} x {columns}"
            );
            assert_eq!(Change::Unfolded.shape(&shape), shape);
        }
    }

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "small whole numbers")]
    fn thirds_put_together_are_the_whole() {
        for shape in [vec![3], vec![12], vec![6, 5], vec![21, 7]] {
            let count = shape.iter().product::<usize>();
            let fused: Vec<f32> = (0..count).map(|index| index as f32).collect();
            let parts = Change::Thirds.parts("attention.self.{}.bias");
            let names: Vec<&str> = parts.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(
                names,
                [
                    "attention.self.query.bias",
                    "attention.self.key.bias",
                    "attention.self.value.bias"
                ]
            );
            let thirds = parts
                .iter()
                .map(|(_, change)| change.apply(fused.clone(), &shape));
            assert_eq!(thirds.collect::<Vec<_>>().concat(), fused);
            let third = Change::Third(1).shape(&shape);
            assert_eq!(third.iter().product::<usize>() * 3, count, "{third:?}");
        }
        let halves = Change::Halves.parts("attention.{}.bias");
        let names: Vec<&str> = halves.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["attention.key.bias", "attention.value.bias"]);
        for shape in [vec![4], vec![6, 5]] {
            let count = shape.iter().product::<usize>();
            let fused: Vec<f32> = (0..count).map(|index| index as f32).collect();
            let parts = halves
                .iter()
                .map(|(_, change)| change.apply(fused.clone(), &shape));
            assert_eq!(parts.collect::<Vec<_>>().concat(), fused);
        }
        let outer = Change::OuterThirds.parts("self.{}.bias");
        assert_eq!(outer[1], ("self.value.bias".to_owned(), Change::Third(2)));
    }

    #[test]
    fn shapes_that_have_not_the_form_are_left_for_the_report() {
        for (change, shape, expected) in [
            (Change::Third(0), vec![9, 2], vec![3, 2]),
            (Change::Third(0), vec![8, 2], vec![8, 2]),
            (Change::Third(0), vec![], vec![]),
            (Change::Half(1), vec![8, 2], vec![4, 2]),
            (Change::Half(0), vec![7, 2], vec![7, 2]),
            (Change::Vector, vec![5, 1, 1], vec![5]),
            (Change::Vector, vec![5, 2, 1], vec![5, 2, 1]),
            (Change::Matrix, vec![8, 2, 1, 1], vec![8, 2]),
            (Change::Matrix, vec![8, 2], vec![8, 2]),
            (Change::Matrix, vec![8, 2, 3, 3], vec![8, 2, 3, 3]),
            (Change::LastOfFour, vec![6], vec![1, 1, 1, 6]),
            (Change::LastOfFour, vec![1, 1, 1, 6], vec![1, 1, 1, 6]),
            (Change::Token, vec![1, 6], vec![1, 1, 6]),
            (Change::Token, vec![6], vec![6]),
            (Change::AfterZeros, vec![1, 4, 6], vec![1, 5, 6]),
            (Change::AfterZeros, vec![2, 4, 6], vec![2, 4, 6]),
            // Nothing is allocated for a width that no value stands behind.
            (Change::AfterZeros, vec![1, 0, 6], vec![1, 0, 6]),
        ] {
            assert_eq!(change.shape(&shape), expected, "{change:?} of {shape:?}");
        }
        let odd = vec![1.0; 8];
        assert_eq!(
            Change::Third(2).apply(odd.clone(), &[8]),
            odd,
            "no thirds, no panic"
        );
        let odd = vec![1.0; 7];
        assert_eq!(Change::Half(1).apply(odd.clone(), &[7]), odd, "no halves");
        assert_eq!(Change::Unfolded.apply(vec![1.0; 6], &[6]), [1.0; 6]);
        assert!(Change::Unfolded.apply(Vec::new(), &[3, 0]).is_empty());
    }

    #[test]
    fn the_position_of_a_class_token_is_zero() {
        let positions = Change::AfterZeros.apply(vec![1.0, 2.0, 3.0, 4.0], &[1, 2, 2]);
        assert_eq!(positions, [0.0, 0.0, 1.0, 2.0, 3.0, 4.0]);
        let outer = Change::OuterThirds.parts("attention.{:.1}_proj.bias");
        let names: Vec<&str> = outer.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["attention.q_proj.bias", "attention.v_proj.bias"]);
    }

    /// `timm.models._manipulate.adapt_input_conv`, timm 1.0.31.
    #[test]
    fn a_stem_is_fitted_to_other_bands_as_timm_does() {
        // Two channels of three kernels of 1 x 2.
        let values: Vec<f32> = (1_u8..=12).map(f32::from).collect();
        let shape = [2, 3, 1, 2];
        for (bands, expected) in [
            (1, vec![9.0, 12.0, 27.0, 30.0]),
            (2, vec![1.5, 3.0, 4.5, 6.0, 10.5, 12.0, 13.5, 15.0]),
            (
                4,
                vec![
                    0.75, 1.5, 2.25, 3.0, 3.75, 4.5, 0.75, 1.5, 5.25, 6.0, 6.75, 7.5, 8.25, 9.0,
                    5.25, 6.0,
                ],
            ),
        ] {
            let change = Change::Bands(bands);
            assert_eq!(change.apply(values.clone(), &shape), expected);
            assert_eq!(change.shape(&shape), [2, bands, 1, 2]);
        }
    }
}
