//! `--fail-if-slower`: whether B may pass.

use super::comparison::{Row, Verdict, fails_more};
use super::figure::Figure;

/// What became of a gate at which B must not be slower than A by more than a share.
///
/// Judged at each percentile asked for, not at mean and throughput. B fails if it is shown, at any of
/// them, that it is slower by more: the whole interval is beyond. It also fails if it is shown that
/// it has more unexpected answers, since an error is no quick answer; and it does not pass while it
/// may have more. Where A has many more, nobody can tell that B is slower: A may have been quick to
/// fail, and who mends it is not to fail for that.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// The share: 0.05.
    pub share: f64,
    /// The figures at which B failed.
    pub failed: Vec<Figure>,
    /// The figures at which nobody can tell: percentiles, unexpected answers.
    pub blind: Vec<Figure>,
}

/// How a gate ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is shown that B is slower by more, or has more unexpected answers.
    Failed,
    /// Neither that nor the contrary is shown, at one of the figures at least.
    Blind,
    /// It is shown that B is not slower by more, at each percentile, nor has more unexpected answers.
    Passed,
}

impl Gate {
    pub(super) fn judge(share: f64, rows: &[Row], is_void: bool) -> Gate {
        let mut gate = Gate { share, failed: Vec::new(), blind: Vec::new() };
        let is_mended = fails_more(rows) == Some("A");
        for row in rows {
            let limit = 1.0 + share;
            match (row.figure, row.change) {
                (Figure::Unexpected, _) => match row.verdict {
                    Verdict::More => gate.failed.push(row.figure),
                    Verdict::None | Verdict::Same | Verdict::Fewer => {}
                    // No run of B has one.
                    _ if row.b == 0.0 => {}
                    _ => gate.blind.push(row.figure),
                },
                (Figure::At(_), Some(change)) if !is_void && change.low > limit => {
                    let which = if is_mended { &mut gate.blind } else { &mut gate.failed };
                    which.push(row.figure);
                }
                (Figure::At(_), Some(change)) if !is_void && change.high <= limit => {}
                (Figure::At(_), _) => gate.blind.push(row.figure),
                _ => {}
            }
        }
        gate
    }

    /// How it ended.
    pub fn outcome(&self) -> Outcome {
        match (self.failed.as_slice(), self.blind.as_slice()) {
            ([], []) => Outcome::Passed,
            ([], _) => Outcome::Blind,
            _ => Outcome::Failed,
        }
    }
}
