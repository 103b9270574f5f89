//! How far a difference may be from the truth: drawn again and again from what was measured.
//!
//! *What is drawn.* Of a side with several runs, runs, each whole: they are what is independent, and
//! drawing inside them, too, would count their inner spread twice (Davison and Hinkley, *Bootstrap
//! Methods and their Application*, 1997, section 3.8; Field and Welsh, "Bootstrapping clustered
//! data", JRSS B 69, 2007). Of a side with a single run, blocks of its time: see [`super::blocks`].
//!
//! *Few of them.* Percentiles of what was drawn from `n` things are too narrow by `√((n-1)/n)` and by
//! what Student's t is wider than the normal distribution: in all 1.3 times for five runs a side
//! (Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician 69, 2015).
//! They are widened by that. And a bootstrap of two or three runs has but a few values; so where
//! there are several runs the interval is the hull of it and of Welch's t interval ("The
//! generalization of Student's problem", Biometrika 34, 1947): it excludes only what both exclude.
//!
//! *Several figures.* Five intervals of which each is right 95 times in 100 are all right less often.
//! So each is made with more confidence, as much as it takes for all to be right at once: how much,
//! the draws themselves tell, in which the figures hang together as they do in truth (the maximum of
//! Westfall and Young, *Resampling-Based Multiple Testing*, 1993).
//!
//! A side with one run against one with several: its runs would spread as the other's do, so the t
//! interval is the pooled one, with the other's degrees of freedom.

use super::Side;
use super::figure::Figure;
use super::student;
use crate::splitmix::SplitMix64;

/// One figure of one side: of what was measured, and of what was drawn from it.
pub(super) struct Sample {
    /// `[run]` → the figure, on its scale.
    runs: Vec<f64>,
    /// How many things are drawn from: runs, or blocks of the one run.
    units: usize,
    /// `[resample]` → the figure of the side.
    draws: Vec<f64>,
}

/// A difference B - A, and how far from it the truth may be; on the scale of the figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Interval {
    pub(super) estimate: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// Draws `resamples` times: `[figure]` → what came of it. All figures of a resample are of the same draw.
pub(super) fn draw(
    side: &Side,
    figures: &[Figure],
    resamples: usize,
    mut random: SplitMix64,
) -> Vec<Sample> {
    let runs = &side.runs;
    let only = match runs.as_slice() {
        [run] => run.blocks.as_ref().map(|blocks| (run, blocks)),
        _ => None,
    };
    let units = only.map_or(runs.len(), |(_, blocks)| blocks.len());
    let mut samples: Vec<Sample> = figures
        .iter()
        .map(|figure| Sample {
            runs: runs.iter().map(|run| figure.of(run)).collect(),
            units,
            draws: Vec::with_capacity(resamples),
        })
        .collect();
    let mut drawn = vec![0; units];
    for _ in 0..resamples {
        drawn.fill(0);
        (0..units).for_each(|_| drawn[random.below(units)] += 1);
        for (sample, figure) in samples.iter_mut().zip(figures) {
            let value = match only {
                // Nothing but empty blocks says nothing; the run itself stands for it.
                Some((run, _)) => figure.of_drawn(run, &drawn).unwrap_or(sample.runs[0]),
                None => weighted_mean(&sample.runs, &drawn),
            };
            sample.draws.push(value);
        }
    }
    samples
}

impl Sample {
    /// The figure of the side: the mean of its runs, on the scale of the figure.
    pub(super) fn estimate(&self) -> f64 {
        mean(&self.runs)
    }

    /// Variance of the mean of the runs; `None` of a single one.
    fn variance_of_mean(&self) -> Option<f64> {
        let (count, mean) = (self.runs.len() as f64, self.estimate());
        let squares = self.runs.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        (self.runs.len() > 1).then(|| squares / (count - 1.0) / count)
    }
}

/// Where B - A lies, figure by figure, with this confidence for all at once; `None` if a figure is
/// not finite, or there is but one thing to draw from. The fewer figures, the narrower.
pub(super) fn intervals(a: &[Sample], b: &[Sample], confidence: f64) -> Vec<Option<Interval>> {
    let differences: Vec<Option<Vec<f64>>> =
        a.iter().zip(b).map(|(a, b)| deviations(a, b)).collect();
    let confidence = confidence_of_each(&differences, confidence);
    let sides = a.iter().zip(b);
    let intervals = sides.zip(differences).map(|((a, b), differences)| {
        differences.map(|differences| interval(a, b, differences, confidence))
    });
    intervals.collect()
}

