//! A plan as vegeta's files.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::{BODIES_DIR, Plan, PlanError, Summary, TARGETS_FILE};
use crate::targets::{Header, http};

/// Writes the plan's targets and bodies into `dir`, which is made if it is missing.
///
/// Bodies are named relative to `dir`, which has to be the working directory of the attack.
/// An earlier plan is replaced only with `force`, and then only files that a plan wrote.
///
/// # Errors
///
/// See [`PlanError`]. If the plan is refused or an earlier one is in the way, nothing is written.
pub fn write(dir: &Path, plan: &Plan, force: bool) -> Result<Summary, PlanError> {
    plan.check()?;
    let targets_path = dir.join(TARGETS_FILE);
    let bodies_dir = dir.join(BODIES_DIR);
    if !force
        && let Some(path) =
            [&targets_path, &bodies_dir].into_iter().find(|path| path.symlink_metadata().is_ok())
    {
        return Err(PlanError::Exists(path.clone()));
    }
    match bodies_dir.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => remove_bodies(&bodies_dir)?,
        Ok(_) => return Err(PlanError::NotAFolder(bodies_dir)),
        Err(_) => fs::create_dir_all(&bodies_dir).map_err(cannot_write(&bodies_dir))?,
    }

    for window in 0..plan.windows() {
        for badge in 0..plan.badges {
            let path = bodies_dir.join(body_name(badge, window));
            fs::write(&path, plan.body(badge, window)).map_err(cannot_write(&path))?;
        }
    }
    // Last and under its own name only when whole: whoever sees it can attack it.
    let unfinished = dir.join(format!(".{TARGETS_FILE}.unfinished"));
    write_targets(&unfinished, plan).map_err(cannot_write(&unfinished))?;
    fs::rename(&unfinished, &targets_path).map_err(cannot_write(&targets_path))?;
    let directory = Some(dir).filter(|dir| !matches!(dir.to_str(), Some("" | "." | "./")));
    Ok(Summary { directory: directory.map(Path::to_owned), ..plan.summary() })
}

fn write_targets(path: &Path, plan: &Plan) -> io::Result<()> {
    let content_type: Header =
        "Content-Type: application/json".parse().expect("a header by its form");
    let mut out = BufWriter::new(fs::File::create(path)?);
    for emission in plan.emissions() {
        let body_path = format!("{BODIES_DIR}/{}", body_name(emission.badge, emission.window));
        http::write(
            &mut out,
            "POST",
            &plan.url,
            std::slice::from_ref(&content_type),
            Some(&body_path),
        )?;
    }
    out.flush()
}

fn body_name(badge: u32, window: u64) -> String {
    format!("badge_{badge}_{window}.json")
}

/// Whether [`body_name`] may have made this name.
fn is_body_name(name: &str) -> bool {
    let numbers = name.strip_prefix("badge_").and_then(|rest| rest.strip_suffix(".json"));
    numbers.and_then(|numbers| numbers.split_once('_')).is_some_and(|(badge, window)| {
        [badge, window].iter().all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    })
}

fn remove_bodies(dir: &Path) -> Result<(), PlanError> {
    for entry in fs::read_dir(dir).map_err(cannot_write(dir))? {
        let entry = entry.map_err(cannot_write(dir))?;
        if entry.file_name().to_str().is_some_and(is_body_name) {
            fs::remove_file(entry.path()).map_err(cannot_write(&entry.path()))?;
        }
    }
    Ok(())
}

fn cannot_write(path: &Path) -> impl FnOnce(io::Error) -> PlanError {
    let path = path.to_owned();
    |source| PlanError::Write { path, source }
}
