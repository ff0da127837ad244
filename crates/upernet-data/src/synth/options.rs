//! What scenes to draw.

use crate::Error;

/// Least and greatest side of a scene in pixels.
const SIDES: [usize; 2] = [64, 2048];

/// What scenes to draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SceneOptions {
    size: [usize; 2],
    least_width: f32,
}

impl SceneOptions {
    /// Scenes of `[height, width]` pixels.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] unless both sides are within 64..=2048 pixels.
    ///
    /// ```
    /// use upernet_data::synth::SceneOptions;
    ///
    /// assert_eq!(SceneOptions::new([360, 480])?.size(), [360, 480]);
    /// assert!(SceneOptions::new([16, 480]).is_err());
    /// # Ok::<(), upernet_data::Error>(())
    /// ```
    pub fn new(size: [usize; 2]) -> Result<Self, Error> {
        let [least, most] = SIDES;
        if size.iter().any(|side| !(least..=most).contains(side)) {
            let [height, width] = size;
            return Err(Error::Setting {
                name: "size",
                problem: format!(
                    "{height}x{width} pixels cannot be drawn, use {least} to {most} for both"
                ),
            });
        }
        Ok(Self {
            size,
            least_width: 1.0 / 56.0,
        })
    }

    /// Draws thin things, such as poles, at least this wide, and leaves out what would be smaller as a
    /// whole; a share of the photo's height, 1/56 unless set: 4.6 pixels of 256.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] unless the share is within 0..=0.1.
    pub fn with_least_width(self, least_width: f32) -> Result<Self, Error> {
        if !(0.0..=0.1).contains(&least_width) {
            return Err(Error::Setting {
                name: "least_width",
                problem: format!("{least_width} is no share of the height, use 0 to 0.1"),
            });
        }
        Ok(Self {
            least_width,
            ..self
        })
    }

    /// `[height, width]` in pixels.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// The least width of thin things, as a share of the photo's height.
    #[must_use]
    pub fn least_width(&self) -> f32 {
        self.least_width
    }
}
