//! A body's `Content-Encoding`, undone in bounded steps.
//!
//! Every member of a gzip body and every frame of a zstd body is read; what
//! follows the last one must be another.

use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, Decoder as ZstdDecoder, Operation};

/// The window of a zstd frame, as a power of two: 8 MiB, as RFC 9659 has it for
/// HTTP.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// The window of gzip: all that there is, 32 KiB.
const GZIP_WINDOW_BITS: u8 = 15;

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

/// How far a step came. If both are 0, the decoder needs more input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) read: usize,
    pub(super) written: usize,
}

/// Decodes a body as it comes.
pub(super) enum Decoder {
    Identity,
    Gzip(Box<Gzip>),
    Zstd(Zstd),
}

impl Decoder {
    /// # Errors
    /// If there is no memory for it.
    pub(super) fn new(encoding: Encoding) -> Result<Decoder, String> {
        Ok(match encoding {
            Encoding::Identity => Decoder::Identity,
            Encoding::Gzip => Decoder::Gzip(Box::new(Gzip::new())),
            Encoding::Zstd => Decoder::Zstd(Zstd::new().map_err(|error| format!("zstd: {error}"))?),
        })
    }

    /// Decodes some of `input` into `out`, which has room.
    ///
    /// # Errors
    /// What is wrong with the body; nothing after it can be decoded.
    pub(super) fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, String> {
        match self {
            Decoder::Identity => {
                let len = input.len().min(out.len());
                out[..len].copy_from_slice(&input[..len]);
                Ok(Step { read: len, written: len })
            }
            Decoder::Gzip(gzip) => gzip.step(input, out).map_err(|error| format!("gzip: {error}")),
            Decoder::Zstd(zstd) => zstd.step(input, out).map_err(|error| format!("zstd: {error}")),
        }
    }

    /// The body ended, and no step comes any further.
    ///
    /// # Errors
    /// If it ended inside of a member or frame.
    pub(super) fn finish(&self) -> Result<(), String> {
        let (name, is_whole) = match self {
            Decoder::Identity => return Ok(()),
            Decoder::Gzip(gzip) => ("gzip", gzip.is_between_members && gzip.has_member),
            Decoder::Zstd(zstd) => ("zstd", zstd.is_between_frames && zstd.has_frame),
        };
        if is_whole { Ok(()) } else { Err(format!("{name}: ended early")) }
    }
}

/// Members of RFC 1952; the checksum and length of each are checked.
pub(super) struct Gzip {
    member: Decompress,
    is_between_members: bool,
    has_member: bool,
}

impl Gzip {
    fn new() -> Gzip {
        let member = Decompress::new_gzip(GZIP_WINDOW_BITS);
        Gzip { member, is_between_members: true, has_member: false }
    }

    fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, String> {
        if self.is_between_members {
            if input.is_empty() {
                return Ok(Step { read: 0, written: 0 });
            }
            if self.has_member {
                self.member.reset(true);
            }
            self.is_between_members = false;
            self.has_member = true;
        }
        let (read, written) = (self.member.total_in(), self.member.total_out());
        let status = self
            .member
            .decompress(input, out, FlushDecompress::None)
            .map_err(|error| error.message().unwrap_or("broken").to_owned())?;
        self.is_between_members = status == Status::StreamEnd;
        // Both fit, since they are no longer than the slices.
        Ok(Step {
            read: (self.member.total_in() - read) as usize,
            written: (self.member.total_out() - written) as usize,
        })
    }
}

/// Frames of RFC 8878, skippable ones included.
pub(super) struct Zstd {
    frames: ZstdDecoder<'static>,
    is_between_frames: bool,
    has_frame: bool,
}

