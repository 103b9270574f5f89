//! A packed body whose head does not say so. No line of it could be read, and a
//! client that asks only for 200 would drop all that it sent.

use super::decode::Encoding;

const MAGIC: [(&[u8], &str); 2] = [(&[0x1f, 0x8b], "gzip"), (&[0x28, 0xb5, 0x2f, 0xfd], "zstd")];

/// What a body is by its first bytes, after its `Content-Encoding` was undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// It may be text.
    Text,
    /// It is packed in this way, once more if it was.
    Packed(&'static str),
    /// More of it tells.
    Unknown,
}

impl Begin {
    pub(super) fn of(body: &[u8]) -> Begin {
        if let Some((_, name)) = MAGIC.iter().find(|(magic, _)| body.starts_with(magic)) {
            return Begin::Packed(name);
        }
        let may_be = MAGIC.iter().any(|(magic, _)| magic.starts_with(body));
        if may_be { Begin::Unknown } else { Begin::Text }
    }
}

/// What the client of such a body is told.
pub(super) fn refusal(name: &str, encoding: Encoding) -> String {
    match encoding {
        Encoding::Identity => format!("body: it is {name}; say Content-Encoding: {name}"),
        Encoding::Gzip | Encoding::Zstd => {
            format!("body: unpacked, it is {name} again; pack it once")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell() {
        let rows: [(&[u8], Begin); 11] = [
            (b"", Begin::Unknown),
            (b"\x1f", Begin::Unknown),
            (b"\x1f\x8b", Begin::Packed("gzip")),
            (b"\x1f\x8b\x08\x00", Begin::Packed("gzip")),
            (b"\x1f{", Begin::Text),
            (b"(\xb5/", Begin::Unknown),
            (b"(\xb5/\xfd\x04", Begin::Packed("zstd")),
            (b"(\xb5/\xfc", Begin::Text),
            (b"{", Begin::Text),
            (b"\n", Begin::Text),
            ("\u{feff}[".as_bytes(), Begin::Text),
        ];
        for (body, want) in rows {
            assert_eq!(Begin::of(body), want, "{body:x?}");
        }
    }
}
