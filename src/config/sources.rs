//! Where a setting may come from, and which of them counts.

use std::path::{Path, PathBuf};

use super::environment::{self, CONFIG_VARIABLE, Environment};
use super::fault::Fault;
use super::file::{File, Place};
use super::flags::Flags;
use super::table::{Kind, STORE, Setting};

/// Flags, then environment, then file, then defaults.
#[derive(Debug)]
pub(super) struct Sources<'a> {
    flags: &'a Flags,
    env: &'a Environment,
    file: File,
}

/// Which source it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Flag,
    Variable,
    File(Place),
    /// The default, in the directory that systemd made for us.
    StateDirectory,
    Default,
}

/// What counts for a setting.
#[derive(Debug)]
pub(crate) struct Given {
    pub(super) setting: &'static Setting,
    pub(super) origin: Origin,
    /// One for each element of a list, else one.
    pub(super) texts: Vec<Text>,
}

/// One text of a setting, and where it stands.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) text: String,
    setting: &'static Setting,
    origin: Origin,
}

impl Text {
    /// Parses it; an error says where it stands.
    pub(super) fn parse<T>(
        &self,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, Fault> {
        parse(&self.text).map_err(|message| fault(self.setting, &self.origin, message))
    }
}

impl Given {
    /// What is wrong with all of it.
    pub(super) fn fault(&self, message: String) -> Fault {
        fault(self.setting, &self.origin, message)
    }
}

fn fault(setting: &Setting, origin: &Origin, message: String) -> Fault {
    match origin {
        Origin::Flag => Fault { place: format!("--{}", setting.name), message },
        Origin::Variable => Fault { place: environment::place(&setting.variable()), message },
        Origin::File(place) => {
            Fault { place: place.to_string(), message: format!("{}: {message}", setting.key()) }
        }
        Origin::StateDirectory => Fault { place: environment::place("STATE_DIRECTORY"), message },
        Origin::Default => Fault { place: format!("--{} (default)", setting.name), message },
    }
}

impl<'a> Sources<'a> {
    /// Reads the file, if one is named; what is wrong goes to `faults`.
    pub(super) fn new(flags: &'a Flags, env: &'a Environment, faults: &mut Vec<Fault>) -> Self {
        faults.extend(env.unknown());
        let file = match config_path(flags, env) {
            Some(path) if path.as_os_str().is_empty() => {
                let place = match flags.config {
                    Some(_) => "--config".to_owned(),
                    None => environment::place(CONFIG_VARIABLE),
                };
                faults.push(Fault { place, message: "expected a file, found ``".to_owned() });
                File::default()
            }
            Some(path) => File::read(&path, faults),
            None => File::default(),
        };
        Sources { flags, env, file }
    }

    /// What counts for a setting.
    pub(super) fn find(&self, setting: &'static Setting) -> Result<Given, Fault> {
        if let Some(texts) = self.flags.texts(setting) {
            let texts = texts.iter().map(|text| (text.clone(), Origin::Flag));
            return Ok(given(setting, Origin::Flag, texts));
        }
        if let Some(text) = self.env.text(&setting.variable())? {
            return Ok(written_as_one(setting, Origin::Variable, &text));
        }
        if let Some(entry) = self.file.entry(setting) {
            let texts = entry.texts.iter().cloned();
            let texts = texts.map(|(text, place)| (text, Origin::File(place)));
            return Ok(given(setting, Origin::File(entry.place.clone()), texts));
        }
        if setting.name == STORE.name
            && let Some(directories) = self.env.text("STATE_DIRECTORY")?
        {
            // systemd separates several by colons; the first is ours.
            let directory = directories.split(':').next().unwrap_or_default();
            let text = format!("sqlite:{}", Path::new(directory).join("houseful.db").display());
            return Ok(written_as_one(setting, Origin::StateDirectory, &text));
        }
        Ok(written_as_one(setting, Origin::Default, setting.default))
    }
}

/// The file that is named, if one is.
pub(super) fn config_path(flags: &Flags, env: &Environment) -> Option<PathBuf> {
    flags.config.clone().or_else(|| env.get(CONFIG_VARIABLE).map(PathBuf::from))
}

/// From where a list is one text: its elements are separated by commas.
fn written_as_one(setting: &'static Setting, origin: Origin, text: &str) -> Given {
    let texts = match setting.kind {
        Kind::List => {
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>()
        }
        _ => vec![text],
    };
    let texts = texts.into_iter().map(|text| (text.to_owned(), origin.clone()));
    given(setting, origin.clone(), texts)
}

fn given(
    setting: &'static Setting,
    origin: Origin,
    texts: impl Iterator<Item = (String, Origin)>,
) -> Given {
    let texts = texts.map(|(text, origin)| Text { text, setting, origin }).collect();
    Given { setting, origin, texts }
}
