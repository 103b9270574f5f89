//! Gaps between requests that come by chance.

/// The gap before request `number` of a Poisson process with one request a second, in seconds:
/// exponentially distributed, with a mean of 1.
///
/// A function of the seed and the number alone, so that a run can be repeated. From Sebastiano
/// Vigna's splitmix64 (public domain).
pub(super) fn gap_s(seed: u64, number: u64) -> f64 {
    let mut z = seed ^ 0x5851_f42d_4c95_7f2d;
    for word in [number, 0] {
        z = z.wrapping_add(word.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
    }
    // From (0, 1]: the logarithm of 0 would be a gap without end.
    let uniform = ((z >> 11) + 1) as f64 / (1u64 << 53) as f64;
    -uniform.ln()
}
