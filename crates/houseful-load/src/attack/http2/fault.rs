//! What goes wrong in HTTP/2 alone.

use h2::Reason;

use crate::attack::client::response::HEAD_LEN_MAX;
use crate::results::Cause;

/// Why a request has no answer over HTTP/2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::attack) enum Fault {
    /// It does not begin with settings, as HTTP/2 does.
    #[error("`{to}` does not speak HTTP/2{how}: it said `{said}`")]
    OtherTongue { to: String, how: &'static str, said: String },
    #[error("`{to}` closed the connection before it spoke HTTP/2{how}")]
    Mute { to: String, how: &'static str },
    /// By RST_STREAM.
    #[error("the server reset the stream: {0:?}")]
    Reset(Reason),
    /// By GOAWAY.
    #[error("the server ended the connection: {0:?}")]
    GoneAway(Reason),
    /// The library does not tell these apart.
    #[error(
        "the answer breaks the rules of HTTP/2, or its head is longer than {HEAD_LEN_MAX} bytes: {0:?}"
    )]
    Answer(Reason),
    #[error("the server broke the rules of HTTP/2: {0:?}")]
    Broken(Reason),
    #[error("cannot be sent over HTTP/2: {0}")]
    Unfit(String),
    /// What the library says of itself.
    #[error("{0}")]
    Library(String),
}

impl Fault {
    pub(in crate::attack) fn cause(&self) -> Cause {
        match self {
            Fault::Mute { .. } => Cause::ClosedEarly,
            Fault::Reset(_) | Fault::GoneAway(_) => Cause::Reset,
            Fault::OtherTongue { .. }
            | Fault::Answer(_)
            | Fault::Broken(_)
            | Fault::Unfit(_)
            | Fault::Library(_) => Cause::Protocol,
        }
    }
}
