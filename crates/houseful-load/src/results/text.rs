//! Text of other programs, which need not be UTF-8: a server chooses the bytes of its reason
//! phrases and headers, and vegeta's gob and CSV hold them as they came.

use std::iter::repeat_n;

/// Appends `bytes`, with U+FFFD in place of each byte that is no UTF-8, as vegeta's JSON has it.
pub(super) fn push_lossy(to: &mut String, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => to.push_str(text),
        // Not `String::from_utf8_lossy`: it takes the beginning of a character for one fault.
        Err(_) => bytes.utf8_chunks().for_each(|chunk| {
            to.push_str(chunk.valid());
            to.extend(repeat_n(char::REPLACEMENT_CHARACTER, chunk.invalid().len()));
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_that_is_no_utf_8_is_one_replacement() {
        for (bytes, text) in [
            (&b""[..], ""),
            ("B\u{e9}d".as_bytes(), "B\u{e9}d"),
            (b"B\xe9d", "B\u{fffd}d"),
            (b"\xe9\xff", "\u{fffd}\u{fffd}"),
            (b"a\xe2\x82", "a\u{fffd}\u{fffd}"),
            (b"\xe2\x82\xe2\x82\xac\xff", "\u{fffd}\u{fffd}\u{20ac}\u{fffd}"),
        ] {
            let mut found = "before ".to_owned();
            push_lossy(&mut found, bytes);
            assert_eq!(found, format!("before {text}"), "{}", bytes.escape_ascii());
        }
    }
}
