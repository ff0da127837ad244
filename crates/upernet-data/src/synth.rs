//! Street-like scenes with exact labels, drawn from a seed.
//!
//! A scene is a street as a car's camera sees it, in perspective: road and pavements, buildings, trees,
//! poles, signs, fences, cars, people on foot and on bicycles, under a sky, with light and shadow,
//! texture, haze and the noise of a sensor. Each pixel of the mask is the class of what covers the centre
//! of that pixel; photo and mask are made from the same surfaces. The classes are the eleven of `CamVid`
//! in the order of its 11-class split, [`upernet_image::CAMVID`].
//!
//! A scene is a pure function of options, seed and index, on every machine: nothing but exact floating
//! point arithmetic (no sine, no logarithm) goes into it.
//!
//! ```
//! use upernet_data::synth::{SceneOptions, render};
//!
//! let options = SceneOptions::new([96, 128])?;
//! let scene = render(&options, 7, 0);
//! assert_eq!(scene.image.dimensions(), (128, 96));
//! assert_eq!(scene, render(&options, 7, 0));
//! assert_ne!(scene, render(&options, 7, 1));
//! # Ok::<(), upernet_data::Error>(())
//! ```

mod backdrop;
mod building;
mod camera;
mod canvas;
mod car;
mod class;
mod color;
mod cyclist;
mod develop;
mod dice;
mod facade;
mod fence;
mod ground;
mod layout;
mod light;
mod noise;
mod options;
mod person;
mod pole;
mod polygon;
mod scenes;
mod sign;
mod sky;
mod stage;
mod street;
#[cfg(test)]
mod tests;
mod tree;
mod write;

pub use options::SceneOptions;
pub use scenes::Scenes;
pub use write::{DatasetOptions, PhotoFormat, WrittenDataset, write_dataset};

use self::{
    camera::Camera, canvas::Canvas, develop::Film, dice::Dice, light::Light, stage::Stage,
    street::Street,
};
use crate::Sample;

/// Sets the draws of this module apart from others under the same seed.
const STREAM: u64 = 0x5343_454e_4500;

/// Draws the `index`-th scene of a seed.
#[must_use]
pub fn render(options: &SceneOptions, seed: u64, index: u64) -> Sample {
    let mut dice = Dice::new(seed, STREAM, index);
    let street = Street::roll(&mut dice);
    let camera = Camera::roll(&mut dice, options.size(), street.half());
    let light = Light::roll(&mut dice);
    let film = Film::roll(&mut dice, light.exposure);
    let things = layout::furnish(&mut dice, &street);
    let sky = sky::sky(&mut dice, camera, light);
    let mut stage = Stage {
        canvas: Canvas::new(options.size(), sky),
        camera,
        light,
        thin: options.least_width() * camera.size[0],
    };
    ground::cover(&mut dice, &mut stage, street);
    for (_, thing) in &things {
        thing.shade(&mut stage);
    }
    backdrop::draw(&mut dice, &mut stage);
    for (_, thing) in &things {
        thing.draw(&mut stage);
    }
    film.develop(&stage.canvas)
}
