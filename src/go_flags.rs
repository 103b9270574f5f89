//! `-rate=400` is `--rate=400`: Go's flags have one dash or two, and the load
//! commands take the command lines that people know from vegeta.

use std::ffi::OsString;

/// Doubles single dashes of long flags after `load`; leaves all else alone.
pub(crate) fn to_double_dashes(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = words.collect();
    if words.get(1).is_some_and(|command| command == "load") {
        let flags_end = words.iter().position(|word| word == "--").unwrap_or(words.len());
        for word in &mut words[2..flags_end] {
            if let Some(text) = word.to_str()
                && is_single_dashed(text)
            {
                *word = OsString::from(format!("-{text}"));
            }
        }
    }
    words
}

/// `-rate`, but not `-`, `-h`, `--rate` or `-1`.
fn is_single_dashed(word: &str) -> bool {
    let Some(name) = word.strip_prefix('-') else {
        return false;
    };
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_ascii_lowercase())
        && letters.next().is_some_and(|second| {
            second.is_ascii_lowercase() || second.is_ascii_digit() || second == '-'
        })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    fn doubled(line: &str) -> String {
        let words = to_double_dashes(line.split(' ').map(OsString::from));
        let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
        words.join(" ")
    }

    #[test]
    fn only_long_flags_of_load_are_doubled() {
        let rows = [
            (
                "houseful load attack -rate=400 -targets x",
                "houseful load attack --rate=400 --targets x",
            ),
            ("houseful load attack --rate=400 -h -", "houseful load attack --rate=400 -h -"),
            ("houseful load attack -h2c -h", "houseful load attack --h2c -h"),
            ("houseful load report -- -rate", "houseful load report -- -rate"),
            ("houseful load attack -redirects -1", "houseful load attack --redirects -1"),
            ("houseful serve -listen x", "houseful serve -listen x"),
            ("houseful", "houseful"),
        ];
        for (line, want) in rows {
            assert_eq!(doubled(line), want);
        }
    }

    #[test]
    fn every_flag_of_load_may_have_one_dash() {
        let program = Cli::command();
        let load = program.find_subcommand("load").unwrap();
        let mut flags = 0;
        for command in load.get_subcommands() {
            for name in command.get_arguments().filter_map(clap::Arg::get_long) {
                let line = |dashes| format!("houseful load {} {dashes}{name}", command.get_name());
                assert_eq!(doubled(&line("-")), line("--"));
                flags += 1;
            }
        }
        assert!(flags > 50, "{flags}");
    }
}
