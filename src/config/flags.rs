//! The flags of the settings, made from the table.
//!
//! Values stay text, and defaults stay out of clap: they would hide what the
//! environment and the file say.

use std::collections::HashMap;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, ValueHint};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::table::{self, Kind, Setting};

/// The flags of every setting, and `--config`.
#[derive(Debug)]
pub(crate) struct SettingsArgs(pub(super) Flags);

/// `--store` and `--config`, for commands that need no other setting.
#[derive(Debug)]
pub(crate) struct StoreArgs(pub(super) Flags);

/// `--store`, the two flags that make the dedup window, and `--config`.
#[derive(Debug)]
pub(crate) struct WriterArgs(pub(super) Flags);

/// What the command line says.
#[derive(Debug)]
pub(super) struct Flags {
    /// The file of settings.
    pub(super) config: Option<PathBuf>,
    /// By the setting's name; only what was given.
    texts: HashMap<&'static str, Vec<String>>,
}

impl Flags {
    /// What was given for a setting.
    pub(super) fn texts(&self, setting: &Setting) -> Option<&[String]> {
        self.texts.get(setting.name).map(Vec::as_slice)
    }

    fn augment(command: Command, settings: &[&'static Setting]) -> Command {
        let config = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .value_hint(ValueHint::FilePath)
            .help("A file of settings (TOML), as `houseful config --example` shows them");
        command.arg(config).args(settings.iter().map(|setting| arg(setting)))
    }

    fn from(matches: &ArgMatches, settings: &[&'static Setting]) -> Flags {
        let given = |setting: &&'static Setting| {
            let texts = match setting.kind {
                Kind::Switch => matches.get_flag(setting.name).then(|| vec!["true".to_owned()]),
                _ => matches.get_many(setting.name).map(|texts| texts.cloned().collect()),
            };
            texts.map(|texts| (setting.name, texts))
        };
        let config = matches.get_one("config").cloned();
        Flags { config, texts: settings.iter().filter_map(given).collect() }
    }
}

fn arg(setting: &'static Setting) -> Arg {
    let arg = Arg::new(setting.name).long(setting.name).value_name(setting.value_name);
    let arg = match setting.kind {
        // A duration below zero is refused by us, who can say why.
        Kind::Text => arg.action(ArgAction::Set).allow_hyphen_values(true),
        Kind::Choice(choices) => {
            arg.action(ArgAction::Set).value_parser(PossibleValuesParser::new(choices))
        }
        Kind::List => arg.action(ArgAction::Append),
        Kind::Switch => arg.action(ArgAction::SetTrue),
    };
    let more = if setting.kind == Kind::List { ". May be repeated" } else { "" };
    let default = match (setting.kind, setting.default) {
        (Kind::Switch, _) | (_, "") => String::new(),
        (_, default) => format!(" [default: {default}]"),
    };
    arg.help(format!("{}{more}{default}", setting.meaning))
}

/// Implements clap's traits by the table.
macro_rules! flags_of {
    ($args:ident, $settings:expr) => {
        impl FromArgMatches for $args {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                Ok($args(Flags::from(matches, $settings)))
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                *self = Self::from_arg_matches(matches)?;
                Ok(())
            }
        }

        impl Args for $args {
            fn augment_args(command: Command) -> Command {
                Flags::augment(command, $settings)
            }

            fn augment_args_for_update(command: Command) -> Command {
                Self::augment_args(command)
            }
        }
    };
}

flags_of!(SettingsArgs, &table::ALL);
flags_of!(StoreArgs, &[&table::STORE]);
flags_of!(WriterArgs, &[&table::STORE, &table::UPDATE_WINDOW, &table::ADVERTISING_INTERVAL]);
