//! A target as the bytes that are sent.

use std::io::Write;

use crate::attack::Options;
use crate::targets::Target;

pub(in crate::attack) const USER_AGENT: &str = concat!("houseful-load/", env!("CARGO_PKG_VERSION"));

/// Appends the head of request number `seq`.
///
/// Of a target's headers, `Host` and `User-Agent` replace ours, and those that we have to get
/// right ourselves are left out: the body's length and encoding, and vegeta's own two.
pub(in crate::attack) fn append_head(
    out: &mut Vec<u8>,
    target: &Target,
    seq: u64,
    options: &Options,
) {
    let path = target.url.path_and_query();
    let slash = if path.starts_with('/') { "" } else { "/" };
    put(out, &[&target.method, " ", slash, path, " HTTP/1.1\r\n"]);
    let own =
        |name: &str| target.headers.iter().any(|header| header.key().eq_ignore_ascii_case(name));
    if !own("Host") {
        put(out, &["Host: ", target.url.authority(), "\r\n"]);
    }
    if !own("User-Agent") {
        put(out, &["User-Agent: ", USER_AGENT, "\r\n"]);
    }
    for header in target.headers.iter().filter(|header| !is_ours(header.key())) {
        put(out, &[header.key(), ": ", header.value(), "\r\n"]);
    }
    if !options.name.is_empty() {
        put(out, &["X-Vegeta-Attack: ", &options.name, "\r\n"]);
    }
    put_number(out, "X-Vegeta-Seq: ", seq);
    // As Go: methods that usually have a body say that there is none.
    if options.is_chunked && !target.body.is_empty() {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    } else if !target.body.is_empty() || matches!(target.method.as_str(), "POST" | "PUT" | "PATCH")
    {
        put_number(out, "Content-Length: ", target.body.len() as u64);
    }
    if !options.keep_alive {
        out.extend_from_slice(b"Connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends a body as one chunk and its end; nothing for no body.
pub(in crate::attack) fn append_chunked(out: &mut Vec<u8>, body: &[u8]) {
    if !body.is_empty() {
        write!(out, "{:x}\r\n", body.len()).expect("writing to a Vec cannot fail");
        out.extend_from_slice(body);
        out.extend_from_slice(b"\r\n0\r\n\r\n");
    }
}

pub(in crate::attack) fn is_ours(key: &str) -> bool {
    ["Content-Length", "Transfer-Encoding", "Trailer", "X-Vegeta-Seq"]
        .iter()
        .any(|ours| key.eq_ignore_ascii_case(ours))
}

/// Several times as quick as `write!`, and this is done for each request.
fn put(out: &mut Vec<u8>, texts: &[&str]) {
    for text in texts {
        out.extend_from_slice(text.as_bytes());
    }
}

/// A header line.
fn put_number(out: &mut Vec<u8>, name: &str, mut number: u64) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    put(out, &[name]);
    out.extend_from_slice(&digits[first..]);
    put(out, &["\r\n"]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(method: &str, url: &str, headers: &[&str], body: &[u8], options: &Options) -> String {
        let target = Target {
            method: method.into(),
            url: url.parse().unwrap(),
            headers: headers.iter().map(|header| header.parse().unwrap()).collect(),
            body: body.into(),
        };
        let mut out = Vec::new();
        append_head(&mut out, &target, 7, options);
        String::from_utf8(out).unwrap().replace(USER_AGENT, "UA")
    }

    #[test]
    fn numbers() {
        for number in [0, 7, 10, 1_234_567_890, u64::MAX] {
            let mut out = Vec::new();
            put_number(&mut out, "A: ", number);
            assert_eq!(String::from_utf8(out).unwrap(), format!("A: {number}\r\n"));
        }
    }

    #[test]
    fn heads() {
        let default = Options::default();
        let chunked = Options { is_chunked: true, ..Options::default() };
        let named = Options { name: "run 1".into(), keep_alive: false, ..Options::default() };
        let mut body = Vec::new();
        append_chunked(&mut body, b"0123456789abcdef");
        append_chunked(&mut body, b"");
        assert_eq!(body, b"10\r\n0123456789abcdef\r\n0\r\n\r\n");
        for (head, expected) in [
            (
                head("GET", "http://a:1", &[], b"", &default),
                "GET / HTTP/1.1\r\nHost: a:1\r\nUser-Agent: UA\r\nX-Vegeta-Seq: 7\r\n\r\n",
            ),
            (
                head("GET", "http://[::1]:1?a=1#b", &[], b"", &default),
                "GET /?a=1 HTTP/1.1\r\nHost: [::1]:1\r\nUser-Agent: UA\r\nX-Vegeta-Seq: 7\r\n\r\n",
            ),
            (
                head("POST", "http://a/x", &["X: 1", "x: 2"], b"{}", &named),
                "POST /x HTTP/1.1\r\nHost: a\r\nUser-Agent: UA\r\nX: 1\r\nx: 2\r\nX-Vegeta-Attack: run 1\r\n\
                 X-Vegeta-Seq: 7\r\nContent-Length: 2\r\nConnection: close\r\n\r\n",
            ),
            (
                head("POST", "https://a/", &[], b"x", &chunked),
                "POST / HTTP/1.1\r\nHost: a\r\nUser-Agent: UA\r\nX-Vegeta-Seq: 7\r\nTransfer-Encoding: chunked\r\n\r\n",
            ),
            (
                head("POST", "https://a/", &[], b"", &chunked),
                "POST / HTTP/1.1\r\nHost: a\r\nUser-Agent: UA\r\nX-Vegeta-Seq: 7\r\nContent-Length: 0\r\n\r\n",
            ),
            (
                head("PUT", "http://a/", &["host: b", "User-agent: me"], b"", &default),
                "PUT / HTTP/1.1\r\nhost: b\r\nUser-agent: me\r\nX-Vegeta-Seq: 7\r\nContent-Length: 0\r\n\r\n",
            ),
            (
                head(
                    "GET",
                    "http://a/",
                    &["content-length: 9", "Transfer-Encoding: chunked", "X-Vegeta-Seq: 1"],
                    b"x",
                    &default,
                ),
                "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: UA\r\nX-Vegeta-Seq: 7\r\nContent-Length: 1\r\n\r\n",
            ),
        ] {
            assert_eq!(head, expected);
        }
    }
}