impl Zstd {
    fn new() -> std::io::Result<Zstd> {
        let mut frames = ZstdDecoder::new()?;
        frames.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))?;
        Ok(Zstd { frames, is_between_frames: true, has_frame: false })
    }

    fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, String> {
        if self.is_between_frames && input.is_empty() {
            return Ok(Step { read: 0, written: 0 });
        }
        let status = self.frames.run_on_buffers(input, out).map_err(|error| error.to_string())?;
        self.has_frame = true;
        self.is_between_frames = status.remaining == 0;
        Ok(Step { read: status.bytes_read, written: status.bytes_written })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        zstd::stream::encode_all(text, 3).unwrap()
    }

    /// Decodes what comes in pieces of such sizes, `out_len` at a time.
    fn decode(
        encoding: Encoding,
        body: &[u8],
        pieces: &[usize],
        out_len: usize,
    ) -> (Vec<u8>, Result<(), String>) {
        let mut decoder = Decoder::new(encoding).unwrap();
        let mut decoded = Vec::new();
        let mut rest = body;
        let mut pieces = pieces.iter().cycle();
        let mut out = vec![0; out_len];
        while !rest.is_empty() {
            let (mut piece, tail) = rest.split_at(rest.len().min(*pieces.next().unwrap()));
            rest = tail;
            loop {
                match decoder.step(piece, &mut out) {
                    Err(error) => return (decoded, Err(error)),
                    Ok(Step { read: 0, written: 0 }) => break,
                    Ok(step) => {
                        piece = &piece[step.read..];
                        decoded.extend_from_slice(&out[..step.written]);
                    }
                }
            }
            assert!(piece.is_empty(), "it left input behind");
        }
        (decoded, decoder.finish())
    }

    proptest! {
        #[test]
        fn any_pieces_of_any_members_decode_to_the_same(
            texts in proptest::collection::vec(proptest::collection::vec(0_u8..4, 0..3_000), 1..4),
            pieces in proptest::collection::vec(1_usize..500, 1..8),
            out_len in 1_usize..4_000,
        ) {
            for (encoding, encode) in [
                (Encoding::Identity, (|text| text.to_vec()) as fn(&[u8]) -> Vec<u8>),
                (Encoding::Gzip, gzip),
                (Encoding::Zstd, zstd),
            ] {
                let body: Vec<u8> = texts.iter().flat_map(|text| encode(text)).collect();
                let got = decode(encoding, &body, &pieces, out_len);
                prop_assert_eq!(got, (texts.concat(), Ok(())));
                if encoding == Encoding::Identity {
                    continue;
                }
                // Cut anywhere, it is incomplete, but for the members that are whole.
                let mut whole = vec![0];
                for text in &texts {
                    whole.push(whole[whole.len() - 1] + encode(text).len());
                }
                for cut in (1..body.len()).step_by(7) {
                    let is_whole = whole[1..].contains(&cut);
                    let (_, end) = decode(encoding, &body[..cut], &pieces, out_len);
                    prop_assert_eq!(end.is_ok(), is_whole, "{:?} cut at {}", encoding, cut);
                }
            }
        }

        #[test]
        fn a_spoilt_gzip_body_is_seen(
            text in proptest::collection::vec(any::<u8>(), 1..500),
            bit in 0_u8..8,
            at in any::<proptest::sample::Index>(),
        ) {
            let mut body = gzip(&text);
            // Past the header, whose name and time nobody checks.
            let at = 10 + at.index(body.len() - 10);
            body[at] ^= 1 << bit;
            let (decoded, end) = decode(Encoding::Gzip, &body, &[100], 100);
            prop_assert!(end.is_err() || decoded == text);
        }

        #[test]
        fn any_bytes_end(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            for encoding in [Encoding::Gzip, Encoding::Zstd] {
                let (decoded, _) = decode(encoding, &body, &[7], 64);
                prop_assert!(decoded.len() < 1 << 20);
            }
        }
    }

    #[test]
    fn rubbish_after_the_last_member_and_nothing_at_all_are_broken() {
        for (encoding, body) in [(Encoding::Gzip, gzip(b"{}")), (Encoding::Zstd, zstd(b"{}"))] {
            for rubbish in [&b"\0"[..], b"rubbish", &[0; 100]] {
                let (decoded, end) = decode(encoding, &[&body, rubbish].concat(), &[1000], 100);
                assert_eq!(decoded, b"{}");
                end.expect_err("rubbish");
            }
            decode(encoding, b"", &[1], 100).1.expect_err("nothing");
        }
    }

    #[test]
    fn a_skippable_frame_is_skipped() {
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let body = [skippable.clone(), zstd(b"{}"), skippable].concat();
        assert_eq!(decode(Encoding::Zstd, &body, &[2], 100), (b"{}".to_vec(), Ok(())));
    }

    #[test]
    fn a_window_over_8_mib_is_refused() {
        for (window_log, is_taken) in [(23, true), (24, false)] {
            let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
            encoder.window_log(window_log).unwrap();
            encoder.include_contentsize(false).unwrap();
            encoder.write_all(&[b'a'; 1000]).unwrap();
            let body = encoder.finish().unwrap();
            let (_, end) = decode(Encoding::Zstd, &body, &[1000], 1000);
            assert_eq!(end.is_ok(), is_taken, "{window_log}: {end:?}");
        }
    }

    #[test]
    fn a_bomb_comes_a_buffer_at_a_time() {
        let bomb = vec![b' '; 10 << 20];
        for (encoding, body) in [(Encoding::Gzip, gzip(&bomb)), (Encoding::Zstd, zstd(&bomb))] {
            let mut decoder = Decoder::new(encoding).unwrap();
            let mut out = [0; 1000];
            assert!(body.len() < 100_000);
            let step = decoder.step(&body, &mut out).unwrap();
            assert_eq!(step.written, 1000);
        }
    }
}
