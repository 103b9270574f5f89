//! From values to places, and which values are marked.

/// Between marks of time: what people count in.
const STEPS_S: [f64; 13] =
    [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 21_600.0];

/// A range of values, evenly or by magnitude.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    min: f64,
    max: f64,
    is_log: bool,
}

impl Axis {
    /// Between two values.
    pub(super) fn between(min: f64, max: f64) -> Axis {
        Axis { min, max: if max > min { max } else { min + 1.0 }, is_log: false }
    }

    /// From zero to a value, and some room above it.
    pub(super) fn from_zero(max: f64, room: f64) -> Axis {
        Axis::between(0.0, max * room)
    }

    /// By magnitude, over at least one of them; zero is where `least` is.
    pub(super) fn log(min: f64, max: f64, least: f64) -> Axis {
        let min = min.max(least);
        Axis { min, max: max.max(min * 10.0), is_log: true }
    }

    /// Where a value is: 0 at the beginning, 1 at the end, and never outside.
    pub(super) fn share(&self, value: f64) -> f64 {
        let share = if self.is_log {
            (value.max(self.min) / self.min).ln() / (self.max / self.min).ln()
        } else {
            (value - self.min) / (self.max - self.min)
        };
        share.clamp(0.0, 1.0)
    }

    /// Round values, at most about so many.
    pub(super) fn marks(&self, count: usize) -> Vec<f64> {
        if self.is_log {
            self.log_marks(count)
        } else {
            self.even_marks(round_step(self.span(count)))
        }
    }

    /// The same for whole numbers.
    pub(super) fn whole_marks(&self, count: usize) -> Vec<f64> {
        self.even_marks(round_step(self.span(count)).max(1.0))
    }

    /// Round times in seconds, and what lies between two.
    pub(super) fn time_marks(&self, count: usize) -> (f64, Vec<f64>) {
        let least = self.span(count);
        let known = STEPS_S.into_iter().find(|step| *step >= least).filter(|_| least > 0.5);
        let days = || (least / 86_400.0).ceil() * 86_400.0;
        let step = known.unwrap_or_else(|| if least > 1.0 { days() } else { round_step(least) });
        (step, self.even_marks(step))
    }

    fn span(&self, count: usize) -> f64 {
        (self.max - self.min) / count.max(1) as f64
    }

    fn even_marks(&self, step: f64) -> Vec<f64> {
        let (first, last) = ((self.min / step - 1e-9).ceil(), (self.max / step + 1e-9).floor());
        (0..=(last - first).max(-1.0) as i64).map(|n| (first + n as f64) * step).collect()
    }

    fn log_marks(&self, count: usize) -> Vec<f64> {
        let (first, last) = (self.min.log10().floor() as i32, self.max.log10().ceil() as i32);
        let decades = (self.max / self.min).log10();
        let every = (decades / count as f64).ceil().max(1.0) as usize;
        let within: &[f64] = if decades > 2.5 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let powers = (first..=last).step_by(every);
        let marks = powers.flat_map(|power| within.iter().map(move |n| n * 10_f64.powi(power)));
        marks.filter(|mark| (self.min..=self.max).contains(mark)).collect()
    }
}

/// 1, 2 or 5 and zeros, not below `least`.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(f64::MIN_POSITIVE).log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|n| n * power >= least * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round() {
        assert_eq!(Axis::from_zero(400.0, 1.06).marks(5), [0.0, 100.0, 200.0, 300.0, 400.0]);
        assert_eq!(Axis::from_zero(3.0, 1.06).whole_marks(8), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(Axis::from_zero(0.0, 1.0).whole_marks(4), [0.0, 1.0]);
        assert_eq!(Axis::log(40e3, 3e9, 1.0).marks(6), [1e5, 1e6, 1e7, 1e8, 1e9]);
        assert_eq!(Axis::log(150e3, 600e3, 1.0).marks(6), [2e5, 5e5, 1e6]);
        assert_eq!(
            Axis::between(0.0, 62.0).time_marks(8),
            (10.0, (0..7).map(|n| f64::from(n) * 10.0).collect())
        );
        assert_eq!(Axis::between(0.0, 0.25).time_marks(4).0, 0.1);
        assert_eq!(Axis::between(0.0, 400_000.0).time_marks(4).0, 172_800.0);
        for axis in [Axis::between(-5.0, 1e15), Axis::between(0.0, 1e-9), Axis::log(1.0, 1e18, 1.0)]
        {
            assert!((1..40).contains(&axis.marks(6).len()), "{axis:?}");
            assert!((1..40).contains(&axis.time_marks(6).1.len()), "{axis:?}");
        }
    }

    #[test]
    fn values_lie_where_they_belong() {
        let even = Axis::between(10.0, 20.0);
        assert_eq!([5.0, 10.0, 15.0, 20.0, 25.0].map(|v| even.share(v)), [0.0, 0.0, 0.5, 1.0, 1.0]);
        let log = Axis::log(1e3, 1e5, 1.0);
        assert_eq!([0.0, 1e3, 1e4, 1e5].map(|v| log.share(v)), [0.0, 0.0, 0.5, 1.0]);
    }
}
