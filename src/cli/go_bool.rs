//! Yes and no as Go's flags have them.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

/// What Go's `strconv.ParseBool` takes beside `true`, and beside `false`.
const TRUE: [&str; 5] = ["1", "t", "T", "TRUE", "True"];
const FALSE: [&str; 5] = ["0", "f", "F", "FALSE", "False"];

/// Reads one; help and completions know only `true` and `false`.
pub(super) fn go_bool() -> impl TypedValueParser<Value = bool> {
    let values =
        [PossibleValue::new("true").aliases(TRUE), PossibleValue::new("false").aliases(FALSE)];
    PossibleValuesParser::new(values).map(|text| text == "true" || TRUE.contains(&text.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_those_of_go() {
        let command = clap::Command::new("go");
        let read = |text: &str| go_bool().parse_ref(&command, None, text.as_ref());
        for (texts, is) in [(TRUE, true), (FALSE, false)] {
            for text in texts.into_iter().chain([if is { "true" } else { "false" }]) {
                assert_eq!(read(text).unwrap(), is, "{text}");
            }
        }
        for text in ["", "yes", "no", "tRUE", "2", "-1", " true"] {
            read(text).expect_err(text);
        }
    }
}
