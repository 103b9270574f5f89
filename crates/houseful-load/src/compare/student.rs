//! Student's t distribution: how far to go for a given confidence.

use std::f64::consts::FRAC_PI_2;

/// Degrees of freedom from which it is as good as normal: 1.9602 in place of 1.9600 at 95 %.
const NORMAL: f64 = 10_000.0;

/// Steps of the integration; the quantiles are then good to four digits at least.
const STEPS: usize = 1 << 12;

/// Half the width, in standard errors, of an interval that holds the truth with `confidence` (0 to
/// 1, both excluded), where the standard error has `freedom` degrees of freedom, 1 or more.
pub(super) fn quantile(confidence: f64, freedom: f64) -> f64 {
    let (sums, step, freedom) = sums(freedom);
    let wanted = confidence * sums[STEPS];
    let after = sums.partition_point(|sum| *sum < wanted).clamp(1, STEPS);
    let (low, high) = (sums[after - 1], sums[after]);
    let theta = (after as f64 - 1.0 + (wanted - low) / (high - low)) * step;
    freedom.sqrt() * theta.tan()
}

/// The density summed up from the middle, step by step; the step; the degrees of freedom.
///
/// With `t = √ν tan θ` the density becomes `cos^(ν-1) θ` on a finite range, which needs neither the
/// gamma nor the beta function: summed up to π/2 it is its own normalisation.
fn sums(freedom: f64) -> (Vec<f64>, f64, f64) {
    let freedom = freedom.clamp(1.0, NORMAL);
    // All the weight is within some standard deviations, of 1/√ν each.
    let step = FRAC_PI_2.min(12.0 / freedom.sqrt()) / STEPS as f64;
    let density = |at: usize| (at as f64 * step).cos().max(0.0).powf(freedom - 1.0);
    let mut sums = Vec::with_capacity(STEPS + 1);
    let (mut sum, mut before) = (0.0, density(0));
    sums.push(sum);
    for at in 1..=STEPS {
        let here = density(at);
        sum += (before + here) / 2.0;
        before = here;
        sums.push(sum);
    }
    (sums, step, freedom)
}

/// Half the width for a standard error that is known: the normal distribution.
pub(super) fn normal_quantile(confidence: f64) -> f64 {
    quantile(confidence, NORMAL)
}

/// The confidence of an interval that reaches so many known standard errors to either side.
pub(super) fn normal_confidence(reach: f64) -> f64 {
    let (sums, step, freedom) = sums(NORMAL);
    let at = ((reach.max(0.0) / freedom.sqrt()).atan() / step).min((STEPS - 1) as f64);
    let (low, high) = (sums[at as usize], sums[at as usize + 1]);
    (low + at.fract() * (high - low)) / sums[STEPS]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_that_of_the_tables() {
        for (confidence, freedom, table) in [
            (0.95, 1.0, 12.706),
            (0.95, 2.0, 4.303),
            (0.95, 4.0, 2.776),
            (0.95, 8.0, 2.306),
            (0.95, 30.0, 2.042),
            (0.99, 4.0, 4.604),
            (0.90, 9.0, 1.833),
            (0.50, 3.0, 0.765),
            (0.999, 10.0, 4.587),
            // Between the tables' rows, where the power of the cosine is a root: by summing the density.
            (0.95, 1.5, 6.0167),
        ] {
            let found = quantile(confidence, freedom);
            assert!((found / table - 1.0).abs() < 1e-3, "{confidence} {freedom}: {found}");
        }
        assert!((normal_quantile(0.95) - 1.96).abs() < 5e-4, "{}", normal_quantile(0.95));
        for (reach, table) in [(0.0, 0.0), (1.0, 0.6827), (1.96, 0.95), (3.0, 0.9973), (99.0, 1.0)]
        {
            let found = normal_confidence(reach);
            assert!((found - table).abs() < 1e-4, "{reach}: {found}");
        }
    }
}
