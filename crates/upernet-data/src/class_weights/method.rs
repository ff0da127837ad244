//! From counts to weights.

mod text;

use super::ClassCounts;
use crate::Error;

/// How the weights of classes in the loss are found.
///
/// In a config file: `"uniform"` (or `"none"`), `"inverse_frequency"`, `"median_frequency"`, `"enet"` (or
/// `"auto"`), or a list with one number for each class.
///
/// A class that no pixel has gets weight 1, as without weights: all formulas here would give it the
/// largest weight of all or divide by zero, and with weight 0 it would silently never be learned if it
/// turns up after all. [`ClassCounts::absent`] names such classes.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ClassWeights {
    /// Weight 1 for each class.
    #[default]
    Uniform,
    /// Labelled pixels / (classes that occur * pixels of the class), so that each class counts as much
    /// as the others; scikit-learn's `class_weight="balanced"`.
    InverseFrequency,
    /// Median frequency balancing: median of all frequencies / frequency of the class, where a frequency
    /// is the share of the class in the images that hold it. Eigen and Fergus 2015,
    /// <https://arxiv.org/abs/1411.4734>; `SegNet` was trained so. Pixels are summed over the dataset first.
    MedianFrequency,
    /// 1 / ln(1.02 + share of the class in all labelled pixels), which lies between 1.4 and 50.5. Paszke
    /// and others 2016 (`ENet`), <https://arxiv.org/abs/1606.02147>. The weights of `"auto"`, being bounded.
    Enet,
    /// These weights, by id.
    Given(Vec<f32>),
}

impl ClassWeights {
    /// Whether the weights depend on how common classes are, so that the dataset must be scanned.
    #[must_use]
    pub fn needs_counts(&self) -> bool {
        !matches!(self, Self::Uniform | Self::Given(_))
    }

    /// Returns the weight of each class, by id. Where [`needs_counts`](Self::needs_counts) says no, only
    /// the number of classes matters, and [`ClassCounts::new`] will do.
    ///
    /// # Errors
    ///
    /// Returns an error if nothing was counted where counts are needed, or given weights are not one
    /// finite number of at least 0 for each class, at least one of them above 0.
    pub fn weights(&self, counts: &ClassCounts) -> Result<Vec<f32>, Error> {
        if let Self::Given(weights) = self {
            check_given(weights, counts.num_labels())?;
            return Ok(weights.clone());
        }
        if self.needs_counts() && counts.pixels.iter().all(|&pixels| pixels == 0) {
            return Err(Error::Setting {
                name: "class_weights",
                problem: "no pixel has a label to count; give the weights as a list, \
                          or check the masks"
                    .to_owned(),
            });
        }
        let formula = self.formula(counts);
        Ok((0..counts.num_labels())
            .map(|class| weight_or_one(formula(class), counts.pixels[class]))
            .collect())
    }

    /// The weight of a class that occurs, by id.
    fn formula<'a>(&self, counts: &'a ClassCounts) -> Box<dyn Fn(usize) -> f64 + 'a> {
        let pixels = |class: usize| counts.pixels[class] as f64;
        let total = counts.pixels.iter().sum::<u64>() as f64;
        match self {
            Self::Uniform | Self::Given(_) => Box::new(|_| 1.0),
            Self::InverseFrequency => {
                let present = (counts.num_labels() - counts.absent().len()) as f64;
                Box::new(move |class| total / (present * pixels(class)))
            }
            Self::MedianFrequency => {
                let frequency =
                    move |class: usize| pixels(class) / counts.present_pixels[class] as f64;
                let present = (0..counts.num_labels()).filter(|&class| counts.pixels[class] > 0);
                let median = median(present.map(frequency).collect());
                Box::new(move |class| median / frequency(class))
            }
            Self::Enet => Box::new(move |class| 1.0 / (1.02 + pixels(class) / total).ln()),
        }
    }
}

/// Scales weights so that those of the classes that occur have mean 1; others stay as they are.
///
/// ```
/// use upernet_data::class_weights::{ClassCounts, with_mean_one};
///
/// let counts = ClassCounts { pixels: vec![5, 1, 0], present_pixels: vec![6, 6, 0] };
/// assert_eq!(with_mean_one(vec![1.0, 3.0, 1.0], &counts), [0.5, 1.5, 1.0]);
/// ```
///
/// # Panics
///
/// Panics if the weights and the counts are of different numbers of classes.
#[must_use]
pub fn with_mean_one(mut weights: Vec<f32>, counts: &ClassCounts) -> Vec<f32> {
    assert_eq!(
        weights.len(),
        counts.num_labels(),
        "one weight for each class that was counted"
    );
    let present: Vec<usize> = (0..weights.len())
        .filter(|&class| counts.pixels[class] > 0)
        .collect();
    let sum: f64 = present.iter().map(|&class| f64::from(weights[class])).sum();
    if sum > 0.0 {
        let scale = present.len() as f64 / sum;
        for class in present {
            weights[class] = narrow(f64::from(weights[class]) * scale);
        }
    }
    weights
}

