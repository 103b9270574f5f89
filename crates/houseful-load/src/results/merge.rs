//! Several results as one, in the order of time.

use std::io::BufRead;

use super::{Gap, ReadError, Reader, Record, Span};

/// Merges sources by when the requests ended, which is the order in which each of them was
/// written. Holds one record of each.
pub struct Merge<R> {
    sources: Vec<Source<R>>,
}

struct Source<R> {
    reader: Reader<R>,
    next: Record,
    /// Whether `next` is one, and is yet to be handed out.
    has_next: bool,
    /// A reader is asked once more after an error only if it can go on.
    over: bool,
    /// Of what was read so far.
    span: Option<Span>,
}

impl<R: BufRead> Merge<R> {
    /// Of these, none of which is read yet.
    pub fn new(readers: impl IntoIterator<Item = Reader<R>>) -> Merge<R> {
        let source = |reader| Source {
            reader,
            next: Record::default(),
            has_next: false,
            over: false,
            span: None,
        };
        Merge { sources: readers.into_iter().map(source).collect() }
    }

    /// The next record of all, whose buffers are used again, into `record`; `false` at the end.
    ///
    /// # Errors
    ///
    /// See [`ReadError`]. Asked again, it goes on after the error as far as that is possible.
    pub fn read_into(&mut self, record: &mut Record) -> Result<bool, ReadError> {
        for source in self.sources.iter_mut().filter(|source| !source.has_next && !source.over) {
            match source.reader.read_into(&mut source.next) {
                Ok(has_next) => {
                    source.has_next = has_next;
                    source.over = !has_next;
                    if has_next {
                        let span = Span::of(&source.next);
                        source.span = Some(source.span.map_or(span, |all| all.with(span)));
                    }
                }
                Err(error) => {
                    source.over = !matches!(error, ReadError::Wrong { .. });
                    return Err(error);
                }
            }
        }
        let with_next = self.sources.iter_mut().filter(|source| source.has_next);
        let Some(first) = with_next.min_by_key(|source| source.next.end_ns()) else {
            return Ok(false);
        };
        first.has_next = false;
        std::mem::swap(record, &mut first.next);
        Ok(true)
    }

    /// The longest time between two sources, as far as they were read, in which nothing of any was
    /// under way: they are hardly of one run.
    pub fn gap(&self) -> Option<Gap> {
        Gap::between(self.sources.iter().map(|source| source.span))
    }
}
