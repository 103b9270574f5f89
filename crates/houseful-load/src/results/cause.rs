//! Why requests have no answer, in groups.

use std::fmt;

/// Why a request has no answer. The error of such a record begins with its name and a colon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// No connection could be opened.
    Connect,
    /// The host has no address.
    Dns,
    /// TLS could not be agreed on.
    Tls,
    /// It took too long.
    Timeout,
    /// The connection broke while it was used.
    Reset,
    /// The server closed the connection before its answer was whole.
    ClosedEarly,
    /// The answer is not HTTP.
    Protocol,
    /// More redirects than are followed, or one that leads nowhere.
    Redirect,
    /// The request was never sent.
    Unsent,
}

impl Cause {
    const ALL: [Cause; 9] = [
        Cause::Connect,
        Cause::Dns,
        Cause::Tls,
        Cause::Timeout,
        Cause::Reset,
        Cause::ClosedEarly,
        Cause::Protocol,
        Cause::Redirect,
        Cause::Unsent,
    ];

    /// As it is printed, and begins an error.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Connect => "connect",
            Cause::Dns => "dns",
            Cause::Tls => "tls",
            Cause::Timeout => "timeout",
            Cause::Reset => "reset",
            Cause::ClosedEarly => "closed early",
            Cause::Protocol => "protocol",
            Cause::Redirect => "redirect",
            Cause::Unsent => "unsent",
        }
    }

    /// The cause that a record's error begins with; `None` for those that are not ours.
    pub fn of(error: &str) -> Option<Cause> {
        let (name, _) = error.split_once(": ")?;
        Cause::ALL.into_iter().find(|cause| cause.name() == name)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_found_again_by_its_name_alone() {
        for cause in Cause::ALL {
            assert_eq!(Cause::of(&format!("{cause}: what happened: and why")), Some(cause));
        }
        for other in ["", "timeout", "409 Conflict", "Post \"http://a/\": dial tcp: reset: x"] {
            assert_eq!(Cause::of(other), None, "{other}");
        }
    }
}
