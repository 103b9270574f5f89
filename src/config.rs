//! Flags, then environment, then defaults: one checked configuration.
//!
//! Nothing is touched here; a wrong setting is an error that names it and where
//! it came from.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use houseful_load::duration;

use crate::cli::{ServeArgs, StoreArg};

/// The environment, or what a test says it is.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The process's own environment.
pub(crate) fn process_environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// A setting that cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ConfigError {
    /// `--flag` or the variable.
    source: String,
    message: String,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.source, self.message)
    }
}

impl std::error::Error for ConfigError {}

/// What `serve` runs with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ServeConfig {
    pub(crate) listen: Vec<SocketAddr>,
    /// The SQLite file.
    pub(crate) store: PathBuf,
    /// The dedup window `P_d`.
    pub(crate) window: Duration,
    pub(crate) drain_timeout: Duration,
    /// In lower case.
    pub(crate) allowed_hosts: Vec<String>,
}

/// The widest update window: a window is looked up minute by minute.
const UPDATE_WINDOW_MAX: Duration = Duration::from_secs(600);

impl ServeConfig {
    /// Checks all that `serve` was told.
    pub(crate) fn new(args: &ServeArgs, env: Environment<'_>) -> Result<ServeConfig, ConfigError> {
        let insecure = insecure_no_auth(args, env)?;
        let mut listen = Vec::new();
        for setting in several("listen", &args.listen, env, "127.0.0.1:6540")? {
            listen.push(setting.parse(|text| parse_listen(text, insecure))?);
        }
        if listen.is_empty() {
            // A variable of nothing but commas: a collector that nobody reaches is never meant.
            let Setting { source, text } = single("listen", None, env, "")?;
            let message = format!("expected at least one ADDRESS:PORT, found `{text}`");
            return Err(ConfigError { source, message });
        }
        let update = single("update-window", args.update_window.as_deref(), env, "5s")?;
        let update_window =
            update.parse(|text| within(text, Duration::from_millis(10), UPDATE_WINDOW_MAX))?;
        let advertising =
            single("advertising-interval", args.advertising_interval.as_deref(), env, "1s")?;
        let interval =
            advertising.parse(|text| within(text, Duration::from_millis(1), update_window))?;
        let drain_timeout = single("drain-timeout", args.drain_timeout.as_deref(), env, "10s")?
            .parse(|text| within(text, Duration::ZERO, Duration::from_secs(3_600)))?;
        let allowed_hosts = several("allowed-host", &args.allowed_host, env, "")?
            .into_iter()
            .map(|setting| setting.parse(parse_host))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(ServeConfig {
            listen,
            store: store_path(&args.store, env)?,
            window: update_window - interval / 2,
            drain_timeout,
            allowed_hosts,
        })
    }
}

/// The SQLite file that `--store` names.
pub(crate) fn store_path(arg: &StoreArg, env: Environment<'_>) -> Result<PathBuf, ConfigError> {
    match given("store", arg.store.as_deref(), env)? {
        Some(setting) => setting.parse(parse_store),
        None => default_store(env),
    }
}

/// In the directory that systemd made for us, if it did.
fn default_store(env: Environment<'_>) -> Result<PathBuf, ConfigError> {
    let directories = variable("STATE_DIRECTORY", env)?.map(|setting| setting.text);
    // systemd separates several by colons; the first is ours.
    let directory = directories.as_deref().and_then(|all| all.split(':').next());
    Ok(Path::new(directory.unwrap_or_default()).join("houseful.db"))
}

fn parse_store(text: &str) -> Result<PathBuf, String> {
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

/// A setting's text, and where it came from.
struct Setting {
    source: String,
    text: String,
}

impl Setting {
    fn parse<T>(self, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<T, ConfigError> {
        parse(&self.text).map_err(|message| ConfigError { source: self.source, message })
    }
}

/// A variable as it is; half of one that is no UTF-8 is never used.
fn variable(name: &str, env: Environment<'_>) -> Result<Option<Setting>, ConfigError> {
    let source = format!("{name} (environment)");
    match env(name).map(OsString::into_string) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(Setting { source, text })),
        Some(Err(raw)) => {
            let message =
                format!("expected UTF-8, found `{}`", raw.as_encoded_bytes().escape_ascii());
            Err(ConfigError { source, message })
        }
    }
}

