//! `houseful man`: a page for each command, written as a careful program writes.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::demo::shell;
use super::help::{COMMANDS, help};
use super::support::temp_dir;

fn page_name(command: &[&str]) -> String {
    format!("{}.1", [&["houseful"], command].concat().join("-"))
}

/// What a reader sees, as far as it is text: without the lines that lay it out,
/// and with a dash or an apostrophe where one is meant.
fn text(page: &str) -> String {
    let shown = page.lines().filter(|line| !line.starts_with('.') && !line.starts_with('\''));
    let shown = shown.collect::<Vec<_>>().join("\n");
    let unmarked = ["\\&", "\\fR", "\\fB", "\\fI"];
    let shown = shown.replace("\\-", "-").replace("\\*(Aq", "'");
    unmarked.iter().fold(shown, |text, mark| text.replace(mark, ""))
}

#[test]
fn every_command_has_a_page_that_says_what_its_help_says() {
    let dir = temp_dir();
    let output = shell("umask 022; houseful man new/man1", dir.path());
    assert!(output.status.success(), "{output:?}");
    let names: Vec<_> = COMMANDS.iter().map(|command| page_name(command)).collect();
    let mut said: Vec<_> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| line.strip_prefix("new/man1/").unwrap().to_owned())
        .collect();
    let mut written: Vec<_> = fs::read_dir(dir.path().join("new/man1"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    said.sort();
    written.sort();
    assert_eq!(said, written);
    assert_eq!(written, {
        let mut names = names.clone();
        names.sort();
        names
    });

    for (command, name) in COMMANDS.iter().zip(&names) {
        let path = dir.path().join("new/man1").join(name);
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o644, "{name} is not for everybody");
        let page = fs::read_to_string(&path).unwrap();
        assert!(page.contains("\n.TH houseful") || page.starts_with(".TH houseful"), "{page}");
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES"] {
            assert!(page.contains(&format!("\n.SH {section}\n")), "{name} has no {section}");
        }
        let macros = [
            ".TH ", ".SH ", ".TP", ".PP", ".br", ".IP ", ".RS", ".RE", ".nf", ".fi", ".ie ", ".el ",
        ];
        for line in page.lines().filter(|line| line.starts_with('.')) {
            assert!(macros.iter().any(|known| line.starts_with(known)), "{name}: `{line}`");
        }
        // Not filled: one to a line.
        assert!(page.contains("\n.SH EXAMPLES\n.nf\n"), "{name}");
        let (shown, help) = (text(&page), help(command));
        let (_, examples) = help.rsplit_once("Examples:\n").unwrap();
        assert!(shown.ends_with(examples.trim_end()), "{name}:\n{shown}");
        for word in help.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 4)
        {
            // `--lazy[=<true|false>]` is the flag `--lazy`.
            let flag = word.split('[').next().unwrap_or(word);
            let flag = flag.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            assert!(shown.contains(flag), "{name} does not tell of {flag}");
        }
        let synopsis = text(page.split_once(".SH SYNOPSIS\n").unwrap().1.lines().next().unwrap());
        for usage in help.lines().filter_map(|line| line.trim_start().strip_prefix("--")) {
            let usage = usage.split("  ").next().unwrap_or_default().trim_end_matches("...");
            let usage = usage.replace(['<', '>'], "");
            assert!(synopsis.contains(&format!("--{usage}")), "{name}: --{usage} in `{synopsis}`");
        }
    }
}

#[test]
fn nothing_outside_the_directory_is_written_and_a_page_is_replaced_whole() {
    let dir = temp_dir();
    let man = dir.path().join("man1");
    fs::create_dir(&man).unwrap();
    let elsewhere = dir.path().join("elsewhere");
    fs::write(&elsewhere, "mine").unwrap();
    symlink(&elsewhere, man.join("houseful.1")).unwrap();
    fs::write(man.join("houseful-serve.1"), "old").unwrap();
    // Whoever has the old page open goes on reading it.
    let old = dir.path().join("old");
    fs::hard_link(man.join("houseful-serve.1"), &old).unwrap();
    fs::write(man.join("other.1"), "another program's").unwrap();

    let output = shell("houseful man man1", dir.path());
    assert!(output.status.success(), "{output:?}");
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    assert_eq!(read(&elsewhere), "mine");
    assert_eq!(read(&old), "old");
    assert_eq!(read(&man.join("other.1")), "another program's");
    for name in ["houseful.1", "houseful-serve.1"] {
        assert!(fs::symlink_metadata(man.join(name)).unwrap().is_file());
        assert!(read(&man.join(name)).contains(".SH NAME"));
    }
    assert_eq!(fs::read_dir(&man).unwrap().count(), COMMANDS.len() + 1, "nothing is left behind");
}

#[test]
fn what_cannot_be_written_is_named() {
    let dir = temp_dir();
    fs::write(dir.path().join("file"), "").unwrap();
    fs::create_dir_all(dir.path().join("taken/houseful.1")).unwrap();
    let rows = [
        ("man file", "houseful: cannot make the directory `file`: File exists (os error 17)\n"),
        ("man taken", "houseful: cannot write `taken/houseful.1`: Is a directory (os error 21)\n"),
    ];
    for (command, want) in rows {
        let output = shell(&format!("houseful {command}"), dir.path());
        assert_eq!(output.status.code(), Some(2), "{command}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), want);
    }
    assert_eq!(fs::read_dir(dir.path().join("taken")).unwrap().count(), 1);
}
