//! What a head said, so that the same head need not be read again.

use super::response::{Answer, Place};

/// A head and what was read from it. It belongs to the headers of an [`Answer`], and goes where
/// they go.
///
/// A server answers with the same few heads, byte by byte, until its `Date` changes. To compare
/// them costs a fiftieth of reading them, which was 40 % of what a request cost us.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::attack) struct Memo {
    /// With its blank line; empty for none.
    head: Vec<u8>,
    /// Whether it answered a HEAD request, which says what follows it.
    is_head_request: bool,
    code: u16,
    reason: String,
    location: String,
    reusable: bool,
    place: Option<Place>,
}

impl Memo {
    /// Notes that `head` was read into `answer`, and where that left the decoder.
    pub(super) fn note(answer: &mut Answer, head: &[u8], is_head_request: bool, place: Place) {
        let Answer { memo, code, reason, location, reusable, .. } = answer;
        memo.head.clear();
        memo.head.extend_from_slice(head);
        memo.reason.clone_from(reason);
        memo.location.clone_from(location);
        (memo.code, memo.reusable) = (*code, *reusable);
        (memo.is_head_request, memo.place) = (is_head_request, Some(place));
    }

    /// Puts into `answer` what the head at the begin of `bytes` says, if it is the one of the
    /// memo. Returns its length, and where it leaves the decoder.
    pub(super) fn recall(
        answer: &mut Answer,
        bytes: &[u8],
        is_head_request: bool,
    ) -> Option<(usize, Place)> {
        let Answer { memo, code, reason, location, reusable, .. } = answer;
        if memo.is_head_request != is_head_request || !bytes.starts_with(&memo.head) {
            return None;
        }
        let place = memo.place?;
        reason.clone_from(&memo.reason);
        location.clone_from(&memo.location);
        (*code, *reusable) = (memo.code, memo.reusable);
        Some((memo.head.len(), place))
    }

    /// The headers are no longer those of the memo.
    pub(in crate::attack) fn forget(&mut self) {
        self.place = None;
    }
}

#[cfg(test)]
mod tests {
    use super::super::response::{Decoder, Keep};
    use super::*;
    use proptest::prelude::*;

    const KEEP: Keep = Keep { headers: true, location: true, body_max: Some(usize::MAX) };
    const ANSWERS: [&str; 5] = [
        "HTTP/1.1 201 Created\r\nContent-Length: 2\r\nX: 1\r\n\r\nhi",
        "HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\nX: 1\r\n\r\nhi",
        "HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\nX: 1\r\nx: 2\r\n\r\nhi",
        "HTTP/1.1 301 Moved\r\nLocation: /a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    ];

    fn decode(decoder: &mut Decoder, method: &str, text: &str, cut: usize) -> Answer {
        decoder.begin(method);
        let (first, all) = (&text.as_bytes()[..cut], text.as_bytes());
        let used = decoder.feed(first).unwrap();
        decoder.feed(&all[used..]).unwrap();
        assert!(decoder.is_done());
        decoder.answer().clone()
    }

    proptest! {
        /// With headers that come and go as they do with records.
        #[test]
        fn a_known_head_says_what_it_said(
            answers in prop::collection::vec((0..ANSWERS.len(), any::<bool>(), 0usize..40, any::<bool>()), 1..40),
        ) {
            let mut decoder = Decoder::new(KEEP);
            let mut spare = Answer::default();
            for (at, is_head_request, cut, swaps) in answers {
                let method = if is_head_request { "HEAD" } else { "GET" };
                let found = decode(&mut decoder, method, ANSWERS[at], cut);
                let expected = decode(&mut Decoder::new(KEEP), method, ANSWERS[at], cut);
                prop_assert_eq!(found, expected);
                if swaps {
                    let answer = decoder.answer();
                    std::mem::swap(&mut answer.headers, &mut spare.headers);
                    std::mem::swap(&mut answer.memo, &mut spare.memo);
                }
            }
        }
    }

    #[test]
    fn a_known_head_is_not_read_again() {
        let mut decoder = Decoder::new(KEEP);
        let mark = |answer: &mut Answer| {
            answer.headers.as_mut().unwrap().insert("Mark".into(), Vec::new());
        };
        let is_marked = |answer: Answer| answer.headers.unwrap().contains_key("Mark");
        decode(&mut decoder, "GET", ANSWERS[0], 0);
        mark(decoder.answer());
        assert!(is_marked(decode(&mut decoder, "GET", ANSWERS[0], 0)));
        assert!(!is_marked(decode(&mut decoder, "GET", ANSWERS[1], 0)));
        // Whoever fills the answer in another way ends that.
        mark(decoder.answer());
        decoder.begin("GET");
        decoder.answer();
        assert!(!is_marked(decode(&mut decoder, "GET", ANSWERS[1], 0)));
    }
}
