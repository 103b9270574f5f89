//! What the load test costs, next to vegeta, wrk and oha against the same nginx in the same run.
//!
//! `cargo bench --bench attack`, some two minutes; `-- --rounds 3 --seconds 1 fastest` for a part
//! of it. nginx with one worker and a constant 409 has the first CPU that we may use, the tool has
//! the second. Rounds alternate between the tools. How many requests and connections there were,
//! nginx counted; CPU time is that of the tool's process, start and end included, with every
//! result written to a file where the tool knows results. Ratios hold on any machine, the absolute
//! figures on none but this. Nothing is asserted: what makes the figures doubtful is said as a
//! warning, such as how much of the two CPUs others took meanwhile. On a busy machine `--realtime`
//! comes close to what an idle one would say.

mod nginx;
mod run;
mod sections;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod tools;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Parser, ValueEnum};

use crate::nginx::Nginx;
use crate::run::Bench;
use crate::support::cpu::{choose_cpus, pin};
use crate::support::server::NGINX;

/// What the load test costs, next to other tools.
#[derive(Debug, Parser)]
#[command(name = "attack")]
struct Args {
    /// What to measure [default: all]
    sections: Vec<Section>,
    /// Rounds of each tool
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds a round
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// Where results are written, in a directory that is removed again
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    dir: PathBuf,
    /// The houseful to measure, to compare two of them
    #[arg(long, default_value = env!("CARGO_BIN_EXE_houseful"))]
    houseful: Vec<PathBuf>,
    /// Give nginx and the tools their CPUs before all others, for a busy machine; needs root
    #[arg(long)]
    realtime: bool,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    /// As fast as it goes
    Fastest,
    /// 20,000/s from one CPU
    Loaded,
    /// 400/s, the rate of five houses
    Seed,
    /// How exactly 10 to 80 % of the highest rate is held
    Held,
    /// What a report costs at the other end of a pipe
    Pipe,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if cfg!(debug_assertions) {
        eprintln!("nothing measured in a debug build: cargo bench --bench attack");
        return ExitCode::SUCCESS;
    }
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    if !Path::new(NGINX).exists() {
        bail!("expected {NGINX} to compare with: apt-get install nginx-light");
    }
    let mut warnings = Vec::new();
    let [server_cpu, tool_cpu] = choose_cpus(&mut warnings)?;
    let dir = tempfile::tempdir_in(&args.dir)
        .with_context(|| format!("cannot make a directory in `{}`", args.dir.display()))?;
    pin(server_cpu)?;
    let nginx = Nginx::start(dir.path())?;
    pin(tool_cpu)?;
    if args.realtime {
        run::make_realtime(nginx.server.process.id())?;
    }
    let (tools, missing) = tools::installed(&args.houseful);
    let bench = Bench {
        nginx,
        dir: dir.path(),
        rounds: args.rounds,
        time: Duration::from_secs(args.seconds.into()),
        tools,
        cpus: [server_cpu, tool_cpu],
        realtime: args.realtime,
    };
    bench.write_inputs()?;
    println!(
        "POSTs of {} bytes to nginx on CPU {server_cpu}, the tool on CPU {tool_cpu}, {} connections, {} rounds of {} s: median [least to greatest]",
        run::BODY.len(),
        tools::CONNECTIONS,
        args.rounds,
        args.seconds
    );
    missing.iter().for_each(|what| println!("{what}"));
    let is_asked = |section| args.sections.is_empty() || args.sections.contains(&section);
    let mut highest = None;
    if is_asked(Section::Fastest) {
        highest = Some(sections::fastest(&bench, &mut warnings)?);
    }
    if is_asked(Section::Loaded) {
        sections::loaded(&bench, &mut warnings)?;
    }
    if is_asked(Section::Seed) {
        sections::seed(&bench, &mut warnings)?;
    }
    if is_asked(Section::Held) {
        sections::held(&bench, highest, &mut warnings)?;
    }
    if is_asked(Section::Pipe) {
        sections::pipe(&bench, &mut warnings)?;
    }
    println!();
    warnings.iter().for_each(|warning| println!("warning: {warning}"));
    Ok(())
}
