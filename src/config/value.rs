//! What each setting's text may be; an error says what was expected and found.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use houseful_load::duration;

pub(super) fn store(text: &str) -> Result<PathBuf, String> {
    let refuse = |why: &str| Err(format!("expected sqlite:PATH, found `{text}`{why}"));
    match text.strip_prefix("sqlite:") {
        None | Some("") => refuse(""),
        Some(":memory:") => {
            refuse(": what is acknowledged must be on disk, and memory is lost with the process")
        }
        Some(path) if path.starts_with("//") => {
            refuse(": the path follows the colon as it is, such as sqlite:/var/lib/houseful.db")
        }
        Some(path) if path.starts_with("file:") => {
            refuse(": SQLite's URIs can switch off what durability stands on; give a plain path")
        }
        Some(path) => Ok(PathBuf::from(path)),
    }
}

pub(super) fn listen(text: &str, insecure: bool) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| format!("expected ADDRESS:PORT such as 127.0.0.1:6540, found `{text}`"))?;
    if !insecure && !address.ip().is_loopback() {
        return Err(format!(
            "{address} is not a loopback address, and without tokens anyone who reaches it could read where residents are; \
             listen on 127.0.0.1 behind a proxy, or accept that with --insecure-no-auth"
        ));
    }
    Ok(address)
}

pub(super) fn switch(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("expected true or false, found `{text}`"))
}

pub(super) fn host(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains([':', '/', ' ', '[']) {
        return Err(format!("expected a name without scheme and port, found `{text}`"));
    }
    Ok(text.to_ascii_lowercase())
}

pub(super) fn duration(text: &str, from: Duration, to: Duration) -> Result<Duration, String> {
    let duration = duration::parse(text).map_err(|error| error.to_string())?;
    if !(from..=to).contains(&duration) {
        let (from, to) = (duration::Go(from), duration::Go(to));
        return Err(format!("expected a duration from {from} to {to}, found `{text}`"));
    }
    if duration.subsec_nanos() % 1_000_000 != 0 {
        return Err(format!("expected whole milliseconds, found `{text}`"));
    }
    Ok(duration)
}