/// What the flag says, or else its variable.
fn given(
    name: &str,
    flag: Option<&str>,
    env: Environment<'_>,
) -> Result<Option<Setting>, ConfigError> {
    match flag {
        Some(text) => Ok(Some(Setting { source: format!("--{name}"), text: text.to_owned() })),
        None => variable(&format!("HOUSEFUL_{}", name.to_uppercase().replace('-', "_")), env),
    }
}

fn single(
    name: &str,
    flag: Option<&str>,
    env: Environment<'_>,
    default: &str,
) -> Result<Setting, ConfigError> {
    let default = || Setting { source: format!("--{name} (default)"), text: default.to_owned() };
    Ok(given(name, flag, env)?.unwrap_or_else(default))
}

fn several(
    name: &str,
    flags: &[String],
    env: Environment<'_>,
    default: &str,
) -> Result<Vec<Setting>, ConfigError> {
    if flags.is_empty() {
        let Setting { source, text } = single(name, None, env, default)?;
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        return Ok(parts
            .map(|part| Setting { source: source.clone(), text: part.to_owned() })
            .collect());
    }
    let setting = |text: &String| Setting { source: format!("--{name}"), text: text.clone() };
    Ok(flags.iter().map(setting).collect())
}

fn insecure_no_auth(args: &ServeArgs, env: Environment<'_>) -> Result<bool, ConfigError> {
    if args.insecure_no_auth {
        return Ok(true);
    }
    single("insecure-no-auth", None, env, "false")?
        .parse(|text| text.parse().map_err(|_| format!("expected true or false, found `{text}`")))
}

