//! Flags, then environment, then defaults: one checked configuration.
//!
//! Nothing is touched here; a wrong setting is an error that names it and where
//! it came from.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use houseful_load::duration;

use crate::cli::{ServeArgs, StoreArg};

/// The environment, or what a test says it is.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The process's own environment.
pub(crate) fn process_environment(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
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
        let listen = several("listen", &args.listen, env, "127.0.0.1:6540")
            .into_iter()
            .map(|setting| setting.parse(|text| parse_listen(text, insecure)))
            .collect::<Result<Vec<_>, _>>()?;
        let update = single("update-window", args.update_window.as_deref(), env, "5s");
        let update_window =
            update.parse(|text| within(text, Duration::from_millis(10), UPDATE_WINDOW_MAX))?;
        let advertising =
            single("advertising-interval", args.advertising_interval.as_deref(), env, "1s");
        let interval =
            advertising.parse(|text| within(text, Duration::from_millis(1), update_window))?;
        let drain_timeout = single("drain-timeout", args.drain_timeout.as_deref(), env, "10s")
            .parse(|text| within(text, Duration::ZERO, Duration::from_secs(3_600)))?;
        let allowed_hosts = several("allowed-host", &args.allowed_host, env, "")
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
    let default = env("STATE_DIRECTORY")
        .filter(|directory| !directory.is_empty())
        // systemd separates several by colons; the first is ours.
        .map(|directories| directories.split(':').next().unwrap_or_default().to_owned())
        .map_or(PathBuf::from("houseful.db"), |directory| {
            Path::new(&directory).join("houseful.db")
        });
    let default = format!("sqlite:{}", default.display());
    single("store", arg.store.as_deref(), env, &default).parse(|text| match text.split_once(':') {
        Some(("sqlite", path)) if !path.is_empty() => Ok(PathBuf::from(path)),
        _ => Err(format!("expected sqlite:PATH, found `{text}`")),
    })
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

fn variable(name: &str) -> String {
    format!("HOUSEFUL_{}", name.to_uppercase().replace('-', "_"))
}

fn single(name: &str, flag: Option<&str>, env: Environment<'_>, default: &str) -> Setting {
    let variable = variable(name);
    if let Some(text) = flag {
        return Setting { source: format!("--{name}"), text: text.to_owned() };
    }
    match env(&variable) {
        Some(text) => Setting { source: format!("{variable} (environment)"), text },
        None => Setting { source: format!("--{name} (default)"), text: default.to_owned() },
    }
}

fn several(name: &str, flags: &[String], env: Environment<'_>, default: &str) -> Vec<Setting> {
    if flags.is_empty() {
        let Setting { source, text } = single(name, None, env, default);
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        return parts
            .map(|part| Setting { source: source.clone(), text: part.to_owned() })
            .collect();
    }
    flags.iter().map(|text| Setting { source: format!("--{name}"), text: text.clone() }).collect()
}

fn insecure_no_auth(args: &ServeArgs, env: Environment<'_>) -> Result<bool, ConfigError> {
    if args.insecure_no_auth {
        return Ok(true);
    }
    single("insecure-no-auth", None, env, "false")
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
            env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
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
        let rows: [(&str, Variables<'_>, &str); 9] = [
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
}
