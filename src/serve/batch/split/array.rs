//! Elements of one JSON array.
//!
//! Only as much grammar as it takes to find where an element ends: brackets and
//! strings. What is inside an element, its reader checks.

use houseful_model::wire::DEPTH_MAX;

use super::{BOM, Broken, ELEMENT_BYTES_MAX, Found, Rest, is_space};

/// Finds the elements of an array.
#[derive(Debug, Default)]
pub(crate) struct Array {
    /// The element that has begun.
    pub(super) rest: Rest,
    /// Elements that have begun.
    number: u64,
    place: Place,
}

/// What comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// A BOM, then the same as `Open`.
    #[default]
    Begin,
    /// The opening bracket.
    Open,
    /// The first element or the closing bracket.
    First,
    /// An element.
    Element,
    /// More of one that began with a bracket.
    Nested { depth: usize, text: Text },
    /// More of a string.
    String(Text),
    /// More of a number or a word.
    Word,
    /// A comma or the closing bracket.
    After,
    /// Nothing but white space.
    Closed,
}

/// Where in or outside of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Outside,
    Inside,
    /// After a backslash.
    Escaped,
}

impl Array {
    pub(super) fn next(&mut self, buffer: &[u8]) -> Result<Option<Found>, Broken> {
        if self.place == Place::Begin {
            if buffer.len() < BOM.len() && BOM.starts_with(buffer) {
                return Ok(None);
            }
            self.place = Place::Open;
            self.rest.at = if buffer.starts_with(BOM) { BOM.len() } else { 0 };
        }
        while self.rest.at < buffer.len() {
            if !self.is_in_element() {
                self.rest.begin = self.rest.at;
                let byte = buffer[self.rest.at];
                if !is_space(byte) {
                    self.place = self.between(byte)?;
                }
                self.rest.at += 1;
                if !self.is_in_element() {
                    self.rest.begin = self.rest.at;
                }
                continue;
            }
            // No further than it takes to see that it is too long: so what is found
            // does not depend on where buffers end.
            let limit = buffer.len().min(self.rest.begin + ELEMENT_BYTES_MAX + 1);
            let has_ended = self.go_on(&buffer[..limit])?;
            let element = self.rest.begin..self.rest.at;
            let was_skipped = self.rest.is_skipped;
            let grew_too_long = self.rest.grew_too_long();
            if has_ended {
                self.place = Place::After;
                self.rest.is_skipped = false;
                self.rest.begin = self.rest.at;
            }
            if grew_too_long {
                return Ok(Some(Found::TooLong(self.number)));
            }
            if has_ended && !was_skipped {
                return Ok(Some(Found::Element(self.number, element)));
            }
        }
        Ok(None)
    }

    pub(super) fn finish(&self) -> Result<(), Broken> {
        match self.place {
            Place::Closed => Ok(()),
            Place::Begin | Place::Open => {
                Err(self.broken(1, "expected a JSON array, found an empty body".to_owned()))
            }
            Place::First | Place::Element => {
                Err(self.broken(1, "the array ended early".to_owned()))
            }
            _ => Err(self.broken(0, "the array ended early".to_owned())),
        }
    }

    /// Elements that have ended.
    pub(super) fn complete(&self) -> u64 {
        self.number - u64::from(self.is_in_element())
    }

    /// Elements that have ended, or are too long already.
    pub(super) fn looked_at(&self) -> u64 {
        self.number - u64::from(self.is_in_element() && !self.rest.is_skipped)
    }

    fn is_in_element(&self) -> bool {
        matches!(self.place, Place::Nested { .. } | Place::String(_) | Place::Word)
    }

    /// What follows a byte between elements.
    fn between(&mut self, byte: u8) -> Result<Place, Broken> {
        let expected = match (self.place, byte) {
            (Place::Open, b'[') => return Ok(Place::First),
            (Place::First | Place::After, b']') => return Ok(Place::Closed),
            (Place::After, b',') => return Ok(Place::Element),
            (Place::First | Place::Element, b']' | b',' | b'}' | b':') => "an element",
            (Place::First | Place::Element, _) => {
                self.number += 1;
                return Ok(match byte {
                    b'{' | b'[' => Place::Nested { depth: 1, text: Text::Outside },
                    b'"' => Place::String(Text::Inside),
                    _ => Place::Word,
                });
            }
            (Place::After, _) => "`,` or `]`",
            (Place::Closed, _) => "nothing after the array",
            (_, b'{') => "a JSON array (NDJSON is application/x-ndjson)",
            _ => "a JSON array",
        };
        let ahead = u64::from(matches!(self.place, Place::First | Place::Element | Place::Open));
        let found = char::from(byte).escape_default();
        Err(self.broken(ahead, format!("expected {expected}, found `{found}`")))
    }

    /// Goes on in an element: to just after its end (`true`), or to the end of the
    /// buffer.
    fn go_on(&mut self, buffer: &[u8]) -> Result<bool, Broken> {
        let at = &mut self.rest.at;
        match self.place {
            Place::Nested { mut depth, mut text } => {
                while let Some(byte) = buffer.get(*at) {
                    *at += 1;
                    match (text, byte) {
                        (Text::Outside, b'"') => text = Text::Inside,
                        (Text::Outside, b'{' | b'[') if depth == DEPTH_MAX => {
                            let error = format!("nested deeper than {DEPTH_MAX} levels");
                            return Err(self.broken(0, error));
                        }
                        (Text::Outside, b'{' | b'[') => depth += 1,
                        (Text::Outside, b'}' | b']') if depth == 1 => return Ok(true),
                        (Text::Outside, b'}' | b']') => depth -= 1,
                        _ => text = text.after(*byte),
                    }
                }
                self.place = Place::Nested { depth, text };
                Ok(false)
            }
            Place::String(mut text) => {
                while let Some(byte) = buffer.get(*at) {
                    *at += 1;
                    text = text.after(*byte);
                    if text == Text::Outside {
                        return Ok(true);
                    }
                }
                self.place = Place::String(text);
                Ok(false)
            }
            _ => {
                let ends = |byte: &u8| is_space(*byte) || matches!(byte, b',' | b']');
                let len = buffer[*at..].iter().position(ends);
                *at += len.unwrap_or(buffer.len() - *at);
                Ok(len.is_some())
            }
        }
    }

    fn broken(&self, ahead: u64, error: String) -> Broken {
        Broken { line: (self.number + ahead).max(1), error }
    }
}

impl Text {
    /// After this byte, which is no bracket outside.
    fn after(self, byte: u8) -> Text {
        match (self, byte) {
            (Text::Outside, _) | (Text::Inside, b'"') => Text::Outside,
            (Text::Inside, b'\\') => Text::Escaped,
            (Text::Inside | Text::Escaped, _) => Text::Inside,
        }
    }
}
