//! A plan as vegeta's files, or as a stream of targets without end.

use std::convert::Infallible;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::{BODIES_DIR, Emission, Plan, PlanError, Summary, TARGETS_FILE, TARGETS_JSON_FILE};
use crate::targets::{Format, Header, http, json};

/// Writes the plan's targets into `dir`, which is made if it is missing.
///
/// In [`Format::Http`] beside their bodies, which are named relative to `dir`: it has to be the
/// working directory of the attack. In [`Format::Json`] the targets hold them. An earlier plan is
/// replaced only with `force`, and then only files that a plan wrote. If it cannot be written, what was
/// written of it is removed.
///
/// # Errors
///
/// See [`PlanError`]. If the plan is refused or an earlier one is in the way, nothing is written.
pub fn write(dir: &Path, plan: &Plan, format: Format, force: bool) -> Result<Summary, PlanError> {
    plan.check()?;
    let targets_path = dir.join(targets_file(format));
    let bodies_dir = (format == Format::Http).then(|| dir.join(BODIES_DIR));
    if !force
        && let Some(path) = [Some(&targets_path), bodies_dir.as_ref()]
            .into_iter()
            .flatten()
            .find(|path| path.symlink_metadata().is_ok())
    {
        return Err(PlanError::Exists(path.clone()));
    }
    let deepest = bodies_dir.as_deref().unwrap_or(dir);
    let new_dirs: Vec<&Path> =
        deepest.ancestors().take_while(|dir| dir.symlink_metadata().is_err()).collect();
    if let Some(bodies_dir) = &bodies_dir
        && bodies_dir.symlink_metadata().is_ok_and(|it| !it.is_dir())
    {
        return Err(PlanError::NotAFolder(bodies_dir.clone()));
    }
    let unfinished = dir.join(format!(".{}.unfinished", targets_file(format)));
    let written = write_all(dir, bodies_dir.as_deref(), plan, format, &unfinished)
        // Last and under its own name only when whole: whoever sees it can attack it.
        .and_then(|()| fs::rename(&unfinished, &targets_path).map_err(cannot_write(&targets_path)));
    if let Err(error) = written {
        // Half a plan is of no use, and in the way of the next run. What went wrong is told, not what
        // cannot be removed after it.
        drop(fs::remove_file(&unfinished));
        if let Some(bodies_dir) = &bodies_dir {
            drop(remove_bodies(bodies_dir));
        }
        for dir in new_dirs {
            drop(fs::remove_dir(dir));
        }
        return Err(error);
    }
    let directory = Some(dir).filter(|dir| !matches!(dir.to_str(), Some("" | "." | "./")));
    Ok(Summary { directory: directory.map(Path::to_owned), format, ..plan.summary() })
}

/// Writes the plan's emissions as JSON targets, and goes on after its seconds, without end.
///
/// # Errors
///
/// [`PlanError`] if the plan is refused, or what `out` says when nobody reads any more.
pub fn stream(out: &mut impl Write, plan: &Plan) -> Result<Infallible, StreamError> {
    plan.check()?;
    for emission in plan.emissions_without_end() {
        write_json_target(out, plan, emission)?;
    }
    unreachable!("there is always a next emission")
}

/// Why a stream of targets ends.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// It does not begin.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Nobody takes it.
    #[error("cannot write targets")]
    Write(#[from] io::Error),
}

/// What the file of targets is called.
pub(super) fn targets_file(format: Format) -> &'static str {
    match format {
        Format::Http => TARGETS_FILE,
        Format::Json => TARGETS_JSON_FILE,
    }
}

fn write_all(
    dir: &Path,
    bodies_dir: Option<&Path>,
    plan: &Plan,
    format: Format,
    targets_path: &Path,
) -> Result<(), PlanError> {
    match bodies_dir {
        Some(bodies_dir) => write_bodies(bodies_dir, plan)?,
        None => fs::create_dir_all(dir).map_err(cannot_write(dir))?,
    }
    write_targets(targets_path, plan, format).map_err(cannot_write(targets_path))
}

fn write_bodies(dir: &Path, plan: &Plan) -> Result<(), PlanError> {
    fs::create_dir_all(dir).map_err(cannot_write(dir))?;
    remove_bodies(dir)?;
    for window in 0..plan.windows() {
        for badge in 0..plan.badges {
            let path = dir.join(body_name(badge, window));
            fs::write(&path, plan.body(badge, window)).map_err(cannot_write(&path))?;
        }
    }
    Ok(())
}

fn write_targets(path: &Path, plan: &Plan, format: Format) -> io::Result<()> {
    // What an interrupted run left, or somebody's link to elsewhere, which is not followed.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut out = BufWriter::new(fs::File::create_new(path)?);
    for emission in plan.emissions() {
        match format {
            Format::Http => write_http_target(&mut out, plan, emission)?,
            Format::Json => write_json_target(&mut out, plan, emission)?,
        }
    }
    out.flush()
}

fn write_http_target(out: &mut impl Write, plan: &Plan, emission: Emission) -> io::Result<()> {
    let body_path = format!("{BODIES_DIR}/{}", body_name(emission.badge, emission.window));
    http::write(out, "POST", &plan.url, &[content_type()], Some(&body_path))
}

fn write_json_target(out: &mut impl Write, plan: &Plan, emission: Emission) -> io::Result<()> {
    let body = plan.body(emission.badge, emission.window);
    json::write(out, "POST", &plan.url, &[content_type()], body.as_bytes())
}

pub(super) fn content_type() -> Header {
    "Content-Type: application/json".parse().expect("a header by its form")
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
