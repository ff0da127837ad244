//! Scenes as a dataset.

use super::{SceneOptions, class::class_names, render};
use crate::{Error, Sample, SampleSource};

/// What a scene is called in messages and file names.
pub(super) fn scene_name(index: usize) -> String {
    format!("scene_{index:06}")
}

/// Scenes drawn on demand: as many samples as wanted, none of them stored.
///
/// ```
/// use upernet_data::{SampleSource, synth::{SceneOptions, Scenes}};
///
/// let scenes = Scenes::new(1000, SceneOptions::new([64, 80])?, 7);
/// assert_eq!((scenes.len(), scenes.class_names().len()), (1000, 11));
/// assert_eq!(scenes.name(42), "scene_000042");
/// assert_eq!(scenes.read(42)?.labels.size(), [64, 80]);
/// # Ok::<(), upernet_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Scenes {
    count: usize,
    options: SceneOptions,
    seed: u64,
    class_names: Vec<String>,
}

impl Scenes {
    /// The first `count` scenes of a seed.
    #[must_use]
    pub fn new(count: usize, options: SceneOptions, seed: u64) -> Self {
        Self {
            count,
            options,
            seed,
            class_names: class_names(),
        }
    }
}

impl SampleSource for Scenes {
    fn len(&self) -> usize {
        self.count
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn name(&self, index: usize) -> String {
        scene_name(index)
    }

    fn read(&self, index: usize) -> Result<Sample, Error> {
        Ok(render(&self.options, self.seed, index as u64))
    }
}
