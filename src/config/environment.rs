//! The variables that are ours.

use std::ffi::{OsStr, OsString};

use super::fault::Fault;
use super::table::{self, VARIABLE_PREFIX, nearest};

/// Names the file of settings.
pub(super) const CONFIG_VARIABLE: &str = "HOUSEFUL_CONFIG";

/// The environment, or what a test says it is.
#[derive(Debug)]
pub(crate) struct Environment(Vec<(OsString, OsString)>);

impl Environment {
    /// The process's own.
    pub(crate) fn of_process() -> Environment {
        Environment(std::env::vars_os().collect())
    }

    #[cfg(test)]
    pub(super) fn new(variables: Vec<(OsString, OsString)>) -> Environment {
        Environment(variables)
    }

    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_os_str())
    }

    /// A variable as text; half of one that is no UTF-8 is never used.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Fault> {
        let utf8 = |value: &OsStr| match value.to_str() {
            Some(text) => Ok(text.to_owned()),
            None => {
                let raw = value.as_encoded_bytes().escape_ascii();
                let message = format!("expected UTF-8, found `{raw}`");
                Err(Fault { place: place(name), message })
            }
        };
        self.get(name).map(utf8).transpose()
    }

    /// Variables that look like settings and are none: a misspelt
    /// `HOUSEFUL_STORE` must not send readings elsewhere.
    pub(super) fn unknown(&self) -> Vec<Fault> {
        let known = || {
            let settings = table::ALL.iter().map(|setting| setting.variable());
            settings.chain([CONFIG_VARIABLE.to_owned()])
        };
        let names = self.0.iter().map(|(name, _)| name.to_string_lossy());
        let ours = names.filter(|name| name.starts_with(VARIABLE_PREFIX));
        let unknown = ours.filter(|name| !known().any(|known| known == *name));
        let mut faults: Vec<Fault> = unknown
            .filter(|name| !self.is_service_link(name))
            .map(|name| {
                let ends = known().map(|known| known[VARIABLE_PREFIX.len()..].to_owned());
                let hint = match nearest(&name[VARIABLE_PREFIX.len()..], ends) {
                    Some(end) => format!("did you mean {VARIABLE_PREFIX}{end}?"),
                    None => format!("expected one of {}", known().collect::<Vec<_>>().join(", ")),
                };
                Fault { place: place(&name), message: format!("no such setting; {hint}") }
            })
            .collect();
        faults.sort_by(|a, b| a.place.cmp(&b.place));
        faults
    }

    /// Whether Kubernetes put it there: for a service called `houseful` every
    /// container gets `HOUSEFUL_SERVICE_HOST`, `HOUSEFUL_PORT_6540_TCP` and more.
    fn is_service_link(&self, name: &str) -> bool {
        let hosts =
            self.0.iter().filter_map(|(name, _)| name.to_str()?.strip_suffix("_SERVICE_HOST"));
        let ends = hosts.filter_map(|service| name.strip_prefix(service));
        ends.into_iter().any(|end| end.starts_with("_SERVICE_") || end.starts_with("_PORT"))
    }
}

/// As errors name a variable.
pub(super) fn place(name: &str) -> String {
    format!("{name} (environment)")
}
