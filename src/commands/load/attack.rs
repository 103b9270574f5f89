//! `houseful load attack`.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::process::ExitCode;

use anyhow::{Context, bail};
use houseful_load::attack::{self, Outcome, Targets};
use houseful_load::duration::{Go, rounded};
use houseful_load::metrics::{LATE, Slips};
use houseful_load::pacer::Pacer;
use houseful_load::rate::Rate;
use houseful_load::results::Encoding;
use houseful_load::targets::{self, Defaults, Header};

use super::attack_flags;
use super::generate::parse_duration;
use super::outflow::Outflow;
use super::results::{cannot_write, open_output};
use super::{Live, say_waits, stop_on_interrupt};
use crate::cli::AttackArgs;
use crate::{descriptors, say};

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
    attack_flags::check_places(args, &options, &targets)?;

    let inputs = [args.targets.clone().into()];
    let to = open_output(&args.output, Encoding::Gob, &inputs)?;
    let mut live = Live::new(&pacer);
    let stop = stop_on_interrupt(say_waits(options.timeout))?;
    // If nobody keeps what comes, there is no reason to go on.
    let out = Outflow::new(to, Encoding::Gob, {
        let stop = stop.clone();
        move || stop.abandon()
    });
    // Where it cannot be, what needs more says so.
    descriptors::raise_limit();
    let mut slips = Slips::new();
    let mut failed = None;
    let (mut is_answered, mut error) = (false, String::new());
    let (planned, is_paced) = (pacer.requests_total(), *pacer.rate() != Rate::AsFastAsPossible);
    let outcome = attack::run(targets, pacer, &options, &stop, |record| {
        live.hit(record);
        if record.code != 0 {
            is_answered = true;
        } else if !is_answered {
            error.clone_from(&record.error);
        }
        slips.add(record);
        if failed.is_none()
            && let Err(error) = out.write(record)
        {
            stop.abandon();
            failed = Some(error);
        }
    });
    live.finish();
    failed.map_or(Ok(()), Err).with_context(|| cannot_write(&args.output))?;
    // An attack that could not begin leaves the file as it was.
    let outcome = outcome?;
    out.finish().with_context(|| cannot_write(&args.output))?;
    if stop.is_told() {
        let of = planned.map(|planned| format!(" of {planned}")).unwrap_or_default();
        say(format_args!("interrupted after {}{of} requests", outcome.requests));
    } else if outcome.ran_out {
        say(format_args!("the targets ran out after {} requests", outcome.requests));
    }
    if outcome.abandoned > 0 {
        say(format_args!("{} requests were given up without a result", outcome.abandoned));
    }
    if outcome.resent > 0 {
        let requests = if outcome.resent == 1 { "request was" } else { "requests were" };
        say(format_args!(
            "{} {requests} sent again: the server had closed the connection, or refused them",
            outcome.resent
        ));
    }
    if !is_answered && !error.is_empty() {
        say(format_args!("no request had an answer: {error}"));
    }
    if !is_paced {
        say(format_args!("{}", fastest(&outcome)));
        return Ok(ExitCode::SUCCESS);
    }
    if outcome.is_rate_held() {
        return Ok(ExitCode::SUCCESS);
    }
    let Outcome { requests, unsent, late, .. } = outcome;
    let not_sent = if unsent > 0 { format!("{unsent} were not sent, and ") } else { String::new() };
    say(format_args!(
        "the rate was not held: of {requests} requests {not_sent}{late} left or were given up more than {} late",
        Go(LATE)
    ));
    match awaits_targets(&outcome) {
        Some(targets) => say(format_args!("{targets}, however fast the server is")),
        None => {
            if let Some(sending) = slips.sending() {
                say(format_args!("limit: {}", sending.verdict()));
            }
        }
    }
    Ok(ExitCode::FAILURE)
}

/// Whether it was the source of the targets that kept an attack from its rate.
fn awaits_targets(outcome: &Outcome) -> Option<String> {
    let Outcome { awaited_targets, elapsed, .. } = *outcome;
    (awaited_targets > elapsed / 2).then(|| {
        format!(
            "limit: targets: for {} of {} the next one was still to be read",
            Go(rounded(awaited_targets)),
            Go(rounded(elapsed))
        )
    })
}

/// Who was the limit of an attack as fast as possible.
fn fastest(outcome: &Outcome) -> String {
    let Outcome { at_limit, elapsed, connections_peak, requests_peak, .. } = *outcome;
    if let Some(targets) = awaits_targets(outcome) {
        format!("{targets}, so the server may do more")
    } else if at_limit > elapsed / 2 {
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
