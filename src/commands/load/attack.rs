//! `houseful load attack`.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use houseful_load::attack::{self, Options, Outcome, Targets};
use houseful_load::duration::Go;
use houseful_load::pacer::Pacer;
use houseful_load::rate::Rate;
use houseful_load::results::{Encoding, Writer};
use houseful_load::targets::{self, Defaults, Header};

use super::generate::parse_duration;
use super::results::open_output;
use super::{Live, stop_on_interrupt};
use crate::cli::AttackArgs;
use crate::say;

/// A send this late is worth a word: the report's latencies contain it.
const SLIP_WORTH_A_WORD: Duration = Duration::from_millis(50);

/// Checks the flags, reads the targets, sends them.
pub(crate) fn run(args: &AttackArgs) -> anyhow::Result<ExitCode> {
    let rate: Rate = args.rate.parse().context("--rate")?;
    let duration = Some(parse_duration("--duration", &args.duration)?).filter(|d| !d.is_zero());
    let mut options = Options {
        name: args.name.clone(),
        timeout: Some(parse_duration("--timeout", &args.timeout)?).filter(|t| !t.is_zero()),
        ..Options::default()
    };
    if let Some(max) = args.max_connections {
        options.connections_max = NonZeroUsize::new(max)
            .context("--max-connections: expected a number from 1, found 0")?;
    }
    let headers = args
        .header
        .iter()
        .map(|text| text.parse().context("--header"))
        .collect::<anyhow::Result<Vec<Header>>>()?;
    let targets = read_targets(args, headers)?;

    let mut out = Writer::new(open_output(&args.output, Encoding::Gob)?, Encoding::Gob);
    let pacer = Pacer::new(rate, duration).context("--rate")?;
    let mut live = Live::new(pacer.requests_total());
    let stop = stop_on_interrupt()?;
    let mut failed = None;
    let outcome = attack::run(targets, pacer, &options, &stop, |record| {
        live.hit(record.code);
        if failed.is_none()
            && let Err(error) = out.write(&record)
        {
            // Nobody keeps what comes, so there is no reason to go on.
            stop.abandon();
            failed = Some(error);
        }
    });
    live.finish();
    failed.map_or(Ok(()), Err).and_then(|()| out.flush()).context("cannot write the results")?;
    print_doubts(&outcome?);
    Ok(ExitCode::SUCCESS)
}

fn read_targets(args: &AttackArgs, headers: Vec<Header>) -> anyhow::Result<Targets> {
    let defaults = Defaults { headers, ..Defaults::default() };
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

/// What a reader of the report should know about the generator itself.
fn print_doubts(outcome: &Outcome) {
    if outcome.slip_max > SLIP_WORTH_A_WORD {
        let slip = Go(outcome.slip_max);
        say(format_args!(
            "warning: the generator sent late, by up to {slip}; latencies contain that"
        ));
    }
    if outcome.waited > 0 {
        say(format_args!(
            "warning: {} requests waited for one of {} connections; raise --max-connections",
            outcome.waited, outcome.connections_peak
        ));
    }
    if outcome.ran_out {
        say(format_args!("the targets ran out after {} requests", outcome.requests));
    }
    if outcome.abandoned > 0 {
        say(format_args!("warning: {} requests were given up without a result", outcome.abandoned));
    }
}
