//! An HTTP/1.1 answer, decoded from bytes in whatever pieces they come. Touches no socket.

use super::memo::Memo;
use crate::results::HeaderMap;

/// The longest head, a chunk's size line included.
pub(in crate::attack) const HEAD_LEN_MAX: usize = 64 * 1024;

const HEADERS_MAX: usize = 128;

/// What of an answer is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::attack) struct Keep {
    pub(in crate::attack) headers: bool,
    /// Where a redirect leads.
    pub(in crate::attack) location: bool,
    /// At most so many bytes; `None` for no body at all.
    pub(in crate::attack) body_max: Option<usize>,
}

/// An answer, complete once [`Decoder::is_done`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::attack) struct Answer {
    pub(in crate::attack) code: u16,
    /// `Conflict`, perhaps empty; kept only for statuses that are errors.
    pub(in crate::attack) reason: String,
    /// Empty if there is none, or it is not kept.
    pub(in crate::attack) location: String,
    pub(in crate::attack) headers: Option<HeaderMap>,
    pub(in crate::attack) body: Option<Vec<u8>>,
    /// All of the body, kept or not.
    pub(in crate::attack) body_len: u64,
    /// Whether the server leaves the connection open for another request.
    pub(in crate::attack) reusable: bool,
    /// Of the head that `headers` are from.
    pub(in crate::attack) memo: Memo,
}

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::attack) enum Fault {
    #[error("the server closed the connection without an answer")]
    Missing,
    #[error("the server closed the connection in the middle of its answer")]
    Cut,
    #[error("the answer's head is longer than {HEAD_LEN_MAX} bytes")]
    HeadTooLong,
    #[error("malformed head of an answer: {0}")]
    Head(httparse::Error),
    #[error("malformed head of an answer: no usable Content-Length")]
    ContentLength,
    #[error("malformed chunk of an answer")]
    Chunk,
}

/// Where in an answer the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Head,
    /// So many bytes of a body of known length are to come.
    Fixed(u64),
    ChunkSize,
    /// So many bytes of a chunk are to come.
    Chunk(u64),
    ChunkEnd,
    /// Lines after the last chunk, up to a blank one; so many bytes of them are still allowed.
    Trailer(usize),
    UntilClose,
    Done,
}

/// Decodes one answer after the other, into the same buffers.
#[derive(Debug)]
pub(in crate::attack) struct Decoder {
    keep: Keep,
    is_head_request: bool,
    place: Place,
    begun: bool,
    answer: Answer,
}

impl Decoder {
    /// A decoder before its first answer.
    pub(in crate::attack) fn new(keep: Keep) -> Decoder {
        Decoder {
            keep,
            is_head_request: false,
            place: Place::Head,
            begun: false,
            answer: Answer::default(),
        }
    }

    pub(in crate::attack) fn keep(&self) -> Keep {
        self.keep
    }

    /// Forgets the answer and awaits that to a request with this method.
    pub(in crate::attack) fn begin(&mut self, method: &str) {
        self.is_head_request = method == "HEAD";
        self.place = Place::Head;
        self.begun = false;
        let Answer { reason, location, body, .. } = &mut self.answer;
        reason.clear();
        location.clear();
        match self.keep.body_max {
            Some(_) => body.get_or_insert_default().clear(),
            None => *body = None,
        }
        // The headers stay until others replace them, for their buffers.
        self.answer.code = 0;
        self.answer.body_len = 0;
        self.answer.reusable = false;
    }