fn parse_listen(text: &str, insecure: bool) -> Result<SocketAddr, String> {
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

fn parse_host(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains([':', '/', ' ', '[']) {
        return Err(format!("expected a name without scheme and port, found `{text}`"));
    }
    Ok(text.to_ascii_lowercase())
}

fn within(text: &str, from: Duration, to: Duration) -> Result<Duration, String> {
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn config(line: &str, env: &[(&str, &str)]) -> Result<ServeConfig, String> {
        let words = ["houseful", "serve"].into_iter().chain(line.split_whitespace());
        let Command::Serve(args) = Cli::parse_from(words).command else { unreachable!() };
        let lookup = |name: &str| {
            env.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(*value))
        };
        ServeConfig::new(&args, &lookup).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_the_documented_ones() {
        let config = config("", &[]).unwrap();
        assert_eq!(config.listen, ["127.0.0.1:6540".parse().unwrap()]);
        assert_eq!(config.store, Path::new("houseful.db"));
        assert_eq!(config.window, Duration::from_millis(4_500));
        assert_eq!(config.drain_timeout, Duration::from_secs(10));
    }

    #[test]
    fn a_flag_comes_before_the_environment() {
        let env = [
            ("HOUSEFUL_LISTEN", "127.0.0.1:1, [::1]:2"),
            ("HOUSEFUL_STORE", "sqlite:env.db"),
            ("HOUSEFUL_UPDATE_WINDOW", "10s"),
            ("STATE_DIRECTORY", "/var/lib/houseful:/other"),
        ];
        let by_env = config("", &env).unwrap();
        assert_eq!(by_env.listen, ["127.0.0.1:1".parse().unwrap(), "[::1]:2".parse().unwrap()]);
        assert_eq!(by_env.store, Path::new("env.db"));
        assert_eq!(by_env.window, Duration::from_millis(9_500));
        let by_flag = config("--listen 127.0.0.1:3 --update-window 20s --store sqlite:f.db", &env);
        let by_flag = by_flag.unwrap();
        assert_eq!(by_flag.listen, ["127.0.0.1:3".parse().unwrap()]);
        assert_eq!(by_flag.store, Path::new("f.db"));
        assert_eq!(by_flag.window, Duration::from_millis(19_500));
        let by_state = config("", &env[3..]).unwrap();
        assert_eq!(by_state.store, Path::new("/var/lib/houseful/houseful.db"));
    }

    #[test]
    fn a_wrong_setting_is_named_with_where_it_came_from() {
        type Variables<'a> = &'a [(&'a str, &'a str)];
        let rows: [(&str, Variables<'_>, &str); 15] = [
            (
                "",
                &[("HOUSEFUL_LISTEN", "")],
                "HOUSEFUL_LISTEN (environment): expected at least one ADDRESS:PORT, found ``",
            ),
            (
                "",
                &[("HOUSEFUL_LISTEN", ",")],
                "HOUSEFUL_LISTEN (environment): expected at least one ADDRESS:PORT, found `,`",
            ),
            (
                "--update-window -5s",
                &[],
                "--update-window: expected a duration of zero or more, found `-5s`",
            ),
            (
                "--store sqlite::memory:",
                &[],
                "--store: expected sqlite:PATH, found `sqlite::memory:`: what is acknowledged must",
            ),
            (
                "",
                &[("HOUSEFUL_STORE", "sqlite:///h.db")],
                "HOUSEFUL_STORE (environment): expected sqlite:PATH, found `sqlite:///h.db`: the path",
            ),
            (
                "--store sqlite:file:h.db?vfs=memdb",
                &[],
                "--store: expected sqlite:PATH, found `sqlite:file:h.db?vfs=memdb`: SQLite's URIs",
            ),
            (
                "--listen 6540",
                &[],
                "--listen: expected ADDRESS:PORT such as 127.0.0.1:6540, found `6540`",
            ),
            (
                "",
                &[("HOUSEFUL_LISTEN", "x")],
                "HOUSEFUL_LISTEN (environment): expected ADDRESS:PORT",
            ),
            ("--listen 0.0.0.0:6540", &[], "--insecure-no-auth"),
            ("--store houseful.db", &[], "--store: expected sqlite:PATH, found `houseful.db`"),
            ("--update-window 5", &[], "--update-window: "),
            (
                "--update-window 1h",
                &[],
                "--update-window: expected a duration from 10ms to 10m0s, found `1h`",
            ),
            (
                "--advertising-interval 6s",
                &[],
                "--advertising-interval: expected a duration from 1ms to 5s, found `6s`",
            ),
            (
                "",
                &[("HOUSEFUL_INSECURE_NO_AUTH", "yes")],
                "HOUSEFUL_INSECURE_NO_AUTH (environment): expected true or false",
            ),
            ("--allowed-host http://x", &[], "--allowed-host: expected a name"),
        ];
        for (line, env, want) in rows {
            let error = config(line, env).unwrap_err();
            assert!(error.contains(want), "{line}: {error}");
        }
        assert!(config("--listen 0.0.0.0:6540 --insecure-no-auth", &[]).is_ok());
    }

    #[test]
    fn a_variable_that_is_no_utf8_is_named_and_not_guessed() {
        use std::os::unix::ffi::OsStringExt;

        let Command::Serve(args) = Cli::parse_from(["houseful", "serve"]).command else {
            unreachable!()
        };
        for name in ["HOUSEFUL_STORE", "HOUSEFUL_LISTEN", "STATE_DIRECTORY"] {
            let env = |asked: &str| {
                (asked == name).then(|| OsString::from_vec(b"sqlite:/h\xffuse.db".to_vec()))
            };
            let error = ServeConfig::new(&args, &env).unwrap_err().to_string();
            let want =
                format!("{name} (environment): expected UTF-8, found `sqlite:/h\\xffuse.db`");
            assert_eq!(error, want);
        }
    }
}
