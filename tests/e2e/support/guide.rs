//! The guides in `docs/`, whose commands are run.

/// Each command of the ```console blocks, and what is shown under it.
pub(crate) fn shown(guide: &str) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    let mut is_console = false;
    for line in guide.lines() {
        match (line.strip_prefix("```"), line.strip_prefix("$ ")) {
            (Some(kind), _) => is_console = kind == "console",
            (None, Some(command)) if is_console => all.push((command.to_owned(), String::new())),
            (None, None) if is_console => all.last_mut().unwrap().1 += &format!("{line}\n"),
            _ => {}
        }
    }
    all
}
