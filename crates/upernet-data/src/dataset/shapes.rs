//! Labelled shapes to a label map: large ones first, so that small ones stay visible.

use upernet_image::{DecodeLimits, LabelMap};

use super::LabelMapping;
use super::polygon::{Run, covered};

/// Most runs of pixels of all shapes of a photo together.
const MOST_RUNS: usize = 16 << 20;

/// A shape with its label.
#[derive(Debug)]
pub(crate) struct Shape<'a> {
    pub(crate) label: &'a str,
    pub(crate) area: Area<'a>,
}

/// What a shape covers.
#[derive(Debug)]
pub(crate) enum Area<'a> {
    /// Everything inside any of the polygons.
    Polygons(Vec<&'a [[f32; 2]]>),
    /// Lengths of runs down the columns, outside and inside in turn.
    Columns(Vec<u32>),
}

/// Pixels of a shape; columns laid end to end instead of rows if `down`.
struct Painted {
    class: u16,
    pixels: usize,
    runs: Vec<Run>,
    down: bool,
}

/// Paints shapes on a `[height, width]` picture, those with fewer pixels over those with more.
///
/// Where two have equally many, the later one is on top. What no shape covers is
/// [`LabelMapping::uncovered`].
pub(crate) fn paint(
    size: [usize; 2],
    shapes: &[Shape<'_>],
    mapping: &LabelMapping,
    limits: &DecodeLimits,
) -> Result<LabelMap, String> {
    let [height, width] = size;
    check_size(size, limits)?;
    let mut painted = Vec::with_capacity(shapes.len());
    let mut num_runs = 0;
    for shape in shapes {
        let class = mapping
            .class_of_name(shape.label)
            .ok_or_else(|| unknown_name(shape.label))?;
        let runs = match &shape.area {
            Area::Polygons(polygons) => polygons
                .iter()
                .map(|points| covered(size, points))
                .collect::<Result<Vec<_>, _>>()?
                .concat(),
            Area::Columns(counts) => column_runs(size, counts)?,
        };
        num_runs += runs.len();
        if num_runs > MOST_RUNS {
            return Err("the shapes are too intricate to be drawn ones".to_owned());
        }
        let pixels = runs.iter().map(|run| run.length).sum();
        painted.push(Painted {
            class,
            pixels,
            runs,
            down: matches!(shape.area, Area::Columns(_)),
        });
    }
    painted.sort_by_key(|shape| std::cmp::Reverse(shape.pixels));
    let mut labels = vec![mapping.uncovered(); height * width];
    for shape in painted {
        for Run { start, length } in shape.runs {
            if shape.down {
                for place in start..start + length {
                    labels[place % height * width + place / height] = shape.class;
                }
            } else {
                labels[start..start + length].fill(shape.class);
            }
        }
    }
    LabelMap::new(size, labels).map_err(|error| error.to_string())
}

/// Refuses a size from a file before anything of that size is made.
fn check_size([height, width]: [usize; 2], limits: &DecodeLimits) -> Result<(), String> {
    let side = u64::from(limits.max_side);
    let [rows, columns] = [height as u64, width as u64];
    if rows == 0 || columns == 0 || rows.max(columns) > side || rows * columns > limits.max_pixels {
        return Err(format!(
            "{width} x {height} pixels are none, or over the limits"
        ));
    }
    Ok(())
}

fn column_runs([height, width]: [usize; 2], counts: &[u32]) -> Result<Vec<Run>, String> {
    let mut runs = Vec::new();
    let mut start = 0_usize;
    for (index, &length) in counts.iter().enumerate() {
        let length = length as usize;
        if index % 2 == 1 && length > 0 {
            runs.push(Run { start, length });
        }
        start = start.saturating_add(length);
    }
    if start == height * width {
        Ok(runs)
    } else {
        Err(format!(
            "runs of {start} pixels for a photo of {width} x {height}"
        ))
    }
}

fn unknown_name(label: &str) -> String {
    format!(
        "the label \"{label}\" is neither a class nor mapped to one; map or ignore it under [names] in \
         label_map.toml"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::LabelTable;

    fn mapping() -> LabelMapping {
        let classes = ["background", "road", "car"].map(str::to_owned);
        let table = LabelTable::from_toml("names = { sky = 'ignore' }").unwrap();
        LabelMapping::new(&table, &classes, "test").unwrap()
    }

    fn square(side: f32) -> Vec<[f32; 2]> {
        vec![[0.0, 0.0], [side, 0.0], [side, side], [0.0, side]]
    }

    fn painted(shapes: &[Shape<'_>]) -> Result<Vec<u16>, String> {
        Ok(paint([3, 3], shapes, &mapping(), &DecodeLimits::default())?.into_labels())
    }

    #[test]
    fn small_lies_over_large_in_any_order() {
        let [large, small] = [square(2.0), square(1.0)];
        let shape = |label, points| Shape {
            label,
            area: Area::Polygons(vec![points]),
        };
        let expected = [2, 1, 0, 1, 1, 0, 0, 0, 0];
        assert_eq!(
            painted(&[shape("road", &large), shape("car", &small)]).unwrap(),
            expected
        );
        assert_eq!(
            painted(&[shape("car", &small), shape("road", &large)]).unwrap(),
            expected
        );
        let later = painted(&[shape("car", &small), shape("sky", &small)]).unwrap();
        assert_eq!(later[0], 255);
    }

    #[test]
    fn runs_go_down_the_columns() {
        let shape = Shape {
            label: "car",
            area: Area::Columns(vec![1, 3, 5]),
        };
        assert_eq!(painted(&[shape]).unwrap(), [0, 2, 0, 2, 0, 0, 2, 0, 0]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let error = painted(&[Shape {
            label: "car",
            area: Area::Columns(vec![1, 3]),
        }])
        .unwrap_err();
        assert_eq!(error, "runs of 4 pixels for a photo of 3 x 3");
        let error = painted(&[Shape {
            label: "tree",
            area: Area::Columns(vec![9]),
        }])
        .unwrap_err();
        assert!(
            error.starts_with("the label \"tree\" is neither a class nor mapped"),
            "{error}"
        );
        let limits = DecodeLimits {
            max_pixels: 8,
            ..DecodeLimits::default()
        };
        let error = paint([3, 3], &[], &mapping(), &limits).unwrap_err();
        assert_eq!(error, "3 x 3 pixels are none, or over the limits");
        assert!(paint([0, 3], &[], &mapping(), &limits).is_err());
    }
}
