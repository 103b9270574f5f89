//! Which `Host` a request may name.
//!
//! On loopback without tokens, a page in the operator's own browser could reach
//! the collector under a name that its author points at 127.0.0.1 (DNS
//! rebinding). So the name must be a loopback name, or one that was allowed.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::reply::Reply;

/// The rule for one listener.
#[derive(Clone, Debug)]
pub(crate) enum HostRule {
    /// Loopback names and these, in lower case without a port.
    Loopback { allowed: Vec<String> },
    /// Whatever it says: the operator chose to listen to a network.
    Any,
}

impl HostRule {
    /// Checks a `Host` header or a target's authority; absent is fine.
    pub(crate) fn check(&self, host: &[u8]) -> Result<(), Reply> {
        let HostRule::Loopback { allowed } = self else {
            return Ok(());
        };
        let text = String::from_utf8_lossy(host);
        let name = name_of(text.trim()).to_ascii_lowercase();
        if name.is_empty() || is_loopback(&name) || allowed.contains(&name) {
            return Ok(());
        }
        Err(Reply::error(
            403,
            format!(
                "host: expected a loopback name, found {}; allow a name with --allowed-host",
                text.escape_default()
            ),
        ))
    }
}

/// Without the port; an IPv6 address without its brackets.
fn name_of(host: &str) -> &str {
    if let Some(bracketed) = host.strip_prefix('[') {
        return bracketed.split(']').next().unwrap_or_default();
    }
    host.split(':').next().unwrap_or_default()
}

fn is_loopback(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || name.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_names_and_allowed_ones_pass() {
        let rule = HostRule::Loopback { allowed: vec!["collector.example".to_owned()] };
        let good = [
            "",
            "localhost",
            "localhost:6540",
            "LOCALHOST",
            "a.localhost",
            "127.0.0.1",
            "127.1.2.3:80",
            "[::1]",
            "[::1]:6540",
            "collector.example",
            "Collector.Example:80",
        ];
        let bad = [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "0.0.0.0",
            "[::2]",
            "evil.example:6540",
            "other.collector.example",
        ];
        for host in good {
            assert_eq!(rule.check(host.as_bytes()), Ok(()), "{host}");
        }
        for host in bad {
            assert_eq!(rule.check(host.as_bytes()).map_err(|r| r.status), Err(403), "{host}");
        }
        assert_eq!(HostRule::Any.check(b"evil.example"), Ok(()));
    }
}
