//! What a durable, deduplicated emission costs, next to nginx's constant answer in the same run.
//!
//! `cargo bench --bench ingest`. The real `houseful serve` with a store on disk, and nginx, share
//! the first CPU that we may use; the load generator has the second. Rounds alternate: single
//! POSTs in a closed loop, 5 % of them new, in the order of the toolkit's plan (see `load.rs`).
//! Ratios hold on any machine, the absolute figures on none but this. CPU time is that of the
//! server's threads, from the kernel's scheduler; kernel threads (a sync's journal) are not in it.
//! Nothing is asserted: what makes the figures doubtful is said as a warning.
//!
//! `--json` prints one object. A *spread* is `{"median", "min", "max"}` over the rounds.
//!
//! ```text
//! title                      what was done
//! nginx, houseful            of each server:
//!   cpu_us                   spread: server CPU per emission, in µs
//!   emissions_per_s          spread
//!   p50_ms, p99_ms           spread: the client's answer times
//!   busy, generator_busy     spread: CPU time of the server, of the load generator / time passed
//!   resident_mib_max         VmHWM
//!   fixed                    {cpu_us, emissions_per_s, p50_ms, p99_ms} at the fixed rate; the
//!                            answer times count from when a request was due
//! ratio                      spread: houseful's cpu_us / nginx's, round by round
//! fixed                      {emissions_per_s, ratio}: the rate that was asked for
//! commits                    {rows_each, per_s, syncs_per_s}, of a round in which they were counted
//! warnings                   texts
//! ```

mod houseful;
mod load;
mod report;
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Parser;

use crate::houseful::{SyncCounter, houseful};
use crate::load::{ClosedLoop, Emissions};
use crate::report::{Commits, Report, Round, Side};
use crate::support::cpu::{Cpu, choose_cpus, pin, resident_mib_max};
use crate::support::server::{NGINX, Server};

/// The seed's rate: five houses.
const FIXED_RATE: u32 = 400;
/// How long syncs are counted.
const COUNTED: Duration = Duration::from_secs(2);
/// Before each round, not measured: a block of emissions takes about 25 ms.
const LEAD_IN: Duration = Duration::from_millis(100);
/// What `statfs` calls a file system in memory.
const TMPFS_MAGIC: i64 = 0x0102_1994;

/// Server CPU per emission of `houseful serve`, against nginx's constant answer.
#[derive(Debug, Parser)]
#[command(name = "ingest")]
struct Args {
    /// Rounds of each server
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds a round
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// Kept-alive connections
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    connections: u32,
    /// Where the stores are made, in a directory that is removed again
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    dir: PathBuf,
    /// Print JSON instead of the table
    #[arg(long)]
    json: bool,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if cfg!(debug_assertions) {
        eprintln!("nothing measured in a debug build: cargo bench --bench ingest");
        return ExitCode::SUCCESS;
    }
    match run(&args) {
        Ok(report) if args.json => println!("{}", report.json()),
        Ok(report) => print!("{report}"),
        Err(error) => {
            eprintln!("{error:#}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn run(args: &Args) -> anyhow::Result<Report> {
    if !Path::new(NGINX).exists() {
        bail!("expected {NGINX} to compare with: apt-get install nginx-light");
    }
    let mut warnings = Vec::new();
    let [server_cpu, generator_cpu] = choose_cpus(&mut warnings)?;
    let dir = tempfile::tempdir_in(&args.dir)
        .with_context(|| format!("cannot make a directory in `{}`", args.dir.display()))?;
    if rustix::fs::statfs(dir.path())?.f_type == TMPFS_MAGIC {
        warnings.push("the store is on a file system in memory: a sync costs nothing".to_owned());
    }
    let connections = args.connections as usize;
    pin(server_cpu)?;
    let nginx = Server::nginx(dir.path(), connections)?;
    let houseful = houseful(dir.path(), &[])?;
    pin(generator_cpu)?;
    let mut nginx = Bench { server: nginx, emissions: Emissions::new(), rounds: Vec::new() };
    let mut houseful = Bench { server: houseful, emissions: Emissions::new(), rounds: Vec::new() };

    ClosedLoop::connect(houseful.server.address, connections)?.introduce_badges()?;
    let seconds = Duration::from_secs(args.seconds.into());
    for round in 1..=args.rounds {
        eprintln!("round {round} of {}", args.rounds);
        nginx.closed_loop(connections, seconds)?;
        houseful.closed_loop(connections, seconds)?;
    }
    eprintln!("at {FIXED_RATE}/s");
    let nginx = nginx.at_fixed_rate()?;
    let houseful = houseful.at_fixed_rate()?;
    eprintln!("counting syncs");
    let commits = count_commits(dir.path(), connections, [server_cpu, generator_cpu])?;
    let title = format!(
        "single POSTs, 5 % new, {connections} connections, {} rounds of {} s: median [least to greatest]",
        args.rounds, args.seconds
    );
    Ok(Report { title, nginx, houseful, fixed_rate: FIXED_RATE, commits, warnings })
}

/// A server in the course of its rounds.
struct Bench {
    server: Server,
    emissions: Emissions,
    rounds: Vec<Round>,
}

impl Bench {
    fn closed_loop(&mut self, connections: usize, time: Duration) -> anyhow::Result<()> {
        let Bench { server, emissions, rounds } = self;
        let mut clients = ClosedLoop::connect(server.address, connections)?;
        clients.run(emissions, LEAD_IN)?;
        let (start, before) = (Instant::now(), (server.cpu()?, this_thread()?));
        let tally = clients.run(emissions, time);
        let tally = tally.with_context(|| format!("cannot load {}", server.name))?;
        let used = (server.cpu()?.since(before.0), this_thread()?.since(before.1));
        rounds.push(Round::new(start.elapsed(), used.0, used.1, tally));
        Ok(())
    }

    /// The last round.
    fn at_fixed_rate(mut self) -> anyhow::Result<Side> {
        let Bench { server, emissions, rounds } = &mut self;
        let name = server.name;
        let (start, before) = (Instant::now(), server.cpu()?);
        let tally = load::open_model(server.address, emissions, FIXED_RATE)
            .with_context(|| format!("cannot load {name}"))?;
        let used = server.cpu()?.since(before);
        // The generator's threads have ended, and sleep most of the time anyway.
        let fixed = Round::new(start.elapsed(), used, Cpu::default(), tally);
        let resident_mib_max = resident_mib_max(server.process.id())?;
        Ok(Side { name, rounds: std::mem::take(rounds), fixed, resident_mib_max })
    }
}

fn this_thread() -> std::io::Result<Cpu> {
    Cpu::read(Path::new("/proc/thread-self/schedstat"))
}

/// In a round of its own, for the library that counts costs something itself.
fn count_commits(dir: &Path, connections: usize, cpus: [usize; 2]) -> anyhow::Result<Commits> {
    let counter = SyncCounter::new(dir)?;
    let root = dir.join("counted");
    std::fs::create_dir(&root)?;
    pin(cpus[0])?;
    let houseful = houseful(&root, &counter.environment(&root))?;
    pin(cpus[1])?;
    let mut clients = ClosedLoop::connect(houseful.address, connections)?;
    clients.introduce_badges()?;
    let mut emissions = Emissions::new();
    clients.run(&mut emissions, LEAD_IN)?;
    let (start, before) = (Instant::now(), counter.read()?);
    let tally = clients.run(&mut emissions, COUNTED)?;
    let (passed, after) = (start.elapsed(), counter.read()?);
    let (syncs, commits) = (after.0 - before.0, after.1 - before.1);
    Ok(Commits { rows: tally.codes[0], commits, syncs, passed })
}
