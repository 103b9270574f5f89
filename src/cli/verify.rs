//! The words of `houseful load verify`.

use std::path::PathBuf;

use clap::Args;

use super::TargetFormat;

/// Compare what a service answered with what it stored
///
/// For services that store each distinct emission once: 201 says that it is
/// stored, 409 that one of which it is a copy is. Each emission of the plan ends
/// as acknowledged, refused or unknown. Exits 1 if one was acknowledged and not
/// stored, or stored twice, or called a copy of nothing. Told besides, if there
/// are any: readings that nobody was told of, emissions neither acknowledged nor
/// stored, copies that came so late that they are new, and times before the
/// sending or after the answer.
///
/// Answers whose bodies were kept (attack -max-body) are compared word by word
/// with what is stored; without them, a 201 needs a reading of the same badge and
/// beacons, heard when it was sent. CSV and what vegeta wrote do not tell for sure
/// which target was sent: there, a 201 for another emission is not found.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  houseful load verify results.gob --stored http://127.0.0.1:6540/rssi_readings
  houseful export | houseful load verify results.gob --targets targets.txt --stored -")]
pub(crate) struct VerifyArgs {
    /// Results as gob, JSON or CSV; `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The targets that were sent
    #[arg(long, default_value = "targets.txt", value_name = "FILE")]
    pub(crate) targets: PathBuf,
    /// How they are written
    #[arg(
        long,
        value_enum,
        default_value = "http",
        value_name = "http|json",
        hide_possible_values = true
    )]
    pub(crate) format: TargetFormat,
    /// What is stored, as NDJSON: a file, `-` for stdin, or a URL, whose pages are followed
    #[arg(long, value_name = "FILE|URL")]
    pub(crate) stored: String,
    /// The service's window of copies
    #[arg(long, default_value = "4.5s", value_name = "DURATION", allow_hyphen_values = true)]
    pub(crate) window: String,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