/// Brings weights above `largest` down to it: a class of a few stray pixels must not rule the loss.
#[must_use]
pub fn at_most(mut weights: Vec<f32>, largest: f32) -> Vec<f32> {
    for weight in &mut weights {
        *weight = weight.min(largest);
    }
    weights
}

fn weight_or_one(weight: f64, pixels: u64) -> f32 {
    if pixels == 0 { 1.0 } else { narrow(weight) }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "weights are rounded to f32 last"
)]
fn narrow(weight: f64) -> f32 {
    weight as f32
}

/// The middle value, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}

fn check_given(weights: &[f32], num_labels: usize) -> Result<(), Error> {
    let wrong = |problem: String| {
        Err(Error::Setting {
            name: "class_weights",
            problem,
        })
    };
    if weights.len() != num_labels {
        return wrong(format!(
            "{} weights are given for {num_labels} classes; give one for each",
            weights.len()
        ));
    }
    let valid = |weight: &f32| weight.is_finite() && *weight >= 0.0;
    if let Some(class) = weights.iter().position(|weight| !valid(weight)) {
        return wrong(format!(
            "{} for class {class} is not a number of at least 0",
            weights[class]
        ));
    }
    if weights.iter().all(|&weight| weight == 0.0) {
        return wrong("all are 0, so no pixel would count; give one above 0".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn counts(pixels: &[u64], present_pixels: &[u64]) -> ClassCounts {
        ClassCounts {
            pixels: pixels.to_vec(),
            present_pixels: present_pixels.to_vec(),
        }
    }

    #[rstest]
    #[case::uniform(ClassWeights::Uniform, [1.0, 1.0, 1.0, 1.0])]
    // 100 pixels of 3 classes: 100 / (3 * 60), and so on.
    #[case::inverse(ClassWeights::InverseFrequency, [5.0 / 9.0, 10.0 / 9.0, 10.0 / 3.0, 1.0])]
    // Shares 0.6, 0.6 and 0.2 of the images; their median is 0.6.
    #[case::median(ClassWeights::MedianFrequency, [1.0, 1.0, 3.0, 1.0])]
    // 1 / ln(1.62), 1 / ln(1.32), 1 / ln(1.12)
    #[case::enet(ClassWeights::Enet, [2.072_856_2, 3.601_893_7, 8.823_891, 1.0])]
    #[case::given(ClassWeights::Given(vec![0.0, 1.0, 2.0, 9.0]), [0.0, 1.0, 2.0, 9.0])]
    fn formulas_by_hand(#[case] method: ClassWeights, #[case] expected: [f32; 4]) {
        let counts = counts(&[60, 30, 10, 0], &[100, 50, 50, 0]);
        let weights = method.weights(&counts).unwrap();
        for (weight, expected) in weights.into_iter().zip(expected) {
            assert!((weight - expected).abs() < 1e-6, "{weight} {expected}");
        }
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        let counts = counts(&[1, 3], &[8, 8]);
        let weights = ClassWeights::MedianFrequency.weights(&counts).unwrap();
        assert_eq!(weights, [2.0, 2.0 / 3.0]);
    }

    #[test]
    fn a_mean_of_one_and_an_end() {
        let counts = counts(&[5, 1, 0], &[6, 6, 0]);
        let weights = ClassWeights::InverseFrequency.weights(&counts).unwrap();
        let weights = with_mean_one(weights, &counts);
        assert!((weights[0] + weights[1] - 2.0).abs() < 1e-6);
        assert_eq!(at_most(weights, 1.5)[1..], [1.5, 1.0]);
        assert_eq!(with_mean_one(vec![0.0, 0.0, 2.0], &counts), [0.0, 0.0, 2.0]);
    }

    #[rstest]
    #[case::too_few(vec![1.0], "1 weights are given for 2 classes; give one for each")]
    #[case::negative(vec![1.0, -0.5], "-0.5 for class 1 is not a number of at least 0")]
    #[case::no_number(vec![f32::NAN, 1.0], "NaN for class 0 is not a number of at least 0")]
    #[case::endless(vec![f32::INFINITY, 1.0], "inf for class 0 is not a number of at least 0")]
    #[case::nothing(vec![0.0, 0.0], "all are 0, so no pixel would count; give one above 0")]
    fn bad_lists_are_refused(#[case] weights: Vec<f32>, #[case] problem: &str) {
        let error = ClassWeights::Given(weights)
            .weights(&ClassCounts::new(2))
            .unwrap_err();
        assert_eq!(error.to_string(), format!("class_weights: {problem}"));
    }

    #[test]
    fn weights_need_something_counted() {
        let nothing = ClassCounts::new(2);
        for method in [
            ClassWeights::InverseFrequency,
            ClassWeights::MedianFrequency,
            ClassWeights::Enet,
        ] {
            assert!(method.needs_counts());
            assert!(method.weights(&nothing).is_err(), "{method:?}");
        }
        assert!(!ClassWeights::Uniform.needs_counts());
        assert_eq!(ClassWeights::Uniform.weights(&nothing).unwrap(), [1.0, 1.0]);
    }
}
