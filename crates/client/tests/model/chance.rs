//! Chance, as the model needs it: everything from one seed.
//!
//! The generator is that of the SDK's model, "mulberry32", and draws are made in the same order: a seed tells the same story in both,
//! and one that was found there is one here.

/// Draws from a seed.
pub(crate) struct Chance {
    state: u32,
}

/// The lowest and the highest number of a range.
pub(crate) type Range = (u64, u64);

const STEP: u32 = 0x6d2b_79f5;
/// Neighbouring seeds would begin alike without it.
const SPREAD: u32 = 0x9e37_79b1;

impl Chance {
    pub(crate) fn new(seed: u32) -> Self {
        Self { state: seed.wrapping_add(1).wrapping_mul(SPREAD) }
    }

    /// True so often.
    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        self.next() < probability
    }

    /// A number of a range.
    pub(crate) fn between(&mut self, (low, high): Range) -> u64 {
        low + self.below(high - low + 1)
    }

    /// One of several ranges, each as likely as the others, and a number of it: mostly short, sometimes long.
    pub(crate) fn of_ranges(&mut self, ranges: &[Range]) -> u64 {
        let range = self.one_of(ranges);
        self.between(range)
    }

    /// One of several.
    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// A u32; often one that is about to run over.
    pub(crate) fn epoch(&mut self) -> u32 {
        let runs_over = self.happens(0.3);
        if runs_over { (self.between((1, 3)) as u32).wrapping_neg() } else { self.between((0, u32::MAX.into())) as u32 }
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() * limit as f64) as u64
    }

    /// A number in [0, 1).
    fn next(&mut self) -> f64 {
        self.state = self.state.wrapping_add(STEP);
        let mut mixed = (self.state ^ (self.state >> 15)).wrapping_mul(self.state | 1);
        mixed ^= mixed.wrapping_add((mixed ^ (mixed >> 7)).wrapping_mul(mixed | 61));
        f64::from(mixed ^ (mixed >> 14)) / 4_294_967_296.0
    }
}
