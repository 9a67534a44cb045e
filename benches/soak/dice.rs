//! Numbers that look random and come again with the same seed (SplitMix64).

/// A row of them.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    /// `lane`: another row of the same seed.
    pub(super) fn new(seed: u64, lane: u64) -> Self {
        let mut dice = Self(seed ^ lane.wrapping_mul(0xa076_1d64_78bd_642f));
        dice.next();
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below the bound, which is not 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap_or(u64::MAX)).unwrap_or(0)
    }

    /// One of them; there has to be one.
    pub(super) fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}
