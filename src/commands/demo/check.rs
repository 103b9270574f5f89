//! What the demo makes of a verdict: its own collector, on the same clock, with an
//! empty store, has to be better than merely true to its promise.

use houseful_load::verify::Verdict;

/// Whether each answer is true, as far as there are answers: of the plan, this much
/// was not played.
pub(super) fn is_clean(verdict: &Verdict, unplayed: u64) -> bool {
    verdict.is_kept()
        && verdict.wrong_time.count == 0
        && verdict.refused.is_empty()
        && verdict.unknown == 0
        && verdict.unsent + verdict.without_result == unplayed
}

/// Whether the whole plan was played, and all is as it must be: each emission is
/// stored, or what it is a copy of, and nothing else.
pub(super) fn is_right(verdict: &Verdict) -> bool {
    is_clean(verdict, 0) && verdict.unacknowledged.count == 0 && verdict.others == 0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use houseful_load::verify::Found;

    use super::*;

    #[test]
    fn clean_is_what_the_judge_has_nothing_against() {
        let one = || Found { count: 1, ..Found::default() };
        let played = || Verdict { created: 2, copies: 3, readings: 2, ..Verdict::default() };
        // Late ones are stored, and no fault.
        let late = Verdict { late: one(), ..played() };
        assert!(is_right(&played()) && is_right(&late));
        for (verdict, clean) in [
            (Verdict { lost: one(), ..played() }, false),
            (Verdict { twice: one(), ..played() }, false),
            (Verdict { without_original: one(), ..played() }, false),
            (Verdict { wrong_time: one(), ..played() }, false),
            (Verdict { refused: BTreeMap::from([(503, 1)]), ..played() }, false),
            (Verdict { unknown: 1, ..played() }, false),
            (Verdict { unsent: 1, ..played() }, false),
            (Verdict { without_result: 1, ..played() }, false),
            // Its answer may have been given up when it was interrupted.
            (Verdict { unacknowledged: one(), ..played() }, true),
            (Verdict { others: 1, ..played() }, true),
        ] {
            assert!(!is_right(&verdict), "{verdict}");
            assert_eq!(is_clean(&verdict, 0), clean, "{verdict}");
        }
        assert!(is_clean(&Verdict { unsent: 7, ..played() }, 7));
        assert!(!is_clean(&Verdict { unsent: 8, ..played() }, 7));
    }
}
