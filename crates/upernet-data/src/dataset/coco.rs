//! COCO's instance files: photos, categories and shapes of a split in one JSON file.
//!
//! Source of the format: <https://cocodataset.org/#format-data>. Coordinates are kept as 32-bit numbers,
//! whose steps at 8,192 pixels are a thousandth of a pixel, and only what the masks need is kept at all.

mod folders;
mod rle;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use upernet_image::{DecodeLimits, LabelMap};

pub(super) use folders::{detect, read, with_background};

use super::LabelMapping;
use super::files::read_bounded;
use super::label_table::one_line;
use super::shapes::{Area, Shape, paint};
use crate::Error;

/// Most bytes of a file; that of COCO's 118,287 training photos has 449 million.
const MOST_BYTES: u64 = 2 << 30;

/// The content of a file.
#[derive(Debug)]
pub(crate) struct CocoFile {
    path: PathBuf,
    images: Vec<Image>,
    categories: HashMap<u64, String>,
    /// For each photo its shapes.
    shapes: Vec<Vec<Annotation>>,
}

#[derive(Deserialize)]
struct Content {
    images: Vec<Image>,
    #[serde(default)]
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
}

#[derive(Debug, Deserialize)]
struct Image {
    id: u64,
    file_name: String,
    width: u32,
    height: u32,
}

#[derive(Debug, Deserialize)]
struct Annotation {
    image_id: u64,
    category_id: u64,
    #[serde(default)]
    segmentation: Segmentation,
}

#[derive(Deserialize)]
struct Category {
    id: u64,
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Segmentation {
    Polygons(Vec<Vec<f32>>),
    Runs { counts: Counts, size: [u32; 2] },
}

impl Default for Segmentation {
    fn default() -> Self {
        Self::Polygons(Vec::new())
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Counts {
    Plain(Vec<u32>),
    Compressed(String),
}

impl CocoFile {
    /// Reads a file.
    fn read(path: &Path) -> Result<Self, Error> {
        let invalid = |problem: String| Error::Invalid {
            path: path.to_path_buf(),
            problem,
        };
        let bytes = read_bounded(path, MOST_BYTES)?;
        let content: Content = serde_json::from_slice(&bytes).map_err(|error| {
            invalid(format!(
                "is not a COCO instance file: {}",
                one_line(&error.to_string())
            ))
        })?;
        let places: HashMap<u64, usize> = content
            .images
            .iter()
            .enumerate()
            .map(|(place, image)| (image.id, place))
            .collect();
        if places.len() < content.images.len() {
            return Err(invalid(
                "two photos have the same id; export it anew".to_owned(),
            ));
        }
        let categories: HashMap<u64, String> = content
            .categories
            .into_iter()
            .map(|category| (category.id, category.name))
            .collect();
        let mut shapes: Vec<Vec<Annotation>> = Vec::new();
        shapes.resize_with(content.images.len(), Vec::new);
        for annotation in content.annotations {
            let Annotation {
                image_id,
                category_id,
                ..
            } = annotation;
            let Some(&place) = places.get(&image_id) else {
                return Err(invalid(format!(
                    "an annotation is of photo {image_id}, which is not listed; export it anew"
                )));
            };
            if !categories.contains_key(&category_id) {
                return Err(invalid(format!(
                    "an annotation is of category {category_id}, which is not listed; export it anew"
                )));
            }
            shapes[place].push(annotation);
        }
        Ok(Self {
            path: path.to_path_buf(),
            images: content.images,
            categories,
            shapes,
        })
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Names of the categories, in the order of their ids.
    fn category_names(&self) -> Vec<String> {
        let mut ids: Vec<_> = self.categories.iter().collect();
        ids.sort_unstable();
        let mut names: Vec<String> = Vec::with_capacity(ids.len());
        for (_, name) in ids {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    /// Paints the labels of a photo.
    pub(crate) fn labels(
        &self,
        image: usize,
        mapping: &LabelMapping,
        limits: &DecodeLimits,
    ) -> Result<LabelMap, Error> {
        let Image {
            file_name,
            width,
            height,
            ..
        } = &self.images[image];
        let size = [*height as usize, *width as usize];
        let painted = self.shapes[image]
            .iter()
            .map(|annotation| self.shape(annotation, size))
            .collect::<Result<Vec<_>, String>>()
            .and_then(|shapes| paint(size, &shapes, mapping, limits));
        painted.map_err(|problem| Error::Invalid {
            path: self.path.clone(),
            problem: format!("photo {file_name}: {problem}"),
        })
    }

    fn shape<'a>(
        &'a self,
        annotation: &'a Annotation,
        size: [usize; 2],
    ) -> Result<Shape<'a>, String> {
        let area = match &annotation.segmentation {
            Segmentation::Polygons(polygons) => Area::Polygons(
                polygons
                    .iter()
                    .map(|flat| points(flat))
                    .collect::<Result<_, _>>()?,
            ),
            Segmentation::Runs { size: found, .. } if found.map(|side| side as usize) != size => {
                let [height, width] = found;
                return Err(format!(
                    "runs are of {width} x {height} pixels; export the file anew"
                ));
            }
            Segmentation::Runs {
                counts: Counts::Plain(counts),
                ..
            } => Area::Columns(counts.clone()),
            Segmentation::Runs {
                counts: Counts::Compressed(text),
                ..
            } => Area::Columns(rle::decompress(
                text,
                size[0].saturating_mul(size[1]).saturating_add(1),
            )?),
        };
        Ok(Shape {
            label: &self.categories[&annotation.category_id],
            area,
        })
    }
}

fn points(flat: &[f32]) -> Result<&[[f32; 2]], String> {
    match flat.as_chunks() {
        (points, []) => Ok(points),
        _ => Err("a polygon has a coordinate without partner".to_owned()),
    }
}
