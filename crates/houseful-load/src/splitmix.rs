//! Numbers that come by chance, and by the same chance again.

/// Sebastiano Vigna's splitmix64 (public domain): small, fast, the same everywhere.
#[derive(Debug, Clone)]
pub(crate) struct SplitMix64(u64);

impl SplitMix64 {
    /// A generator for what these words name, so that things can be made in any order.
    pub(crate) fn of(seed: u64, words: [u64; 2]) -> SplitMix64 {
        let mut state = SplitMix64(seed);
        for word in words {
            state = SplitMix64(state.next() ^ word);
        }
        state
    }

    /// The next number, each as likely as the other.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next number below `end`, which is not 0: by the high half of a product, as Daniel Lemire
    /// does it; what that favours some numbers by is below `end` in 2⁶⁴.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }
}
