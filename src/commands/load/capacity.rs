//! `houseful load capacity`.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use houseful_load::attack::{self, Options, Stop};
use houseful_load::capacity::{
    Conditions, Fold, Kind, Lengths, Next, Report, Row, Salvo, Search, Source, Step, Steps, Trial,
    Unit, header,
};
use houseful_load::duration::{self, Go, rounded};
use houseful_load::metrics::Codes;
use houseful_load::plan::Plan;
use houseful_load::targets::{self, Defaults, Format, Header};

use super::generate::parse_duration;
use super::{Live, say_waits, stop_on_interrupt};
use crate::cli::CapacityArgs;
use crate::{descriptors, say, was_read};

/// What `--from` and `--to` are if nobody says, for houses and for requests a second.
const HOUSES: (u64, u64) = (1, 1_000);
const REQUESTS: (u64, u64) = (10, 100_000);

/// How often a pause looks whether it was interrupted.
const PAUSE_LOOK: Duration = Duration::from_millis(20);

/// Makes step after step until the answer is known, and prints all.
pub(crate) fn run(args: &CapacityArgs) -> anyhow::Result<ExitCode> {
    let mut tester = Tester::new(args)?;
    // Where it cannot be, what needs more says so.
    descriptors::raise_limit();
    let search = tester.search;
    tester.print(format_args!("{}", tester.intent()))?;
    tester.print(format_args!("\n{}", header(tester.steps.unit())))?;
    let mut trials: Vec<Trial> = Vec::new();
    let mut made: Vec<Step> = Vec::new();
    let answer = loop {
        let load = match search.next(&trials) {
            Next::Try(load) => load,
            Next::Done(answer) => break answer,
        };
        if !made.is_empty() {
            tester.rest();
        }
        let step = tester.make(load)?;
        if tester.stop.is_told() {
            // What it would have come to is not known.
            say(format_args!("interrupted in step {}", made.len() + 1));
            break search.known(&trials);
        }
        tester.print(format_args!("{}", Row(made.len() + 1, tester.steps.unit(), &step)))?;
        tester.look_for_life(&step, made.last())?;
        trials.push(Trial { load, verdict: step.finding.verdict });
        made.push(step);
    };
    let report = Report {
        unit: tester.steps.unit(),
        conditions: tester.conditions.to_string(),
        steps: made,
        answer,
    };
    let mut out = io::stdout().lock();
    let written = if args.json { report.write_json(&mut out) } else { write!(out, "\n{report}") };
    let was_read =
        was_read(written.and_then(|()| out.flush())).context("cannot write to stdout")?;
    if !was_read && report.kind() == Kind::None {
        say(format_args!("{}", report.to_string().trim_end()));
    }
    match report.kind() {
        _ if tester.stop.is_told() => Ok(ExitCode::FAILURE),
        Kind::Found | Kind::AtLeast => Ok(ExitCode::SUCCESS),
        Kind::None => Ok(ExitCode::FAILURE),
        Kind::Unknown => bail!(
            "the generator was the limit at {} already, so nothing is known of the server: give it more of a core, or a smaller --from",
            report.unit.show(search.from)
        ),
    }
}

/// What makes steps.
struct Tester {
    steps: Steps,
    search: Search,
    conditions: Conditions,
    expect: Option<Codes>,
    lengths: Lengths,
    pause: Duration,
    options: Options,
    stop: Stop,
    is_json: bool,
    /// Where the load goes, in words.
    to: String,
}

impl Tester {
    /// Checks all flags, reads the targets.
    fn new(args: &CapacityArgs) -> anyhow::Result<Tester> {
        let lengths = Lengths {
            skip: parse_duration("--skip", &args.skip)?,
            step: parse_duration("--step", &args.step)?,
        };
        let pause = parse_duration("--pause", &args.pause)?;
        let timeout = Some(parse_duration("--timeout", &args.timeout)?).filter(|t| !t.is_zero());
        let p99 = parse_duration("--p99", &args.p99)?;
        if p99.is_zero() {
            bail!("--p99: expected more than 0, which no answer takes");
        }
        let p99 = format!("p99<={}", Go(p99)).parse().context("--p99")?;
        let assertions = std::iter::once(p99).chain(args.assert.iter().cloned()).collect();
        let source = source(args)?;
        let (expect, defaults, to) = match &args.targets {
            None => (Some("201,409".parse()?), HOUSES, args.url.clone()),
            Some(path) => (None, REQUESTS, format!("the targets of `{}`", path.display())),
        };
        let from = args.from.map_or(defaults.0, u64::from);
        let steps = Steps::new(source, lengths, from, args.to.map(u64::from))?;
        let most = args.to.map_or(defaults.1.min(steps.load_max()), u64::from);
        if from > most {
            bail!("--from: expected at most {most}, which is the largest load, found {from}");
        }
        Ok(Tester {
            steps,
            search: Search { from, to: most, resolution: args.resolution, repeats: args.repeats },
            conditions: Conditions { errors_max: args.errors, assertions },
            expect: args.expect.clone().or(expect),
            lengths,
            pause,
            options: Options {
                timeout,
                connections_max: args.max_connections,
                keep_headers: false,
                ..Options::default()
            },
            stop: stop_on_interrupt(say_waits(timeout))?,
            is_json: args.json,
            to,
        })
    }

