//! What holds for every body, however it arrives. Shared by the property tests
//! and the fuzz target `split`.

use super::*;

/// Panics if the pieces make a difference.
pub(crate) fn check(form: Option<Form>, body: &[u8], pieces: &[usize]) {
    assert_eq!(cut(form, body, pieces), whole(form, body));
}

/// What a body is cut into, a text for each that is not too long; and how far it
/// was complete, or where it broke off.
pub(super) type Cut = (Vec<(u64, Option<Vec<u8>>)>, Result<u64, Broken>);

/// Cuts a body that comes in pieces of these sizes.
pub(super) fn cut(form: Option<Form>, body: &[u8], pieces: &[usize]) -> Cut {
    let mut splitter = Splitter::new(form);
    let mut found = Vec::new();
    let mut text = |buffer: &[u8], one| {
        found.push(match one {
            Found::Element(number, at) => (number, Some(buffer[at].to_vec())),
            Found::TooLong(number) => (number, None),
        });
    };
    let mut buffer = Vec::new();
    let mut left = body;
    let mut pieces = pieces.iter().cycle();
    let end = loop {
        let (piece, tail) = left.split_at(left.len().min(*pieces.next().unwrap()));
        left = tail;
        buffer.extend_from_slice(piece);
        let broken = loop {
            match splitter.next(&buffer) {
                Ok(Some(one)) => text(&buffer, one),
                Ok(None) => break None,
                Err(broken) => break Some(broken),
            }
        };
        if let Some(broken) = broken {
            break Err(broken);
        }
        buffer.drain(..splitter.take_rest());
        assert!(buffer.len() <= ELEMENT_BYTES_MAX, "it keeps {} bytes", buffer.len());
        if left.is_empty() {
            break match splitter.finish(&buffer) {
                Ok(one) => {
                    one.into_iter().for_each(|one| text(&buffer, one));
                    Ok(splitter.complete())
                }
                Err(broken) => Err(broken),
            };
        }
    };
    (found, end)
}

pub(super) fn whole(form: Option<Form>, body: &[u8]) -> Cut {
    cut(form, body, &[usize::MAX])
}
