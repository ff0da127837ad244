//! The lengths of hatchbacks, saloons, estates, vans and buses.

use super::super::dice::Dice;

/// Lengths of a vehicle in metres; `along` counts forwards from its middle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) length: f32,
    pub(super) half_width: f32,
    /// Heights of the underside, the front of the bonnet, the lower edge of the windows, the roof.
    pub(super) sill: f32,
    pub(super) bonnet: f32,
    pub(super) belt: f32,
    pub(super) roof: f32,
    /// Where windscreen and rear window meet the body, and where they meet the roof.
    pub(super) screen: [f32; 2],
    pub(super) rear: [f32; 2],
    pub(super) wheel: f32,
    /// Where the side windows end towards the rear, as with vans.
    pub(super) windows: f32,
}

impl Shape {
    /// Rolls the dice for a kind of vehicle.
    pub(super) fn roll(dice: &mut Dice) -> Self {
        let scale = dice.between(0.92, 1.08);
        let hatch = Self {
            length: 3.9,
            half_width: 0.85,
            sill: 0.28,
            bonnet: 0.78,
            belt: 0.95,
            roof: 1.46,
            screen: [0.95, 0.3],
            rear: [-1.9, -1.45],
            wheel: 0.31,
            windows: -1.6,
        };
        let saloon = Self {
            length: 4.5,
            rear: [-1.65, -0.95],
            windows: -1.3,
            ..hatch
        };
        let estate = Self {
            length: 4.6,
            rear: [-2.2, -1.9],
            windows: -1.9,
            ..hatch
        };
        let high = Self {
            length: 4.5,
            half_width: 0.93,
            sill: 0.38,
            bonnet: 1.0,
            belt: 1.12,
            roof: 1.78,
            rear: [-2.1, -1.9],
            wheel: 0.37,
            windows: -1.9,
            ..hatch
        };
        let van = Self {
            length: 5.2,
            half_width: 0.98,
            sill: 0.35,
            bonnet: 1.05,
            belt: 1.2,
            roof: 2.3,
            screen: [1.9, 1.2],
            rear: [-2.58, -2.52],
            wheel: 0.35,
            windows: 0.5,
        };
        let bus = Self {
            length: 10.5,
            half_width: 1.25,
            sill: 0.35,
            bonnet: 1.1,
            belt: 1.25,
            roof: 3.1,
            screen: [5.2, 5.1],
            rear: [-5.2, -5.15],
            wheel: 0.48,
            windows: -4.9,
        };
        let cars = [hatch, hatch, hatch, hatch, saloon, saloon, estate, high];
        let large = dice.pick(&[van, van, van, bus]);
        let chosen = if dice.chance(0.2) {
            large
        } else {
            dice.pick(&cars)
        };
        Self {
            length: chosen.length * scale,
            half_width: chosen.half_width * dice.between(0.95, 1.05),
            roof: chosen.roof * dice.between(0.95, 1.05),
            ..chosen
        }
    }
}
