//! The settings, each defined once.
//!
//! The flags, the variables, the keys of the file, `houseful config` and its
//! example all come from here.

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// As a flag; [`variable`](Setting::variable) and [`key`](Setting::key) are
    /// made from it.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// What help calls its value.
    pub(super) value_name: &'static str,
    /// As a variable would say it.
    pub(super) default: &'static str,
    /// In one line, without a full stop.
    pub(super) meaning: &'static str,
    /// A value as the file would have it.
    pub(super) example: &'static str,
}

/// What its value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Choice(&'static [&'static str]),
    /// Several texts: a flag that is repeated, a variable with commas, an array.
    List,
    /// A flag without a value; `true` or `false` elsewhere.
    Switch,
}

impl Setting {
    /// Its variable in the environment: `HOUSEFUL_UPDATE_WINDOW`.
    pub(super) fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.key().to_uppercase())
    }

    /// Its key in the file: `update_window`.
    pub(super) fn key(&self) -> String {
        self.name.replace('-', "_")
    }
}

/// What the names of our variables begin with.
pub(super) const VARIABLE_PREFIX: &str = "HOUSEFUL_";

pub(super) static LISTEN: Setting = Setting {
    name: "listen",
    kind: Kind::List,
    value_name: "ADDRESS:PORT",
    default: "127.0.0.1:6540",
    meaning: "Address and port to listen on; port 0 takes a free one",
    example: r#"["127.0.0.1:6540", "[::1]:6540"]"#,
};

pub(super) static STORE: Setting = Setting {
    name: "store",
    kind: Kind::Text,
    value_name: "sqlite:PATH",
    default: "sqlite:houseful.db",
    meaning: "The store; the default is in $STATE_DIRECTORY if that is set",
    example: r#""sqlite:/var/lib/houseful/houseful.db""#,
};

pub(super) static UPDATE_WINDOW: Setting = Setting {
    name: "update-window",
    kind: Kind::Text,
    value_name: "DURATION",
    default: "5s",
    meaning: "How often a badge changes what it advertises",
    example: r#""10s""#,
};

pub(super) static ADVERTISING_INTERVAL: Setting = Setting {
    name: "advertising-interval",
    kind: Kind::Text,
    value_name: "DURATION",
    default: "1s",
    meaning: "How often a badge advertises; the dedup window is the update window less half of this",
    example: r#""500ms""#,
};

pub(super) static DRAIN_TIMEOUT: Setting = Setting {
    name: "drain-timeout",
    kind: Kind::Text,
    value_name: "DURATION",
    default: "10s",
    meaning: "How long to finish what was taken when told to stop",
    example: r#""30s""#,
};

pub(super) static ALLOWED_HOST: Setting = Setting {
    name: "allowed-host",
    kind: Kind::List,
    value_name: "NAME",
    default: "",
    meaning: "A name, besides loopback ones, that a request's Host may have",
    example: r#"["houseful.example.org"]"#,
};

pub(super) static INSECURE_NO_AUTH: Setting = Setting {
    name: "insecure-no-auth",
    kind: Kind::Switch,
    value_name: "BOOL",
    default: "false",
    meaning: "Listen beyond loopback although anyone who reaches it can read and write",
    example: "true",
};

pub(super) static LOG_LEVEL: Setting = Setting {
    name: "log-level",
    kind: Kind::Text,
    value_name: "LEVEL",
    default: "info",
    meaning: "What is logged: off, error, warn, info, debug or trace, also per module",
    example: r#""info,houseful_store=debug""#,
};

pub(super) static LOG_FORMAT: Setting = Setting {
    name: "log-format",
    kind: Kind::Choice(&["text", "json"]),
    value_name: "FORMAT",
    default: "text",
    meaning: "How it is logged: a line of text or one JSON object a line",
    example: r#""json""#,
};

/// All of them, in the order in which they are shown.
pub(super) static ALL: [&Setting; 9] = [
    &LISTEN,
    &STORE,
    &UPDATE_WINDOW,
    &ADVERTISING_INTERVAL,
    &DRAIN_TIMEOUT,
    &ALLOWED_HOST,
    &INSECURE_NO_AUTH,
    &LOG_LEVEL,
    &LOG_FORMAT,
];

/// The one of `names` that someone who wrote `unknown` may have meant.
pub(super) fn nearest(unknown: &str, names: impl Iterator<Item = String>) -> Option<String> {
    // As clap judges flags.
    let near =
        names.map(|name| (strsim::jaro(unknown, &name), name)).filter(|(near, _)| *near > 0.7);
    near.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, name)| name)
}
