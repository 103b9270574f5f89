//! Which statuses are what was hoped for.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Statuses that were expected: to a service that knows copies, 409 can be the right answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codes(BTreeSet<u16>);

/// A text is no list of statuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected statuses such as 201,409, each from 100 to 999 or 0 for no answer, found `{0}`")]
pub struct CodesError(String);

impl Codes {
    /// Whether this status was expected.
    pub fn contains(&self, code: u16) -> bool {
        self.0.contains(&code)
    }
}

impl FromStr for Codes {
    type Err = CodesError;

    fn from_str(text: &str) -> Result<Codes, CodesError> {
        let code = |word: &str| {
            let code = word.trim().parse().ok().filter(|code| matches!(code, 0 | 100..=999));
            code.ok_or_else(|| CodesError(text.to_owned()))
        };
        Ok(Codes(text.split(',').map(code).collect::<Result<_, _>>()?))
    }
}

impl fmt::Display for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, code) in self.0.iter().enumerate() {
            write!(f, "{}{code}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_numbers_between_commas() {
        assert_eq!("409, 201,201".parse::<Codes>().unwrap().to_string(), "201,409");
        assert!("0".parse::<Codes>().unwrap().contains(0));
        for text in ["", ",", "201,", "2xx", "99", "1000", "-1", "70000"] {
            assert_eq!(text.parse::<Codes>(), Err(CodesError(text.into())));
        }
    }
}
