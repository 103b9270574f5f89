//! How a stranger's text is shown in an error: escaped, so that it cannot act
//! on a terminal or a log, and clipped, so that an answer is bounded.

use std::fmt::{self, Display, Write as _};

/// How many characters of a text are shown: an id of the longest kind in full.
const CHARS_MAX: usize = 64;

/// The text as the inside of a Rust string literal (but `'` as it is), clipped
/// to 64 characters with an ellipsis.
pub fn escaped(text: &str) -> impl Display + '_ {
    Shown { text, quote: "" }
}

/// Like [`escaped`], between double quotes.
pub fn quoted(text: &str) -> impl Display + '_ {
    Shown { text, quote: "\"" }
}

struct Shown<'a> {
    text: &'a str,
    quote: &'static str,
}

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.quote)?;
        let mut chars = self.text.chars();
        for char in chars.by_ref().take(CHARS_MAX) {
            match char {
                '\'' => f.write_char(char)?,
                _ => write!(f, "{}", char.escape_debug())?,
            }
        }
        if !chars.as_str().is_empty() {
            f.write_char('…')?;
        }
        f.write_str(self.quote)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_acts_on_a_terminal_is_shown_as_it_is() {
        for (text, want) in [
            ("beacon 1", r#""beacon 1""#),
            ("Zoë's", r#""Zoë's""#),
            ("a\"b", r#""a\"b""#),
            ("\u{0}\u{1b}[2J\u{7f}", r#""\0\u{1b}[2J\u{7f}""#),
            ("\u{85}\u{202e}\u{feff}", r#""\u{85}\u{202e}\u{feff}""#),
        ] {
            assert_eq!(quoted(text).to_string(), want);
        }
    }

    #[test]
    fn long_texts_are_clipped_between_characters() {
        assert_eq!(escaped(&"é".repeat(64)).to_string(), "é".repeat(64));
        assert_eq!(escaped(&"é".repeat(65)).to_string(), "é".repeat(64) + "…");
    }
}
