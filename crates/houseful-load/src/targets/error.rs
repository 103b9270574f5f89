//! What may be wrong with a file of targets: named with its file and line, and what to do about it.

use std::fmt;
use std::io;

use super::{HeaderError, UrlError};

/// Why targets cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source broke.
    #[error("cannot read targets from `{name}`")]
    Read {
        /// Where the targets come from.
        name: String,
        /// What happened.
        source: io::Error,
    },
    /// There is none.
    #[error("{name}: expected at least one target such as {example}, found none")]
    Empty {
        /// Where the targets come from.
        name: String,
        /// What a target may look like.
        example: &'static str,
    },
    /// A line is not what the format wants there.
    #[error("{name}:{line}: {fault}")]
    Line {
        /// Where the targets come from.
        name: String,
        /// Line number, from 1.
        line: u64,
        /// What is wrong with it.
        fault: LineError,
    },
}

/// What is wrong with a line of a target file.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Not UTF-8.
    #[error("expected UTF-8")]
    NotUtf8,
    /// UTF-16, as PowerShell's `>` once wrote it.
    #[error("expected UTF-8, found UTF-16: save the file as UTF-8")]
    Utf16,
    /// Longer than is read.
    #[error("expected a line of at most {0} bytes")]
    TooLong(usize),
    /// Not the first line of a target.
    #[error("expected `METHOD URL` with the method in upper case, found `{0}`")]
    NotATarget(Excerpt),
    /// JSON where `METHOD URL` should stand.
    #[error("expected `METHOD URL`, found JSON (read it with --format json): `{0}`")]
    Json(Excerpt),
    /// A tab, or more than one space.
    #[error("expected one space between method and URL, found `{}`", .0.0.escape_debug())]
    NotOneSpace(Excerpt),
    /// Something after the URL, such as `HTTP/1.1`.
    #[error("expected nothing after the URL, found `{0}`")]
    ThirdWord(Excerpt),
    /// The URL cannot be attacked.
    #[error(transparent)]
    Url(UrlError),
    /// A target's first line where only headers, a body or a blank line may stand.
    #[error("expected a header, `@file` or a blank line before the next target, found `{0}`")]
    MissingBlankLine(Excerpt),
    /// A body where only headers or the name of its file may stand.
    #[error(
        "expected a header or `@file`, found what looks like a body (put it into a file, and its name here): `{0}`"
    )]
    BodyInPlace(Excerpt),
    /// Not a header.
    #[error(transparent)]
    Header(HeaderError),
    /// `@` alone.
    #[error("expected the name of the body's file after `@`")]
    NoBodyName,
    /// The body's file cannot be read.
    #[error("cannot read the body `{path}`: {cause}; it is looked for from the working directory")]
    Body {
        /// As written, relative to the working directory.
        path: String,
        /// What happened.
        cause: io::Error,
    },
    /// A JSON array, or anything but an object.
    #[error(
        "expected a target as one JSON object, found `{0}`: each target stands on a line of its own, without an array around them or commas between"
    )]
    NotAnObject(Excerpt),
    /// A JSON object that goes on in the next line.
    #[error(
        "expected a target as one JSON object on one line, found a line that ends inside it: `{0}`"
    )]
    Unfinished(Excerpt),
    /// Not the JSON of a target.
    #[error("expected a target as a JSON object: {reason} at column {column}")]
    NotTheJson {
        /// What is wrong.
        reason: String,
        /// Where, in bytes from 1.
        column: usize,
    },
    /// A method that no server knows.
    #[error("method: expected upper case such as `GET`, found `{0}`")]
    Method(Excerpt),
    /// A body that is not base64.
    #[error("body: expected base64: {0}")]
    Base64(base64::DecodeError),
}

/// The beginning of a text, on one line, that an error shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt(String);

impl Excerpt {
    const CHARS_MAX: usize = 120;

    pub(super) fn of(text: &str) -> Excerpt {
        let mut excerpt: String = text.chars().take(Self::CHARS_MAX).collect();
        if excerpt.len() < text.len() {
            excerpt.push('…');
        }
        Excerpt(excerpt)
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
