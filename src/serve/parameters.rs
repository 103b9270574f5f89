//! The parameters of a query, and all that is wrong with them.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use houseful_model::emission::check_id;

use super::reply::Reply;

/// As axum reads them; its own refusal has no body of ours.
pub(crate) type Pairs = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// What a client asked for. Each parameter is taken by its name; what is wrong
/// is collected, and said at once.
pub(crate) struct Parameters {
    pairs: Vec<(String, String)>,
    errors: Vec<String>,
}

impl Parameters {
    /// Of a query that may have these, and no others.
    ///
    /// # Errors
    /// If it is no query.
    pub(crate) fn new(pairs: Pairs, known: &[&str]) -> Result<Parameters, Reply> {
        let Ok(Query(pairs)) = pairs else {
            return Err(Reply::error(400, "query: expected name=value pairs in UTF-8"));
        };
        let unknown = pairs.iter().filter(|(name, _)| !known.contains(&name.as_str()));
        let errors = unknown
            .map(|(name, _)| {
                format!("{}: not a parameter; expected {}", shown(name), known.join(", "))
            })
            .collect();
        Ok(Parameters { pairs, errors })
    }

    /// As they came.
    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// A parameter that may be there once.
    pub(crate) fn once<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let mut values = self.pairs.iter().filter(|pair| pair.0 == name).map(|pair| &pair.1);
        let read = read(values.next()?);
        if values.next().is_some() {
            self.errors.push(format!("{name}: expected once, found again"));
        }
        read.map_err(|fault| self.errors.push(format!("{name}: {fault}"))).ok()
    }

    /// A parameter that may be repeated.
    pub(crate) fn each<T>(
        &mut self,
        name: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let mut found = Vec::new();
        for (_, value) in self.pairs.iter().filter(|pair| pair.0 == name) {
            match read(value) {
                Ok(value) => found.push(value),
                Err(fault) => self.errors.push(format!("{name}: {fault}")),
            }
        }
        found
    }

    /// Adds what is wrong with several of them together.
    pub(crate) fn fault(&mut self, error: String) {
        self.errors.push(error);
    }

    /// Whether nothing wrong was found so far.
    pub(crate) fn are_good(&self) -> bool {
        self.errors.is_empty()
    }

    /// 400 with all that was found.
    ///
    /// # Errors
    /// If anything was.
    pub(crate) fn check(&self) -> Result<(), Reply> {
        if self.errors.is_empty() { Ok(()) } else { Err(Reply::errors(400, &self.errors)) }
    }
}

/// The rule for ids, as a parameter's reader.
pub(crate) fn id(value: &str) -> Result<String, String> {
    check_id(value).map_err(|fault| fault.to_string())?;
    Ok(value.to_owned())
}

/// What a client sent, short and on one line.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_default).collect()
}
