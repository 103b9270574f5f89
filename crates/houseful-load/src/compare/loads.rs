//! Whether two sides were tested alike, in words.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Side;
use super::run::Run;
use crate::duration::{Go, rounded};
use crate::metrics::Limit;

/// Lengths and bodies that differ by more than this share are not alike.
const ALIKE: f64 = 0.01;

/// Shares of statuses that differ by more than this, of all results, are not alike.
const CODES_ALIKE: f64 = 0.01;

/// A slip up to this share of a latency says little in it.
const SLIP_SMALL: f64 = 0.25;

/// Why no latency of these runs says anything of the server: the generator was late itself.
pub(super) fn late_generator(sides: [&Side; 2]) -> Option<String> {
    let is_late = |run: &&Run| run.summary.sending.is_some_and(|it| it.limit == Limit::Generator);
    let late: Vec<&Run> = sides.iter().flat_map(|side| &side.runs).filter(is_late).collect();
    let names = listed(late.iter().map(|run| run.name.as_str()));
    (!late.is_empty()).then(|| {
        format!(
            "the generator was the limit in {names}, so these latencies are its own: run them again with more of a core or at a lower rate, or leave them out"
        )
    })
}

/// What of the runs makes them hard to compare, a sentence each.
pub(super) fn notes(a: &Side, b: &Side) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(same_runs(a, b));
    notes.extend(number_of_runs(a, b));
    notes.extend(order(a, b));
    notes.extend(held(a, b));
    notes.extend(slips(a, b));
    notes.extend(lengths(a, b));
    notes.extend(targets(a, b));
    notes.extend(bodies(a, b));
    notes.extend(codes(a, b));
    notes.extend(nothing_expected(a, b));
    notes
}

/// A file that is there twice, under whatever name: a typo, a link, a copy in another encoding.
fn same_runs(a: &Side, b: &Side) -> Option<String> {
    let is_in = |run: &Run, side: &Side| side.runs.iter().any(|other| is_same_run(run, other));
    if a.runs.iter().all(|run| is_in(run, b)) && b.runs.iter().all(|run| is_in(run, a)) {
        return Some("A and B are the same results, so no difference can be found".to_owned());
    }
    let all: Vec<&Run> = a.runs.iter().chain(&b.runs).collect();
    let pairs: Vec<_> = all
        .iter()
        .enumerate()
        .flat_map(|(n, one)| all[..n].iter().map(move |before| (before, one)))
        .filter(|(one, other)| is_same_run(one, other))
        .collect();
    let (one, other) = pairs.first()?;
    let more = match pairs.len() - 1 {
        0 => String::new(),
        1 => ", and 1 more such pair".to_owned(),
        more => format!(", and {more} more such pairs"),
    };
    let (one, other) = (&one.name, &other.name);
    Some(format!("`{one}` and `{other}` are the same run{more}: each run is to be there once"))
}

/// No two runs begin, end and take in all the same to the nanosecond.
fn is_same_run(one: &Run, other: &Run) -> bool {
    let (one, other) = (&one.summary, &other.summary);
    (one.earliest, one.latest, one.requests) == (other.earliest, other.latest, other.requests)
        && one.latencies.total == other.latencies.total
        && one.status_codes == other.status_codes
}

fn number_of_runs(a: &Side, b: &Side) -> Option<String> {
    Some(match (a.runs.len(), b.runs.len()) {
        (1, 1) => "one run each: differences between runs are not in the intervals, and a second pair may say otherwise; run both several times, by turns".to_owned(),
        (1, _) => "A is one run: its runs are taken to differ as much as those of B".to_owned(),
        (_, 1) => "B is one run: its runs are taken to differ as much as those of A".to_owned(),
        (2, _) | (_, 2) => "two runs say little of how runs differ: five of each show smaller differences, and are wrong less often".to_owned(),
        _ => return None,
    })
}

/// What drifts in hours, a machine's clock rate or its neighbours, would look like a difference.
fn order(a: &Side, b: &Side) -> Option<String> {
    let begins = |side: &Side| {
        let begins: Vec<_> = side.runs.iter().filter_map(|run| run.summary.earliest).collect();
        Some((*begins.iter().min()?, *begins.iter().max()?))
    };
    if a.runs.len().min(b.runs.len()) < 2 {
        return None;
    }
    let ((a_first, a_last), (b_first, b_last)) = (begins(a)?, begins(b)?);
    let (before, after) = match () {
        () if a_last < b_first => ("A", "B"),
        () if b_last < a_first => ("B", "A"),
        () => return None,
    };
    Some(format!(
        "all of {before} ran before all of {after}: whatever else changed in between is in the difference; let them take turns"
    ))
}

