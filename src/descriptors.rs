//! How many files and connections the system lets this process have open.

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The soft limit.
pub(crate) struct Limit {
    pub(crate) descriptors: u64,
    /// Why it is lower than it may be.
    pub(crate) error: Option<Errno>,
}

/// Raises the soft limit to the hard one.
pub(crate) fn raise_limit() -> Limit {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let error = setrlimit(Resource::Nofile, raised).err();
    let holds = if error.is_none() { limit.maximum } else { limit.current };
    Limit { descriptors: holds.unwrap_or(u64::MAX), error }
}
