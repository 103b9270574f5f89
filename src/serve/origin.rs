//! From which pages a POST may come: only from our own.
//!
//! A browser sends a POST of any page to any server, unasked, if its head looks
//! like a form's; and a body of no type has no `Content-Type`, which is JSON to
//! us. But a browser always says where the page is from. Pis, vegeta and curl
//! say nothing of it, and are no browsers.

use super::reply::Reply;

/// Checks `Sec-Fetch-Site`: how the page's site is related to ours, for the browser.
pub(crate) fn check_site(site: &[u8]) -> Result<(), Reply> {
    // `none`: a person asked, not a page.
    if [&b"same-origin"[..], b"none"].iter().any(|ours| site.eq_ignore_ascii_case(ours)) {
        return Ok(());
    }
    Err(foreign("sec-fetch-site: expected same-origin or none", site))
}

/// Checks `Origin` against the host that the request names.
///
/// A proxy may have passed on a host without its port: ports are compared if
/// both are known.
pub(crate) fn check_origin(origin: &[u8], host: &[u8]) -> Result<(), Reply> {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let host = text(host);
    if is_of(&text(origin), &host) {
        return Ok(());
    }
    let expected = format!("origin: expected that of the host {}", host.escape_default());
    Err(foreign(&expected, origin))
}

fn is_of(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        // `null`: a page that has none.
        return false;
    };
    let ((name, port), (host, host_port)) = (split(authority), split(host));
    let usual = match scheme.to_ascii_lowercase().as_str() {
        "http" => Some("80"),
        "https" => Some("443"),
        _ => return false,
    };
    let same_port = host_port.is_none_or(|host_port| port.or(usual) == Some(host_port));
    !name.is_empty() && name.eq_ignore_ascii_case(host) && same_port
}

/// The name, and the port if there is one.
fn split(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            (name, (!port.is_empty()).then_some(port))
        }
        // None, or a part of an IPv6 address in brackets.
        _ => (authority, None),
    }
}

fn foreign(expected: &str, found: &[u8]) -> Reply {
    let found = String::from_utf8_lossy(found);
    let error =
        format!("{expected}, found {}; no page of another site may post", found.escape_default());
    Reply::error(403, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_and_people_post() {
        for site in ["same-origin", "none", "Same-Origin"] {
            assert_eq!(check_site(site.as_bytes()), Ok(()), "{site}");
        }
        for site in ["cross-site", "same-site", "", "same-origin, none", "same-origins"] {
            assert_eq!(check_site(site.as_bytes()).map_err(|r| r.status), Err(403), "{site}");
        }
    }

    #[test]
    fn an_origin_is_that_of_the_host() {
        let good = [
            ("http://localhost:6540", "localhost:6540"),
            ("HTTP://LocalHost:6540", "LOCALHOST:6540"),
            ("http://[::1]:6540", "[::1]:6540"),
            ("http://[::1]", "[::1]"),
            ("https://house.example", "house.example"),
            // Behind a proxy that passes the name on, or the name with the port.
            ("https://house.example:8443", "house.example"),
            ("https://house.example", "house.example:443"),
            ("http://house.example", "house.example:80"),
            ("http://house.example:80", "house.example"),
            ("http://localhost", "localhost:"),
        ];
        let bad = [
            ("null", "localhost"),
            ("", "localhost"),
            ("", ""),
            ("http://", ""),
            ("localhost", "localhost"),
            ("http://localhost:6540", ""),
            ("http://localhost:3000", "localhost:6540"),
            // A page on port 80 of the same machine is not ours.
            ("http://localhost", "localhost:6540"),
            ("https://localhost", "localhost:80"),
            ("http://127.0.0.1:6540", "localhost:6540"),
            ("http://localhost.evil.example", "localhost"),
            ("http://evil.example:6540", "localhost:6540"),
            ("http://localhost@evil.example", "localhost"),
            ("http://[::1]:6540", "[::2]:6540"),
            ("chrome-extension://localhost", "localhost"),
            ("http://localhost:6540 http://localhost:6540", "localhost:6540"),
            ("http://localhost:6540/", "localhost:6540"),
        ];
        for (origin, host) in good {
            assert_eq!(check_origin(origin.as_bytes(), host.as_bytes()), Ok(()), "{origin} {host}");
        }
        for (origin, host) in bad {
            let checked = check_origin(origin.as_bytes(), host.as_bytes());
            assert_eq!(checked.map_err(|r| r.status), Err(403), "{origin} {host}");
        }
    }
}