/// Runs in which the server, or the number of connections, was the limit; and those that do not say.
fn held(a: &Side, b: &Side) -> Vec<String> {
    let runs = || [a, b].into_iter().flat_map(|side| &side.runs);
    let behind: Vec<_> = runs()
        .filter(|run| run.summary.sending.is_some_and(|it| it.limit == Limit::Server))
        .map(|run| run.name.as_str())
        .collect();
    let untold: Vec<_> =
        runs().filter(|run| run.summary.sending.is_none()).map(|run| run.name.as_str()).collect();
    let behind_note = (!behind.is_empty()).then(|| {
        format!(
            "the rate was not held in {}: requests waited for a free connection, and that wait is in the latencies",
            listed(behind.into_iter())
        )
    });
    let untold_note = (!untold.is_empty()).then(|| {
        let does = if untold.len() == 1 { "does" } else { "do" };
        format!(
            "{} {does} not tell how late requests were sent, so the generator may have been the limit",
            listed(untold.into_iter())
        )
    });
    behind_note.into_iter().chain(untold_note).collect()
}

/// The run whose latencies owe most to how late requests were sent, if that is much.
fn slips(a: &Side, b: &Side) -> Option<String> {
    let share = |run: &Run| {
        let slip = run.summary.sending.filter(|sending| sending.limit == Limit::None)?.slip_p99;
        Some(slip.as_secs_f64() / run.summary.latencies.p99.as_secs_f64().max(1e-9))
    };
    let runs = [a, b].into_iter().flat_map(|side| &side.runs);
    let (share, run) = runs
        .filter_map(|run| Some((share(run)?, run)))
        .max_by(|(one, _), (other, _)| one.total_cmp(other))?;
    let slip_p99 = run.summary.sending?.slip_p99;
    (share > SLIP_SMALL).then(|| {
        format!(
            "requests of `{}` were sent {} late at p99, which its latencies count, of {} at p99: a less busy machine shows smaller differences",
            run.name,
            Go(rounded(slip_p99)),
            Go(rounded(run.summary.latencies.p99))
        )
    })
}

fn lengths(a: &Side, b: &Side) -> Option<String> {
    let [length_a, length_b] =
        [a, b].map(|side| side.mean(|run| run.summary.duration.as_secs_f64()));
    let go = |seconds| Go(rounded(Duration::try_from_secs_f64(seconds).unwrap_or_default()));
    // A run of a minute ends an interval early or late.
    let is_longer = (length_a - length_b).abs() > 10.0 * ALIKE * length_a.max(length_b);
    is_longer.then(|| format!("the runs of A last {}, those of B {}", go(length_a), go(length_b)))
}

fn targets(a: &Side, b: &Side) -> Option<String> {
    let all = |side: &Side| -> Option<BTreeSet<String>> {
        side.runs.iter().try_fold(BTreeSet::new(), |mut all, run| {
            all.extend(run.targets.as_ref()?.iter().cloned());
            Some(all)
        })
    };
    let (of_a, of_b) = (all(a)?, all(b)?);
    let only = |these: &BTreeSet<String>, others, side| {
        these.difference(others).next().map(|target| format!("only {side} has `{target}`"))
    };
    let differences: Vec<_> =
        only(&of_a, &of_b, "A").into_iter().chain(only(&of_b, &of_a, "B")).collect();
    (!differences.is_empty()).then(|| format!("other targets: {}", differences.join(", ")))
}

fn bodies(a: &Side, b: &Side) -> Option<String> {
    let [sent_a, sent_b] = [a, b].map(|side| side.mean(|run| run.summary.bytes_out.mean));
    differ(sent_a, sent_b)
        .then(|| format!("A was sent bodies of {sent_a:.0} bytes, B of {sent_b:.0}, in the mean"))
}

/// A service does other work for another answer: a 409 from a cache is no 201 from a disk.
fn codes(a: &Side, b: &Side) -> Option<String> {
    let share = |side: &Side, code| {
        let count: u64 =
            side.runs.iter().filter_map(|run| run.summary.status_codes.get(&code)).sum();
        count as f64 / side.requests() as f64
    };
    let codes: BTreeSet<u16> = [a, b]
        .into_iter()
        .flat_map(|side| &side.runs)
        .flat_map(|run| run.summary.status_codes.keys().copied())
        .collect();
    let differences: Vec<String> = codes
        .into_iter()
        .map(|code| (code, share(a, code), share(b, code)))
        .filter(|(_, of_a, of_b)| (of_a - of_b).abs() > CODES_ALIKE)
        .map(|(code, of_a, of_b)| {
            let name = if code == 0 { "no answer".to_owned() } else { code.to_string() };
            format!("{name} {:.1}% of A, {:.1}% of B", of_a * 100.0, of_b * 100.0)
        })
        .collect();
    (!differences.is_empty())
        .then(|| format!("other answers, so perhaps other work: {}", differences.join("; ")))
}

/// Latencies of what nobody wanted are seldom what was to be compared.
fn nothing_expected(a: &Side, b: &Side) -> Option<String> {
    let has_none = |side: &Side| side.runs.iter().all(|run| run.summary.successes == 0);
    let of = match (has_none(a), has_none(b)) {
        (true, true) => "",
        (true, false) => " of A",
        (false, true) => " of B",
        (false, false) => return None,
    };
    Some(format!("no answer{of} was an expected one: see --expect"))
}

fn differ(a: f64, b: f64) -> bool {
    (a - b).abs() > ALIKE * a.max(b)
}

/// The first three, and how many more.
fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 3;
    let more = names.len().saturating_sub(SHOWN);
    let mut list = names.take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if more > 0 {
        list += &format!(" and {more} more");
    }
    list
}
