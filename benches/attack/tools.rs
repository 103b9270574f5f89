//! The tools, and how each is told what to do.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::run::{BODY, Paths};

pub(crate) const CONNECTIONS: u32 = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tool {
    Houseful(PathBuf),
    Vegeta,
    /// As it is without being told how many workers to use.
    VegetaDefaultWorkers,
    Wrk,
    Oha,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    Fastest,
    PerSecond(u64),
}

/// Those that are there, and for the others how to get them.
pub(crate) fn installed(houseful: &[PathBuf]) -> (Vec<Tool>, Vec<String>) {
    let mut tools: Vec<Tool> = houseful.iter().cloned().map(Tool::Houseful).collect();
    let mut missing = Vec::new();
    for (tool, how) in [
        (Tool::Vegeta, "go install github.com/tsenart/vegeta/v12@v12.13.0"),
        (Tool::Wrk, "apt-get install wrk"),
        (Tool::Oha, "cargo install oha"),
    ] {
        if is_there(tool.program()) {
            tools.push(tool);
        } else {
            missing.push(format!("{} is missing: {how}", tool.program().display()));
        }
    }
    (tools, missing)
}

fn is_there(program: &Path) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok()
}

impl Tool {
    pub(crate) fn program(&self) -> &Path {
        match self {
            Tool::Houseful(program) => program,
            Tool::Vegeta | Tool::VegetaDefaultWorkers => Path::new("vegeta"),
            Tool::Wrk => Path::new("wrk"),
            Tool::Oha => Path::new("oha"),
        }
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Tool::Houseful(program) if program == Path::new(env!("CARGO_BIN_EXE_houseful")) => {
                "houseful".to_owned()
            }
            Tool::Houseful(program) => program.display().to_string(),
            Tool::Vegeta => format!("vegeta -max-workers={CONNECTIONS}"),
            Tool::VegetaDefaultWorkers => "vegeta".to_owned(),
            Tool::Wrk => "wrk".to_owned(),
            Tool::Oha => "oha".to_owned(),
        }
    }

    /// Whether it writes each result to [`Paths::results`].
    pub(crate) fn writes_results(&self) -> bool {
        matches!(self, Tool::Houseful(_) | Tool::Vegeta | Tool::VegetaDefaultWorkers)
    }

    /// Words of its command line, without the program's. `None` if it cannot do that: wrk knows no rate.
    pub(crate) fn arguments(
        &self,
        load: Load,
        time: Duration,
        paths: &Paths,
    ) -> Option<Vec<String>> {
        let seconds = format!("{}s", time.as_secs());
        let rate = match load {
            Load::Fastest => 0,
            Load::PerSecond(rate) => rate,
        };
        let words = match self {
            Tool::Houseful(_) | Tool::Vegeta | Tool::VegetaDefaultWorkers => {
                let command: &[&str] =
                    if let Tool::Houseful(_) = self { &["load", "attack"] } else { &["attack"] };
                let mut words: Vec<String> = command.iter().copied().map(String::from).collect();
                words.extend([
                    format!("-targets={}", paths.targets.display()),
                    format!("-rate={rate}"),
                    format!("-duration={seconds}"),
                    format!("-output={}", paths.results.display()),
                ]);
                if *self != Tool::VegetaDefaultWorkers {
                    words.push(format!("-max-workers={CONNECTIONS}"));
                }
                words
            }
            Tool::Wrk if load == Load::Fastest => [
                "-t1",
                &format!("-c{CONNECTIONS}"),
                &format!("-d{seconds}"),
                "-s",
                &paths.script.display().to_string(),
                &paths.url,
            ]
            .map(String::from)
            .to_vec(),
            Tool::Wrk => return None,
            Tool::Oha => {
                let mut words = vec!["--no-tui".to_owned()];
                if let Load::PerSecond(rate) = load {
                    words.extend(["--latency-correction".into(), "-q".into(), rate.to_string()]);
                }
                words.extend(
                    [
                        "-c",
                        &CONNECTIONS.to_string(),
                        "-z",
                        &seconds,
                        "-m",
                        "POST",
                        "-T",
                        "application/json",
                        "-d",
                        BODY,
                        &paths.url,
                    ]
                    .map(String::from),
                );
                words
            }
        };
        Some(words)
    }
}
