//! The file of settings: TOML, read into the texts that flags would give.

use std::fmt;
use std::fs::File as Disk;
use std::io::Read;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::Fault;
use super::table::{self, Kind, Setting, nearest};

/// Far more than all settings take; a device that never ends is none.
const BYTES_MAX: u64 = 1 << 20;

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct File {
    entries: Vec<Entry>,
}

/// One key and its value.
#[derive(Debug)]
pub(super) struct Entry {
    setting: &'static Setting,
    /// Of the key.
    pub(super) place: Place,
    /// One for each element of a list, else one; with the place of each.
    pub(super) texts: Vec<(String, Place)>,
}

/// Where something stands; line and column count characters from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl File {
    /// Reads what is there; what is wrong goes to `faults`.
    pub(super) fn read(path: &Path, faults: &mut Vec<Fault>) -> File {
        let name = path.display().to_string();
        let mut bytes = Vec::new();
        let read =
            Disk::open(path).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut bytes));
        if let Err(error) = read {
            faults
                .push(Fault { place: name, message: format!("cannot read the settings: {error}") });
            return File::default();
        }
        if bytes.len() as u64 > BYTES_MAX {
            let message = format!("expected settings of at most {BYTES_MAX} bytes, found more");
            faults.push(Fault { place: name, message });
            return File::default();
        }
        match str::from_utf8(&bytes) {
            Ok(text) => File::parse(&name, text, faults),
            Err(error) => {
                let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
                let place = Text { file: &name, text: &good }.place(good.len());
                let message = format!("expected UTF-8, found `\\x{:02x}`", bytes[good.len()]);
                faults.push(Fault { place: place.to_string(), message });
                File::default()
            }
        }
    }

    fn parse(file: &str, text: &str, faults: &mut Vec<Fault>) -> File {
        let source = Text { file, text };
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            faults.extend(source.syntax(errors));
            return File::default();
        }
        let mut pairs: Vec<_> = table.get_ref().iter().collect();
        pairs.sort_by_key(|(key, _)| key.span().start);
        let entries = pairs.into_iter().filter_map(|(key, value)| {
            let entry = source.entry(key.get_ref(), key.span().start, value);
            entry.map_err(|fault| faults.push(fault)).ok()
        });
        File { entries: entries.collect() }
    }

    /// What it says about a setting.
    pub(super) fn entry(&self, setting: &Setting) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.setting.name == setting.name)
    }
}

/// A file's text, to tell places in it.
struct Text<'a> {
    file: &'a str,
    text: &'a str,
}

impl Text<'_> {
    fn place(&self, offset: usize) -> Place {
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    fn fault(&self, offset: usize, message: String) -> Fault {
        Fault { place: self.place(offset).to_string(), message }
    }

    /// What follows an error is often its echo: the first of each line is told.
    fn syntax(&self, errors: Vec<toml::de::Error>) -> impl Iterator<Item = Fault> {
        let at = |error: &toml::de::Error| error.span().map_or(self.text.len(), |span| span.start);
        let mut errors: Vec<_> = errors
            .iter()
            .map(|error| (self.place(at(error)), error.message().to_owned()))
            .collect();
        errors.sort_by_key(|(place, _)| (place.line, place.column));
        errors.dedup_by_key(|(place, _)| place.line);
        errors.into_iter().map(|(place, message)| Fault { place: place.to_string(), message })
    }

    fn entry(
        &self,
        key: &str,
        key_at: usize,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Entry, Fault> {
        let Some(setting) = table::ALL.iter().find(|setting| setting.key() == key) else {
            return Err(self.fault(key_at, unknown(key)));
        };
        let mismatch = |value: &Spanned<DeValue<'_>>, wanted: &str| {
            let message = format!(
                "{key}: expected {wanted} such as {}, found {}",
                setting.example,
                self.found(value)
            );
            self.fault(value.span().start, message)
        };
        let text = |value: &Spanned<DeValue<'_>>, wanted: &str| match value.get_ref() {
            DeValue::String(text) => Ok((text.to_string(), self.place(value.span().start))),
            _ => Err(mismatch(value, wanted)),
        };
        let texts = match (setting.kind, value.get_ref()) {
            (Kind::Switch, DeValue::Boolean(is_on)) => {
                vec![(is_on.to_string(), self.place(value.span().start))]
            }
            (Kind::Switch, _) => {
                let message = format!("{key}: expected true or false, found {}", self.found(value));
                return Err(self.fault(value.span().start, message));
            }
            (Kind::List, DeValue::Array(elements)) => elements
                .iter()
                .map(|element| text(element, "an array of strings"))
                .collect::<Result<_, _>>()?,
            (Kind::List, _) => return Err(mismatch(value, "an array of strings")),
            (Kind::Text | Kind::Choice(_), _) => vec![text(value, "a string")?],
        };
        Ok(Entry { setting, place: self.place(key_at), texts })
    }

    /// A value as it is written, or its kind if that is long.
    fn found(&self, value: &Spanned<DeValue<'_>>) -> String {
        let written = self.text.get(value.span()).unwrap_or_default();
        match value.get_ref() {
            DeValue::Table(_) => "a table".to_owned(),
            DeValue::Array(_) => "an array".to_owned(),
            DeValue::String(_) if written.contains('\n') => "a text of several lines".to_owned(),
            _ => format!("`{written}`"),
        }
    }
}

fn unknown(key: &str) -> String {
    let known = || table::ALL.iter().map(|setting| setting.key());
    let hint = match nearest(key, known()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("expected one of {}", known().collect::<Vec<_>>().join(", ")),
    };
    format!("unknown key `{}`; {hint}", key.escape_debug())
}