/// `[resample]` → how far the drawn difference is from the measured one.
fn deviations(a: &Sample, b: &Sample) -> Option<Vec<f64>> {
    let estimate = b.estimate() - a.estimate();
    let differences: Vec<f64> =
        a.draws.iter().zip(&b.draws).map(|(a, b)| b - a - estimate).collect();
    let is_finite = estimate.is_finite() && differences.iter().all(|it| it.is_finite());
    (is_finite && a.units.min(b.units) > 1 && !differences.is_empty()).then_some(differences)
}

/// The confidence of each interval with which all are right at once.
///
/// In each resample the figure counts that is farthest off, in standard deviations. Where so many
/// resamples as the confidence says have none that is farther off, all intervals reach.
fn confidence_of_each(differences: &[Option<Vec<f64>>], confidence: f64) -> f64 {
    let mut farthest: Vec<f64> = Vec::new();
    for differences in differences.iter().flatten() {
        let squares = differences.iter().map(|it| it * it).sum::<f64>();
        let deviation = (squares / differences.len() as f64).sqrt();
        if deviation > 0.0 {
            farthest.resize(differences.len(), 0.0);
            for (farthest, difference) in farthest.iter_mut().zip(differences) {
                *farthest = farthest.max(difference.abs() / deviation);
            }
        }
    }
    farthest.sort_unstable_by(f64::total_cmp);
    let at = (farthest.len() as f64 * confidence) as usize;
    let reach = farthest.get(at).copied().unwrap_or(0.0);
    student::normal_confidence(reach).clamp(confidence, 1.0 - (1.0 - confidence) / 100.0)
}

/// Where B - A lies with this confidence.
fn interval(a: &Sample, b: &Sample, mut differences: Vec<f64>, confidence: f64) -> Interval {
    let estimate = b.estimate() - a.estimate();
    let units = a.units.min(b.units) as f64;
    differences.sort_unstable_by(f64::total_cmp);
    let last = differences.len() - 1;
    let skipped = (differences.len() as f64 * (1.0 - confidence) / 2.0) as usize;

    let t = spread_of_runs(a, b);
    let freedom = t.map_or(units - 1.0, |(_, freedom)| freedom);
    let reach = student::quantile(confidence, freedom);
    let widening = reach / student::normal_quantile(confidence) * (units / (units - 1.0)).sqrt();
    let mut low = differences[skipped.min(last)].min(0.0) * widening;
    let mut high = differences[last - skipped.min(last)].max(0.0) * widening;
    if let Some((error, _)) = t {
        low = low.min(-reach * error);
        high = high.max(reach * error);
    }
    Interval { estimate, low: estimate + low, high: estimate + high }
}

/// Standard error of the difference and its degrees of freedom, by what the runs differ; `None` if
/// each side has one.
fn spread_of_runs(a: &Sample, b: &Sample) -> Option<(f64, f64)> {
    let [runs_a, runs_b] = [a, b].map(|side| side.runs.len() as f64);
    match (a.variance_of_mean(), b.variance_of_mean()) {
        (Some(of_a), Some(of_b)) => {
            let sum = of_a + of_b;
            let below = of_a.powi(2) / (runs_a - 1.0) + of_b.powi(2) / (runs_b - 1.0);
            let least = runs_a.min(runs_b) - 1.0;
            let freedom = if below > 0.0 { sum.powi(2) / below } else { least };
            Some((sum.sqrt(), freedom.max(least)))
        }
        // A single run varies as each of the other side's: `runs` times as much as their mean.
        (Some(of_a), None) => Some(((of_a * (1.0 + runs_a)).sqrt(), runs_a - 1.0)),
        (None, Some(of_b)) => Some(((of_b * (1.0 + runs_b)).sqrt(), runs_b - 1.0)),
        (None, None) => None,
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn weighted_mean(values: &[f64], weights: &[u64]) -> f64 {
    let weighted = values.iter().zip(weights).map(|(value, weight)| value * *weight as f64);
    weighted.sum::<f64>() / values.len() as f64
}
