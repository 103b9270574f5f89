//! Flags, then environment, then file, then defaults: one checked configuration.
//!
//! Nothing is touched here, and nothing is read but the file of settings. Every
//! fault is found at once, and says where it stands.

mod environment;
mod fault;
mod file;
mod flags;
mod show;
mod sources;
mod table;
#[cfg(test)]
mod tests;
mod value;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use self::environment::Environment;
use self::fault::Fault;
pub(crate) use self::fault::Faults;
pub(crate) use self::flags::{SettingsArgs, StoreArgs, WriterArgs};
pub(crate) use self::show::{Effective, example};
use self::sources::Sources;
use self::table::Setting;
use crate::log;

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
    pub(crate) log_levels: log::Levels,
    pub(crate) log_format: log::Format,
}

/// The widest update window: a window is looked up minute by minute.
const UPDATE_WINDOW_MAX: Duration = Duration::from_secs(600);
const DRAIN_TIMEOUT_MAX: Duration = Duration::from_secs(3_600);

impl ServeConfig {
    /// Checks all that `serve` was told.
    pub(crate) fn new(args: &SettingsArgs, env: &Environment) -> Result<ServeConfig, Faults> {
        let mut check = Check::new(&args.0, env);
        let config = check.serve();
        check.end(config)
    }
}

/// The SQLite file that the command line, the environment or the file names.
pub(crate) fn store_path(args: &StoreArgs, env: &Environment) -> Result<PathBuf, Faults> {
    let mut check = Check::new(&args.0, env);
    let path = check.one(&table::STORE, value::store);
    check.end(path)
}

/// The SQLite file, and the dedup window `P_d` under which a command writes to it.
pub(crate) fn store_and_window(
    args: &WriterArgs,
    env: &Environment,
) -> Result<(PathBuf, Duration), Faults> {
    let mut check = Check::new(&args.0, env);
    let store = check.one(&table::STORE, value::store);
    let window = check.window();
    check.end(store.zip(window))
}

/// Settings and what is wrong with them.
struct Check<'a> {
    sources: Sources<'a>,
    faults: Vec<Fault>,
}

impl<'a> Check<'a> {
    fn new(flags: &'a flags::Flags, env: &'a Environment) -> Check<'a> {
        let mut faults = Vec::new();
        let sources = Sources::new(flags, env, &mut faults);
        Check { sources, faults }
    }

    /// `None` only with a fault.
    fn serve(&mut self) -> Option<ServeConfig> {
        let insecure = self.one(&table::INSECURE_NO_AUTH, value::switch);
        // If that is unknown, it is no fault of the addresses.
        let listen = self.listen(insecure.unwrap_or(true));
        let store = self.one(&table::STORE, value::store);
        let window = self.window();
        let drain_timeout = self.one(&table::DRAIN_TIMEOUT, |text| {
            value::duration(text, Duration::ZERO, DRAIN_TIMEOUT_MAX)
        });
        let allowed_hosts = self.several(&table::ALLOWED_HOST, value::host);
        let log_levels = self.one(&table::LOG_LEVEL, str::parse);
        let log_format = self.one(&table::LOG_FORMAT, str::parse);
        Some(ServeConfig {
            listen: listen?,
            store: store?,
            window: window?,
            drain_timeout: drain_timeout?,
            allowed_hosts: allowed_hosts?,
            log_levels: log_levels?,
            log_format: log_format?,
        })
    }

    fn window(&mut self) -> Option<Duration> {
        let update_window = self.one(&table::UPDATE_WINDOW, |text| {
            value::duration(text, Duration::from_millis(10), UPDATE_WINDOW_MAX)
        });
        let interval_max = update_window.unwrap_or(UPDATE_WINDOW_MAX);
        let interval = self.one(&table::ADVERTISING_INTERVAL, |text| {
            value::duration(text, Duration::from_millis(1), interval_max)
        });
        Some(update_window? - interval? / 2)
    }

    fn listen(&mut self, insecure: bool) -> Option<Vec<SocketAddr>> {
        let listen = self.several(&table::LISTEN, |text| value::listen(text, insecure))?;
        if listen.is_empty() {
            // Nothing but commas: a collector that nobody reaches is never meant.
            let message = "expected at least one ADDRESS:PORT, found none".to_owned();
            self.faults.extend(self.sources.find(&table::LISTEN).map(|given| given.fault(message)));
            return None;
        }
        Some(listen)
    }

    fn one<T>(
        &mut self,
        setting: &'static Setting,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        // Of a flag that is given twice, clap has told; there is exactly one.
        self.several(setting, parse)?.pop()
    }

    fn several<T>(
        &mut self,
        setting: &'static Setting,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let given = self.sources.find(setting).map_err(|fault| self.faults.push(fault)).ok()?;
        let parsed: Vec<T> = given
            .texts
            .iter()
            .filter_map(|text| text.parse(&parse).map_err(|fault| self.faults.push(fault)).ok())
            .collect();
        (parsed.len() == given.texts.len()).then_some(parsed)
    }

    /// The result, unless something is wrong.
    fn end<T>(self, checked: Option<T>) -> Result<T, Faults> {
        Faults::none_of(self.faults)?;
        Ok(checked.expect("a setting is missing only with a fault"))
    }
}