    /// What is going to be done, and how long that takes.
    fn intent(&self) -> String {
        let Tester { steps, conditions, lengths, .. } = self;
        let one = steps.frequency(1).per_second();
        let what = match (steps.unit(), steps.readings_per_s(1)) {
            (Unit::Houses, Some(new)) => {
                format!("a house sends {one} requests/s, {new} of them new, to {}", self.to)
            }
            _ => format!("sends {} in turn", self.to),
        };
        let expect = self.expect.as_ref().map_or("200 to 399".to_owned(), Codes::to_string);
        let (fewest, most) = self.search.steps().into_inner();
        let step = lengths.skip + lengths.step + self.pause;
        let time = |steps: usize| Go(rounded(step.saturating_mul(steps as u32)));
        format!(
            "{what}\nmust hold: {conditions}, where {expect} are no errors\n{fewest} to {most} steps of {}, each after {} of warm-up: if all is steady, {} to {}; more if loads hold by turns",
            Go(lengths.step),
            Go(lengths.skip),
            time(fewest),
            time(most)
        )
    }

    /// Sends one step and judges it.
    fn make(&mut self, load: u64) -> anyhow::Result<Step> {
        let Salvo { targets, pacer, skipped, window } = self.steps.make(load)?;
        let mut fold = Fold::new(skipped, window, self.expect.clone());
        // Elsewhere the line of each step is enough.
        let mut live = io::stderr().is_terminal().then(|| Live::new(&pacer));
        let outcome = attack::run(targets, pacer, &self.options, &self.stop, |record| {
            fold.add(record);
            if let Some(live) = &mut live {
                live.hit(record);
            }
        });
        if let Some(live) = live {
            live.finish();
        }
        let lasted = self.lengths.skip + self.lengths.step;
        let asked = self.steps.frequency(load);
        Ok(fold.finish(load, asked, lasted, &self.conditions, &outcome?))
    }

    /// A server that is not there has no capacity of 0: nothing is known of it.
    fn look_for_life(&self, step: &Step, before: Option<&Step>) -> anyhow::Result<()> {
        let error = step.error.as_deref().unwrap_or("no result");
        match before {
            None if !step.is_answered() => bail!("nobody answers at {}: {error}", self.to),
            None if step.requests_per_s == 0.0 => bail!(
                "no answer of {} was an expected one, but such as `{error}`: see --expect",
                self.to
            ),
            Some(before) if !step.is_answered() && !before.is_answered() => bail!(
                "nobody answers any more at {}, after {}: {error}",
                self.to,
                self.steps.unit().show(before.load)
            ),
            _ => Ok(()),
        }
    }

    /// Lets the server come to rest.
    fn rest(&self) {
        let start = Instant::now();
        while !self.stop.is_told() {
            match self.pause.checked_sub(start.elapsed()) {
                None | Some(Duration::ZERO) => return,
                Some(left) => std::thread::sleep(left.min(PAUSE_LOOK)),
            }
        }
    }

    /// A line for whoever watches: beside JSON, on stderr.
    fn print(&self, line: std::fmt::Arguments<'_>) -> anyhow::Result<()> {
        if self.is_json {
            say(line);
            return Ok(());
        }
        // The answer is also an exit code, so it is found out for nobody's eyes, too.
        was_read(writeln!(io::stdout(), "{line}")).context("cannot write to stdout")?;
        Ok(())
    }
}

fn source(args: &CapacityArgs) -> anyhow::Result<Source> {
    let headers = args
        .header
        .iter()
        .map(|text| text.parse().context("--header"))
        .collect::<anyhow::Result<Vec<Header>>>()?;
    if let Some(path) = &args.targets {
        let format = args.format.map_or(Format::Http, Format::from);
        return read_targets(path, format, Defaults { headers, ..Defaults::default() });
    }
    if args.format.is_some() {
        bail!("--format: expected --targets, which are written so");
    }
    let plan = Plan {
        badges: args.badges,
        badges_per_house: args.badges,
        pis: args.pis,
        update_window: duration::parse(&args.update_window).context("--update-window")?,
        advertising_interval: duration::parse(&args.advertising_interval)
            .context("--advertising-interval")?,
        beacons: args.beacons,
        seed: args.seed,
        url: args.url.parse().context("--url")?,
        ..Plan::default()
    };
    Ok(Source::Houses { plan, headers })
}

fn read_targets(path: &Path, format: Format, defaults: Defaults) -> anyhow::Result<Source> {
    let name = path.display().to_string();
    let targets = if name == "-" {
        targets::read(io::stdin().lock(), "stdin", format, &defaults)?
    } else {
        let file = File::open(path).with_context(|| format!("cannot open targets `{name}`"))?;
        targets::read(BufReader::new(file), &name, format, &defaults)?
    };
    Ok(Source::Targets(targets))
}
