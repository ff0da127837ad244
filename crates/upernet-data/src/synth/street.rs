//! The ground plan: road, pavements, what lies beyond them.

use super::dice::Dice;

/// One side of a street; distances are metres from the middle of the road, outwards.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side {
    /// Where the road ends and the pavement begins.
    pub(super) kerb: f32,
    /// Where the pavement ends.
    pub(super) edge: f32,
    /// Where buildings begin.
    pub(super) front: f32,
    /// Whether there is grass between pavement and buildings, or else more pavement.
    pub(super) green: bool,
    /// A side road, from and to these metres along; none if they are equal.
    pub(super) mouth: [f32; 2],
}

/// The ground plan of a street.
#[derive(Clone, Copy, Debug)]
pub(super) struct Street {
    /// The left and the right side.
    pub(super) sides: [Side; 2],
    /// Metres along at which a building closes the street, far away if none does.
    pub(super) end: f32,
}

/// What the ground is at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    Road,
    Pavement,
    Grass,
}

impl Street {
    /// Rolls the dice for a street.
    pub(super) fn roll(dice: &mut Dice) -> Self {
        let half = dice.about(2.8, 5.2);
        let mut side = || {
            let kerb = half
                + if dice.chance(0.12) {
                    dice.between(2.0, 8.0)
                } else {
                    0.0
                };
            let edge = kerb + dice.about(1.4, 7.0);
            let city = dice.chance(0.5);
            let garden = if city { 0.0 } else { dice.between(1.0, 7.0) };
            let mouth = if dice.chance(0.3) {
                let start = dice.between(6.0, 40.0);
                [start, start + dice.between(6.0, 14.0)]
            } else {
                [0.0, 0.0]
            };
            Side {
                kerb,
                edge,
                front: edge + garden,
                green: dice.chance(0.6),
                mouth,
            }
        };
        let sides = [side(), side()];
        let end = if dice.chance(0.25) {
            dice.between(25.0, 90.0)
        } else {
            1000.0
        };
        Self { sides, end }
    }

    /// Half the width of the road.
    pub(super) fn half(&self) -> f32 {
        self.sides[0].kerb.min(self.sides[1].kerb)
    }

    /// The side on which a lateral position lies.
    pub(super) fn side(&self, lateral: f32) -> &Side {
        &self.sides[usize::from(lateral > 0.0)]
    }

    /// What the ground is at `[lateral, along]`.
    pub(super) fn zone(&self, [lateral, along]: [f32; 2]) -> Zone {
        let side = self.side(lateral);
        let out = lateral.abs();
        let [from, to] = side.mouth;
        // The corners of a side road are cut off, as kerbs are rounded.
        let cut = (side.kerb + 2.5 - out).max(0.0);
        if out < side.kerb || (from - cut < along && along < to + cut) {
            Zone::Road
        } else if out < side.edge || !side.green {
            Zone::Pavement
        } else {
            Zone::Grass
        }
    }
}
