//! The settings as a file of settings: what is in effect, and an example.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::environment::Environment;
use super::fault::Faults;
use super::flags::SettingsArgs;
use super::sources::{Given, Origin, config_path};
use super::table::{self, Kind, Setting};
use super::{Check, ServeConfig};

/// The settings in effect, each with where it came from.
#[derive(Debug)]
pub(crate) struct Effective {
    /// The file that was read.
    config: Option<PathBuf>,
    settings: Vec<Given>,
}

impl Effective {
    /// Checks them as `serve` does.
    pub(crate) fn new(args: &SettingsArgs, env: &Environment) -> Result<Effective, Faults> {
        ServeConfig::new(args, env)?;
        let mut check = Check::new(&args.0, env);
        let settings = table::ALL.iter().map(|setting| check.sources.find(setting));
        let settings = settings.collect::<Result<_, _>>();
        let settings = settings.map_err(|fault| check.faults.push(fault)).ok();
        let settings = check.end(settings)?;
        Ok(Effective { config: config_path(&args.0, env), settings })
    }

    /// Lines that a file of settings may have.
    pub(crate) fn to_toml(&self) -> String {
        let lines: Vec<String> = self.settings.iter().map(assignment).collect();
        let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
        let commented = lines.iter().zip(&self.settings).map(|(line, given)| {
            let from = match &given.origin {
                Origin::Flag => format!("--{}", given.setting.name),
                Origin::Variable => given.setting.variable(),
                Origin::File(place) => format!("{}:{}", place.file, place.line),
                Origin::StateDirectory => "default, in $STATE_DIRECTORY".to_owned(),
                Origin::Default => "default".to_owned(),
            };
            format!("{line:width$}  # {}\n", from.escape_debug())
        });
        commented.collect()
    }

    /// By key: `value`, `source` and where in it.
    pub(crate) fn to_json(&self) -> Value {
        let settings = self.settings.iter().map(|given| (given.setting.key(), json_of(given)));
        let settings: serde_json::Map<String, Value> = settings.collect();
        let config = self.config.as_ref().map(|path| path.display().to_string());
        json!({"config": config, "settings": settings})
    }
}

fn json_of(given: &Given) -> Value {
    let texts: Vec<&str> = given.texts.iter().map(|text| text.text.as_str()).collect();
    let value = match (given.setting.kind, texts.as_slice()) {
        (Kind::List, texts) => json!(texts),
        (Kind::Switch, texts) => json!(texts == ["true"]),
        (_, texts) => json!(texts.first()),
    };
    let (source, at) = match &given.origin {
        Origin::Flag => ("flag", Some(format!("--{}", given.setting.name))),
        Origin::Variable => ("environment", Some(given.setting.variable())),
        Origin::File(place) => ("file", Some(place.to_string())),
        Origin::StateDirectory => ("default", Some("STATE_DIRECTORY".to_owned())),
        Origin::Default => ("default", None),
    };
    json!({"value": value, "source": source, "at": at})
}

/// `update_window = "5s"`
fn assignment(given: &Given) -> String {
    let texts = given.texts.iter().map(|text| text.text.as_str());
    format!("{} = {}", given.setting.key(), toml_value(given.setting, texts))
}

fn toml_value<'a>(setting: &Setting, texts: impl Iterator<Item = &'a str>) -> String {
    let texts = match setting.kind {
        Kind::Switch => texts.map(str::to_owned).collect::<Vec<_>>(),
        _ => texts.map(quoted).collect(),
    };
    match setting.kind {
        Kind::List => format!("[{}]", texts.join(", ")),
        _ => texts.concat(),
    }
}

/// A basic string of TOML, in one line.
fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted += &format!("\\u{:04X}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

/// A file of settings that says what each is, and sets none.
pub(crate) fn example() -> String {
    let mut example = "\
# Settings of Houseful, for `houseful serve --config FILE`, or HOUSEFUL_CONFIG=FILE.
#
# Each is here with its default: take the # away to set it. A flag comes before
# a variable, a variable before this file. A path is relative to the directory
# that houseful is started in.
"
    .to_owned();
    for setting in table::ALL {
        let texts = match setting.kind {
            Kind::List => setting.default.split(',').filter(|text| !text.is_empty()).collect(),
            _ => vec![setting.default],
        };
        let (flag, variable) = match setting.kind {
            Kind::List => (", which may be repeated", ", with commas between"),
            _ => ("", ""),
        };
        example += &format!(
            "\n\
             # {}.\n\
             # Flag --{}{flag}; variable {}{variable}.\n\
             # For example: {}\n\
             #{} = {}\n",
            setting.meaning,
            setting.name,
            setting.variable(),
            setting.example,
            setting.key(),
            toml_value(setting, texts.into_iter()),
        );
    }
    example
}
