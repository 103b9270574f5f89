//! `houseful load attack`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::process::ExitCode;

use anyhow::{Context, bail};
use houseful_load::attack::{self, Outcome, Targets};
use houseful_load::duration::Go;
use houseful_load::metrics::{LATE, Slips};
use houseful_load::pacer::Pacer;
use houseful_load::rate::Rate;
use houseful_load::results::{Encoding, Record, Writer};
use houseful_load::targets::{self, Defaults, Header};

use super::attack_flags;
use super::generate::parse_duration;
use super::results::open_output;
use super::{Live, say_waits, stop_on_interrupt};
use crate::cli::AttackArgs;
use crate::say;

/// How long results lie in our buffer at most, when the next ones come: a report at the other end
/// of a pipe should be of now also when they come slowly, and be woken seldom when they do not.
const FLUSH_EVERY_NS: i128 = 100_000_000;

/// Checks the flags, reads the targets, sends them.
pub(crate) fn run(args: &AttackArgs) -> anyhow::Result<ExitCode> {
    let rate: Rate = args.rate.parse().context("--rate")?;
    let duration = Some(parse_duration("--duration", &args.duration)?).filter(|d| !d.is_zero());
    if rate == Rate::AsFastAsPossible
        && args.max_workers.is_none()
        && args.max_connections.is_none()
    {
        bail!(
            "--rate: as fast as possible needs --max-workers: so many requests are always under way"
        );
    }
    let pacer = Pacer::new(rate, duration).context("--rate")?;
    let options = attack_flags::options(args)?;
    let headers = args
        .header
        .iter()
        .map(|text| text.parse().context("--header"))
        .collect::<anyhow::Result<Vec<Header>>>()?;
    let body = match &args.body {
        Some(path) => std::fs::read(path)
            .with_context(|| format!("--body: cannot read `{}`", path.display()))?,
        None => Vec::new(),
    };
    let targets = read_targets(args, Defaults { headers, body: body.into() })?;

    let inputs = [args.targets.clone().into()];
    let mut out = Results::new(open_output(&args.output, Encoding::Gob, &inputs)?);
    let mut live = Live::new(&pacer);
    let stop = stop_on_interrupt(say_waits(options.timeout))?;
    let mut slips = Slips::new();
    let mut failed = None;
    let (planned, is_paced) = (pacer.requests_total(), *pacer.rate() != Rate::AsFastAsPossible);
    let outcome = attack::run(targets, pacer, &options, &stop, |record| {
        live.hit(record);
        slips.add(record);
        if failed.is_none()
            && let Err(error) = out.write(record)
        {
            // Nobody keeps what comes, so there is no reason to go on.
            stop.abandon();
            failed = Some(error);
        }
    });
    live.finish();
    failed.map_or(Ok(()), Err).context("cannot write the results")?;
    // An attack that could not begin leaves the file as it was.
    let outcome = outcome?;
    out.to.flush().context("cannot write the results")?;
    if stop.is_told() {
        let of = planned.map(|planned| format!(" of {planned}")).unwrap_or_default();
        say(format_args!("interrupted after {}{of} requests", outcome.requests));
    } else if outcome.ran_out {
        say(format_args!("the targets ran out after {} requests", outcome.requests));
    }
    if outcome.abandoned > 0 {
        say(format_args!("{} requests were given up without a result", outcome.abandoned));
    }
    if !is_paced {
        say(format_args!("{}", fastest(&outcome)));
        return Ok(ExitCode::SUCCESS);
    }
    if outcome.is_rate_held() {
        return Ok(ExitCode::SUCCESS);
    }
    say(format_args!(
        "the rate was not held: of {} requests {} were not sent, and {} left or were given up more than {} late",
        outcome.requests,
        outcome.unsent,
        outcome.late,
        Go(LATE)
    ));
    if let Some(sending) = slips.sending() {
        say(format_args!("limit: {}", sending.verdict()));
    }
    Ok(ExitCode::FAILURE)
}

/// Where the results go.
struct Results {
    to: Writer<Box<dyn Write>>,
    /// The end of the request at whose result they were flushed last, since 1970.
    flushed_ns: i128,
}

impl Results {
    fn new(to: Box<dyn Write>) -> Results {
        Results { to: Writer::new(to, Encoding::Gob), flushed_ns: i128::MIN }
    }

    fn write(&mut self, record: &Record) -> io::Result<()> {
        self.to.write(record)?;
        // The record's time will do, and spares a look at the clock.
        let now_ns = record.end_ns();
        if now_ns.saturating_sub(self.flushed_ns) >= FLUSH_EVERY_NS {
            self.flushed_ns = now_ns;
            self.to.flush()?;
        }
        Ok(())
    }
}

/// Who was the limit of an attack as fast as possible.
fn fastest(outcome: &Outcome) -> String {
    let Outcome { at_limit, elapsed, connections_peak, requests_peak, .. } = *outcome;
    if at_limit > elapsed / 2 {
        "limit: generator: its thread had no rest, so the server may do more".to_owned()
    } else if requests_peak == connections_peak {
        format!(
            "limit: server: it kept {connections_peak} connections busy, and the generator had rest"
        )
    } else {
        format!(
            "limit: server: it kept {requests_peak} requests under way, connections at most {connections_peak}, and the generator had rest"
        )
    }
}

fn read_targets(args: &AttackArgs, defaults: Defaults) -> anyhow::Result<Targets> {
    let name = args.targets.as_str();
    let source: Box<dyn BufRead + Send> = if name == "-" {
        Box::new(BufReader::new(io::stdin()))
    } else {
        let file = File::open(name).with_context(|| format!("cannot open targets `{name}`"))?;
        Box::new(BufReader::new(file))
    };
    let name = if name == "-" { "stdin" } else { name };
    let format = args.format.into();
    Ok(if args.lazy {
        Targets::Lazy(Box::new(targets::Reader::new(source, name, format, defaults)))
    } else {
        targets::read(source, name, format, &defaults)?.into()
    })
}