    /// Takes as many bytes as it can use and says how many; the others have to come again, with
    /// more after them.
    pub(in crate::attack) fn feed(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        self.begun |= !bytes.is_empty();
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            let step = match self.place {
                Place::Head => self.head(rest)?,
                Place::Fixed(left) => {
                    let taken = self.body(rest, left);
                    self.place = if left == taken as u64 {
                        Place::Done
                    } else {
                        Place::Fixed(left - taken as u64)
                    };
                    taken
                }
                Place::ChunkSize => self.chunk_size(rest)?,
                Place::Chunk(left) => {
                    let taken = self.body(rest, left);
                    self.place = if left == taken as u64 {
                        Place::ChunkEnd
                    } else {
                        Place::Chunk(left - taken as u64)
                    };
                    taken
                }
                Place::ChunkEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        self.place = Place::ChunkSize;
                        2
                    }
                    [] | [b'\r'] => 0,
                    _ => return Err(Fault::Chunk),
                },
                Place::Trailer(allowed) => self.trailer(rest, allowed)?,
                Place::UntilClose => self.body(rest, u64::MAX),
                Place::Done => 0,
            };
            used += step;
            // A place that took nothing waits for more, and one that took all has none to go on.
            if step == 0 || used == bytes.len() {
                return Ok(used);
            }
        }
    }

    /// Whether anything of an answer has come.
    pub(in crate::attack) fn has_begun(&self) -> bool {
        self.begun
    }

    pub(in crate::attack) fn is_done(&self) -> bool {
        self.place == Place::Done
    }

    /// The server has closed the connection: the end of the answer, or too early.
    pub(in crate::attack) fn close(&mut self) -> Result<(), Fault> {
        match self.place {
            Place::UntilClose | Place::Done => {
                self.place = Place::Done;
                Ok(())
            }
            Place::Head if !self.begun => Err(Fault::Missing),
            _ => Err(Fault::Cut),
        }
    }

    /// The answer, once it is done; before, for whoever fills it from something else than bytes.
    /// What is taken out of it is made anew for the next.
    pub(in crate::attack) fn answer(&mut self) -> &mut Answer {
        if !self.is_done() {
            self.answer.memo.forget();
        }
        &mut self.answer
    }

    fn head(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        if let Some((head_len, place)) = Memo::recall(&mut self.answer, bytes, self.is_head_request)
        {
            self.place = place;
            return Ok(head_len);
        }
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Response::new(&mut headers);
        let head_len = match head.parse(bytes).map_err(Fault::Head)? {
            httparse::Status::Complete(len) if len <= HEAD_LEN_MAX => len,
            httparse::Status::Partial if bytes.len() <= HEAD_LEN_MAX => return Ok(0),
            _ => return Err(Fault::HeadTooLong),
        };
        let code = head.code.expect("a complete head has a status");
        if (100..200).contains(&code) && code != 101 {
            // Interim: the answer is still to come.
            return Ok(head_len);
        }
        let is_http_1_1 = head.version == Some(1);
        let framing = Framing::of(head.headers)?;
        self.answer.code = code;
        if !(200..400).contains(&code) {
            self.answer.reason.push_str(head.reason.unwrap_or_default());
        }
        if self.keep.headers {
            fill(self.answer.headers.get_or_insert_default(), head.headers);
        }
        if self.keep.location && matches!(code, 301 | 302 | 303 | 307 | 308) {
            let location = head.headers.iter().find(|h| h.name.eq_ignore_ascii_case("Location"));
            let location = location.map_or(&b""[..], |header| header.value);
            self.answer.location.push_str(&String::from_utf8_lossy(location));
        }
        self.place = match framing.body {
            _ if self.is_head_request || matches!(code, 101 | 204 | 304) => Place::Done,
            Body::Chunked => Place::ChunkSize,
            Body::Fixed(0) => Place::Done,
            Body::Fixed(len) => Place::Fixed(len),
            Body::UntilClose => Place::UntilClose,
        };
        self.answer.reusable = code != 101
            && self.place != Place::UntilClose
            && !framing.close
            && (is_http_1_1 || framing.keep_alive);
        Memo::note(&mut self.answer, &bytes[..head_len], self.is_head_request, self.place);
        Ok(head_len)
    }

    /// Takes at most `left` bytes of body.
    fn body(&mut self, bytes: &[u8], left: u64) -> usize {
        let taken = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        self.answer.body_len += taken as u64;
        if let (Some(body), Some(max)) = (&mut self.answer.body, self.keep.body_max) {
            let room = max - body.len();
            body.extend_from_slice(&bytes[..taken.min(room)]);
        }
        taken
    }

    fn chunk_size(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        match httparse::parse_chunk_size(bytes).map_err(|_| Fault::Chunk)? {
            httparse::Status::Complete((len, 0)) => {
                self.place = Place::Trailer(HEAD_LEN_MAX);
                Ok(len)
            }
            httparse::Status::Complete((len, size)) => {
                self.place = Place::Chunk(size);
                Ok(len)
            }
            httparse::Status::Partial if bytes.len() <= HEAD_LEN_MAX => Ok(0),
            httparse::Status::Partial => Err(Fault::Chunk),
        }
    }

    fn trailer(&mut self, bytes: &[u8], allowed: usize) -> Result<usize, Fault> {
        let Some(end) = bytes.iter().position(|b| *b == b'\n') else {
            return if bytes.len() <= allowed { Ok(0) } else { Err(Fault::HeadTooLong) };
        };
        let line_len = end + 1;
        let is_blank = matches!(&bytes[..end], [] | [b'\r']);
        self.place = match allowed.checked_sub(line_len) {
            _ if is_blank => Place::Done,
            Some(allowed) => Place::Trailer(allowed),
            None => return Err(Fault::HeadTooLong),
        };
        Ok(line_len)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Body {
    Fixed(u64),
    Chunked,
    UntilClose,
}

/// How the end of an answer is told, and what becomes of the connection.
struct Framing {
    body: Body,
    close: bool,
    keep_alive: bool,
}

impl Framing {
    fn of(headers: &[httparse::Header<'_>]) -> Result<Framing, Fault> {
        let mut length = None;
        let mut encoding: Option<bool> = None;
        let (mut close, mut keep_alive) = (false, false);
        for header in headers {
            let value = header.value.trim_ascii();
            if header.name.eq_ignore_ascii_case("Content-Length") {
                let digits = std::str::from_utf8(value)
                    .ok()
                    .filter(|v| v.bytes().all(|b| b.is_ascii_digit()));
                let found: u64 =
                    digits.and_then(|digits| digits.parse().ok()).ok_or(Fault::ContentLength)?;
                if length.is_some_and(|length| length != found) {
                    return Err(Fault::ContentLength);
                }
                length = Some(found);
            } else if header.name.eq_ignore_ascii_case("Transfer-Encoding") {
                let last = value.rsplit(|b| *b == b',').next().unwrap_or_default();
                encoding = Some(last.trim_ascii().eq_ignore_ascii_case(b"chunked"));
            } else if header.name.eq_ignore_ascii_case("Connection") {
                for option in value.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
                    close |= option.eq_ignore_ascii_case(b"close");
                    keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
        }
        let body = match (encoding, length) {
            (Some(true), _) => Body::Chunked,
            (None, Some(length)) => Body::Fixed(length),
            _ => Body::UntilClose,
        };
        Ok(Framing { body, close, keep_alive })
    }
}

/// Puts the headers in place of those in `map`. Allocates nothing where they fit into the old ones,
/// as they do when a server answers with the same headers again and again.
fn fill(map: &mut HeaderMap, headers: &[httparse::Header<'_>]) {
    for header in headers {
        if !map.keys().any(|key| key.eq_ignore_ascii_case(header.name)) {
            map.insert(canonical(header.name), Vec::new());
        }
    }
    map.retain(|key, values| {
        let mut count = 0;
        for header in headers.iter().filter(|header| key.eq_ignore_ascii_case(header.name)) {
            if values.len() == count {
                values.push(String::new());
            }
            values[count].clear();
            values[count].push_str(&String::from_utf8_lossy(header.value));
            count += 1;
        }
        values.truncate(count);
        count > 0
    });
}

/// `content-TYPE` as `Content-Type`, as Go keeps header names.
pub(in crate::attack) fn canonical(name: &str) -> String {
    let mut begins = true;
    let cased = name.chars().map(|c| {
        let cased = if begins { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        begins = c == '-';
        cased
    });
    cased.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: Keep = Keep { headers: true, location: false, body_max: Some(usize::MAX) };

    /// Feeds `pieces`, then the end of the connection unless the answer was complete before.
    /// Returns the answer and how many bytes were left over.
    fn decode_pieces<'a>(
        method: &str,
        keep: Keep,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(Answer, usize), Fault> {
        decode_into(&mut Decoder::new(keep), method, pieces)
    }

    fn decode_into<'a>(
        decoder: &mut Decoder,
        method: &str,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(Answer, usize), Fault> {
        decoder.begin(method);
        let mut buffer = Vec::new();
        for piece in pieces {
            buffer.extend_from_slice(piece);
            let used = decoder.feed(&buffer)?;
            buffer.drain(..used);
        }
        if !decoder.is_done() {
            decoder.close()?;
        }
        Ok((decoder.answer().clone(), buffer.len()))
    }

    fn decode(text: &str) -> Result<(Answer, usize), Fault> {
        decode_pieces("GET", ALL, [text.as_bytes()])
    }

    #[test]
    fn reads_bodies_however_framed() {
        for (text, code, body, reusable, left) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", true, 0),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nContent-Length: 2\r\n\r\nhi!",
                200,
                "hi",
                true,
                1,
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", true, 0),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, Close\r\n\r\n",
                200,
                "",
                false,
                0,
            ),
            ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", 200, "a", false, 0),
            (
                "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\na",
                200,
                "a",
                true,
                0,
            ),
            ("HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, "until the end", false, 0),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 1\r\n\r\nabc",
                200,
                "abc",
                false,
                0,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
                200,
                "a",
                true,
                0,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\nX",
                200,
                "abc0123456789",
                true,
                1,
            ),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 204 None\r\n\r\n",
                204,
                "",
                true,
                0,
            ),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, "", true, 0),
            ("HTTP/1.1 101 Switching\r\n\r\nbytes", 101, "", false, 5),
        ] {
            let (answer, left_over) = decode(text).expect(text);
            assert_eq!((answer.code, answer.reusable, left_over), (code, reusable, left), "{text}");
            assert_eq!(String::from_utf8(answer.body.unwrap()).unwrap(), body, "{text}");
            assert_eq!(answer.body_len, body.len() as u64, "{text}");
        }
    }

    #[test]
    fn answers_to_head_have_no_body() {
        let text: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
        let (answer, left) = decode_pieces("HEAD", ALL, [text]).unwrap();
        assert_eq!((answer.body_len, answer.reusable, left), (0, true, 0));
    }

    #[test]
    fn says_what_is_wrong() {
        let long = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(HEAD_LEN_MAX));
        let long_trailer = format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{}",
            "x: y\r\n".repeat(HEAD_LEN_MAX)
        );
        for (text, fault) in [
            ("", Fault::Missing),
            ("HTTP/1.1 200", Fault::Cut),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", Fault::Cut),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhi", Fault::Cut),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", Fault::Cut),
            ("HTTP/1.1 100 Continue\r\n\r\n", Fault::Cut),
            ("SSH-2.0-OpenSSH\r\n", Fault::Head(httparse::Error::Version)),
            ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", Fault::ContentLength),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                Fault::ContentLength,
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", Fault::Chunk),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", Fault::Chunk),
            (&long, Fault::HeadTooLong),
            (&long_trailer, Fault::HeadTooLong),
        ] {
            assert_eq!(decode(text).expect_err(text), fault, "{}", &text[..text.len().min(80)]);
        }
    }

    #[test]
    fn keeps_what_is_asked() {
        let text: &[u8] = b"HTTP/1.1 409 Conflict\r\ncontent-TYPE: a\r\nX-a: 1\r\nx-A: 2\r\nContent-Length: 5\r\n\r\nhello";
        let nothing =
            decode_pieces("GET", Keep { headers: false, location: false, body_max: None }, [text])
                .unwrap()
                .0;
        assert_eq!((nothing.body, nothing.headers, nothing.body_len), (None, None, 5));
        assert_eq!(nothing.reason, "Conflict");

        let some = decode_pieces(
            "GET",
            Keep { headers: true, location: false, body_max: Some(2) },
            [text],
        )
        .unwrap()
        .0;
        assert_eq!((some.body.as_deref(), some.body_len), (Some(&b"he"[..]), 5));
        let headers = some.headers.unwrap();
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["Content-Length", "Content-Type", "X-A"]);
        assert_eq!(headers["X-A"], ["1", "2"]);
    }

    fn any_answer() -> impl Strategy<Value = Vec<u8>> {
        let body = prop::collection::vec(any::<u8>(), 0..40);
        let chunks = prop::collection::vec(prop::collection::vec(any::<u8>(), 1..10), 0..4);
        prop_oneof![
            body.prop_map(|body| {
                [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat()
            }),
            chunks.prop_map(|chunks| {
                let mut text = b"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 201 C\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
                for chunk in chunks {
                    text.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    text.extend_from_slice(&chunk);
                    text.extend_from_slice(b"\r\n");
                }
                text.extend_from_slice(b"0\r\nT: 1\r\n\r\n");
                text
            }),
            any::<Vec<u8>>(),
        ]
    }

    proptest! {
        #[test]
        fn a_used_decoder_is_as_good_as_a_new_one(texts in prop::collection::vec(any_answer(), 1..4)) {
            let mut decoder = Decoder::new(ALL);
            for text in &texts {
                let (used, new) = (decode_into(&mut decoder, "GET", [&text[..]]), decode_pieces("GET", ALL, [&text[..]]));
                prop_assert_eq!(used, new);
            }
        }

        #[test]
        fn any_split_gives_the_same_answer(text in any_answer(), mut cuts in prop::collection::vec(0usize..200, 0..6)) {
            cuts.iter_mut().for_each(|cut| *cut = (*cut).min(text.len()));
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts {
                pieces.push(&text[from..cut]);
                from = cut;
            }
            pieces.push(&text[from..]);
            prop_assert_eq!(decode_pieces("GET", ALL, pieces), decode_pieces("GET", ALL, [&text[..]]));
        }
    }
}
