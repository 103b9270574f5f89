//! The guides in `docs/`, whose commands are run.

/// Each command of the ```console blocks, and what is shown under it; and those of ```sh blocks,
/// under which nothing is.
pub(crate) fn shown(guide: &str) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    let mut block = "";
    for line in guide.lines() {
        match (line.strip_prefix("```"), block, line.strip_prefix("$ ")) {
            (Some(kind), _, _) => block = kind,
            (None, "console", Some(command)) => all.push((command.to_owned(), String::new())),
            (None, "console", None) => all.last_mut().unwrap().1 += &format!("{line}\n"),
            (None, "sh", _) => all.push((line.to_owned(), String::new())),
            _ => {}
        }
    }
    all
}
