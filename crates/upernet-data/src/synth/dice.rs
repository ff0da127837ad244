//! Random draws, from integers and exact arithmetic alone, so that they are the same on every machine.

use rand::Rng;

use crate::{Random, random};

/// A source of random draws for one purpose.
pub(super) struct Dice {
    generator: Random,
}

impl Dice {
    /// The dice of the `index`-th scene of `seed`, for one purpose.
    pub(super) fn new(seed: u64, purpose: u64, index: u64) -> Self {
        Self {
            generator: random(seed, purpose, index),
        }
    }

    /// A number in `0..1`.
    pub(super) fn unit(&mut self) -> f32 {
        (self.generator.next_u32() >> 8) as f32 / 16_777_216.0
    }

    /// A number in `low..high`, all alike.
    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// A number in `low..high`, the middle more often than the ends.
    pub(super) fn about(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * 0.5 * (self.unit() + self.unit())
    }

    /// True with the given probability.
    pub(super) fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// One of the choices, all alike.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        let index = u64::from(self.generator.next_u32()) * choices.len() as u64;
        choices[usize::try_from(index >> 32).expect("an index of a slice")]
    }

    /// -1 or 1.
    pub(super) fn sign(&mut self) -> f32 {
        self.pick(&[-1.0, 1.0])
    }

    /// A number that makes the pattern of one surface differ from that of its neighbours.
    pub(super) fn salt(&mut self) -> u32 {
        self.generator.next_u32()
    }

    /// A unit vector, up to `half_turn` (tangent of half the angle) off the first axis on either side.
    pub(super) fn direction(&mut self, half_turn: f32) -> [f32; 2] {
        let tangent = self.between(-half_turn, half_turn);
        let square = tangent * tangent;
        [
            (1.0 - square) / (1.0 + square),
            2.0 * tangent / (1.0 + square),
        ]
    }
}
