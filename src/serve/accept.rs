//! What a client would rather have, by its `Accept` (RFC 9110, 12.5.1).

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// The offer that the client likes best; of equal ones the first. `None` if it
/// takes none of them. Without an `Accept`, or with an empty one, it takes any.
pub(crate) fn choose(headers: &HeaderMap, offers: &[&'static str]) -> Option<&'static str> {
    let accept: Vec<&str> =
        headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let ranges: Vec<Range<'_>> =
        accept.iter().flat_map(|value| split(value, ',')).filter_map(Range::read).collect();
    let is_any = !headers.contains_key(ACCEPT)
        || (ranges.is_empty()
            && accept.iter().all(|value| value.trim_matches([' ', ',']).is_empty()));
    if is_any {
        return offers.first().copied();
    }
    let mut best: Option<(&'static str, u16)> = None;
    for offer in offers {
        let likes = quality(&ranges, offer);
        if likes > best.map_or(0, |(_, most)| most) {
            best = Some((offer, likes));
        }
    }
    best.map(|(offer, _)| offer)
}

/// How much an offer is liked, in thousandths: what the closest range says.
fn quality(ranges: &[Range<'_>], offer: &str) -> u16 {
    let close = ranges.iter().filter_map(|range| Some((range.closeness(offer)?, range.quality)));
    // Of equally close ones the kindest.
    close.max().map_or(0, |(_, quality)| quality)
}

/// `text/csv;header=present;q=0.5`
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    quality: u16,
}

impl<'a> Range<'a> {
    /// `None` if it is no media range; then it says nothing. Parameters other
    /// than `q` are ignored: of each type we have one form only.
    fn read(text: &'a str) -> Option<Range<'a>> {
        let mut parts = split(text, ';');
        let (kind, subtype) = parts.next()?.split_once('/')?;
        if kind.is_empty() || subtype.is_empty() || (kind == "*" && subtype != "*") {
            return None;
        }
        let mut quality = 1_000;
        for parameter in parts {
            if let Some((name, value)) = parameter.split_once('=')
                && name.trim().eq_ignore_ascii_case("q")
            {
                quality = thousandths(value.trim())?;
            }
        }
        Some(Range { kind, subtype, quality })
    }

    /// 2: it is the offer's own type; 1: `text/*`; 0: `*/*`.
    fn closeness(&self, offer: &str) -> Option<u8> {
        let (kind, subtype) = offer.split_once('/')?;
        match (self.kind, self.subtype) {
            ("*", "*") => Some(0),
            (ours, _) if !ours.eq_ignore_ascii_case(kind) => None,
            (_, "*") => Some(1),
            (_, ours) => ours.eq_ignore_ascii_case(subtype).then_some(2),
        }
    }
}

/// `0.25` is 250; at most three digits, and at most 1.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1_000),
        _ => None,
    }
}

/// Splits, but not inside quotes.
fn split(value: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    value
        .split(move |char| {
            let splits = char == separator && !quoted;
            quoted ^= char == '"' && !escaped;
            escaped = quoted && char == '\\' && !escaped;
            splits
        })
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const OFFERS: [&str; 3] = ["application/json", "application/x-ndjson", "text/csv"];

    #[test]
    fn the_best_liked_offer_wins() {
        let rows: [(&[&'static str], Option<&str>); 30] = [
            (&[], Some("application/json")),
            (&[""], Some("application/json")),
            (&[" , "], Some("application/json")),
            (&["*/*"], Some("application/json")),
            (&["application/*"], Some("application/json")),
            (&["text/*"], Some("text/csv")),
            (&["text/csv"], Some("text/csv")),
            (&["TEXT/CSV"], Some("text/csv")),
            (&["application/x-ndjson"], Some("application/x-ndjson")),
            (&["text/csv, application/json"], Some("application/json")),
            (&["text/csv, application/json;q=0.9"], Some("text/csv")),
            (&["application/json;q=0.9", "text/csv"], Some("text/csv")),
            (&["text/html,application/xhtml+xml,*/*;q=0.8"], Some("application/json")),
            (&["text/csv;q=0.5, */*;q=0.4"], Some("text/csv")),
            (&["*/*;q=1, application/json;q=0"], Some("application/x-ndjson")),
            (&["*/*, application/*;q=0.1"], Some("text/csv")),
            (&["application/json ; charset=utf-8 ; Q=0.3 , text/*;q=0.31"], Some("text/csv")),
            (&["text/csv;header=present"], Some("text/csv")),
            (&["text/csv;x=\"a,b/c\";q=0.1, application/json;q=0.05"], Some("text/csv")),
            (&["text/csv;x=\"\\\",application/json;q=1,\";q=0.1"], Some("text/csv")),
            (&["nonsense, text/csv"], Some("text/csv")),
            (&["text/csv;q=1.000"], Some("text/csv")),
            (&["text/csv;q=2"], None),
            (&["text/csv;q=0.0001"], None),
            (&["text/csv;q="], None),
            (&["text/csv;q=0"], None),
            (&["text/html"], None),
            (&["application/jsonx"], None),
            (&["nonsense"], None),
            (&["*/csv"], None),
        ];
        for (accept, want) in rows {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(ACCEPT, HeaderValue::from_static(value));
            }
            assert_eq!(choose(&headers, &OFFERS), want, "{accept:?}");
        }
    }
}
