//! Numbers as people read them; the page's `text.js` writes the same.

use std::time::Duration;

/// With so many figures, at least: 0.1234 with three is 0.123, and 1234.5 is 1235.
fn figures(number: f64, digits: i32) -> String {
    if number == 0.0 || !number.is_finite() {
        return "0".to_owned();
    }
    let decimals = digits - 1 - number.abs().log10().floor() as i32;
    let text = format!("{number:.0$}", decimals.max(0) as usize);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

pub(super) fn latency_ns(ns: u64) -> String {
    let ns_f64 = ns as f64;
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{} µs", figures(ns_f64 / 1e3, 3)),
        1_000_000..1_000_000_000 => format!("{} ms", figures(ns_f64 / 1e6, 3)),
        1_000_000_000..60_000_000_000 => format!("{} s", figures(ns_f64 / 1e9, 3)),
        _ => format!("{} min", figures(ns_f64 / 6e10, 3)),
    }
}

pub(super) fn latency(latency: Duration) -> String {
    latency_ns(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX))
}

/// 1234567 is 1,234,567.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(super) fn rate(number: f64) -> String {
    if number >= 1_000.0 { count(number.round() as u64) } else { figures(number, 4) }
}

pub(super) fn percent(share: f64) -> String {
    match share {
        _ if share > 0.0 && share < 0.000_1 => "< 0.01 %".to_owned(),
        _ if share < 1.0 && share > 0.999_9 => "> 99.99 %".to_owned(),
        _ => format!("{} %", (share * 1e4).round() / 1e2),
    }
}

/// A time since the beginning, as a mark at each `step_s`; 0 is no mark.
pub(super) fn time(s: f64, step_s: f64) -> String {
    let decimals = match step_s > 0.0 && step_s < 1.0 {
        true => (-step_s.log10() - 1e-9).ceil().clamp(0.0, 6.0) as usize,
        false => 0,
    };
    if s.abs() < 60.0 {
        let text = if step_s > 0.0 { format!("{s:.decimals$}") } else { figures(s, 4) };
        return format!("{text} s");
    }
    let whole = if step_s > 0.0 { s } else { s.round() };
    let width = if decimals > 0 { decimals + 3 } else { 2 };
    let seconds = format!("{:0width$.decimals$}", whole % 60.0);
    let (hours, minutes) = ((whole / 3_600.0) as u64, (whole / 60.0) as u64 % 60);
    match hours {
        0 => format!("{minutes}:{seconds} min"),
        _ => format!("{hours}:{minutes:02}:{seconds} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_say_them() {
        for (ns, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (276_400, "276 µs"),
            (1_000_000, "1 ms"),
            (12_340_000, "12.3 ms"),
            (2_004_000_000, "2 s"),
            (90_000_000_000, "1.5 min"),
        ] {
            assert_eq!(latency_ns(ns), text);
        }
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.0, 12.0, 386.123, 20_000.4].map(rate), ["0", "12", "386.1", "20,000"]);
        assert_eq!(
            [0.0, 0.000_04, 0.991_2, 0.999_99, 1.0].map(percent),
            ["0 %", "< 0.01 %", "99.12 %", "> 99.99 %", "100 %"]
        );
        for (s, step, text) in [
            (0.0, 0.5, "0.0 s"),
            (2.5, 0.5, "2.5 s"),
            (20.0, 5.0, "20 s"),
            (1.9424, 0.0, "1.942 s"),
            (60.0, 5.0, "1:00 min"),
            (62.4, 0.0, "1:02 min"),
            (62.5, 0.5, "1:02.5 min"),
            (3_605.0, 5.0, "1:00:05 h"),
        ] {
            assert_eq!(time(s, step), text);
        }
    }
}
