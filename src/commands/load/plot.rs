//! `houseful load plot`.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use houseful_load::metrics::WarmUp;
use houseful_load::plot::{Charts, Options, Plot, html, png, svg};
use houseful_load::results::Keep;

use super::generate::parse_duration;
use super::output::Output;
use super::results::{for_each_of_run, sources};
use crate::cli::{PlotArgs, PlotFormat};
use crate::interrupt;

/// Folds all results, then draws.
pub(crate) fn run(args: &PlotArgs) -> anyhow::Result<ExitCode> {
    let skip = parse_duration("--skip", &args.skip)?;
    let format = format(args)?;
    if args.output == "-" && format == PlotFormat::Png && io::stdout().is_terminal() {
        bail!("PNG is not for terminals: name a file with --output");
    }
    let mut out = Output::open(&args.output, &args.files)?;
    // A Ctrl-C reaches the attack before us in the pipe, too; what it still sends is drawn.
    interrupt::on_each(|interrupt| {
        if !(interrupt.is_from_keyboard() && interrupt.nth == 1) {
            interrupt.end();
        }
    })?;
    let mut warm_up = WarmUp::new(skip);
    let mut plot = Plot::new(Options { title: args.title.clone(), expect: args.expect.clone() });
    let mut left_out: u64 = 0;
    for_each_of_run(&args.files, Keep::Figures, |record| {
        if warm_up.has(record) {
            left_out += 1;
        } else {
            plot.add(record);
        }
        Ok(())
    })?;
    let Some(charts) = plot.charts() else {
        match left_out {
            0 => bail!("nothing to draw: there is no result in {}", sources(&args.files)),
            _ => bail!(
                "nothing to draw: --skip={} leaves out all {left_out} results of {}",
                args.skip,
                sources(&args.files)
            ),
        }
    };
    let drawn = draw(&charts, format)?;
    out.replace(&drawn).with_context(|| match args.output.as_str() {
        "-" => "cannot write the plot to stdout".to_owned(),
        name => format!("cannot write `{name}`"),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn draw(charts: &Charts, format: PlotFormat) -> anyhow::Result<Vec<u8>> {
    let mut drawn = Vec::new();
    match format {
        PlotFormat::Html => html::write(&mut drawn, charts),
        PlotFormat::Svg => svg::write(&mut drawn, charts),
        PlotFormat::Png => png::write(&mut drawn, charts),
    }
    .context("cannot draw the plot")?;
    Ok(drawn)
}

/// What was asked for, or else what the output's name says.
fn format(args: &PlotArgs) -> anyhow::Result<PlotFormat> {
    if let Some(format) = args.format {
        return Ok(format);
    }
    let extension = Path::new(&args.output).extension().map(|it| it.to_string_lossy());
    match extension.map(|it| it.to_ascii_lowercase()).as_deref() {
        Some("html" | "htm") => Ok(PlotFormat::Html),
        Some("svg") => Ok(PlotFormat::Svg),
        Some("png") => Ok(PlotFormat::Png),
        _ if args.output == "-" => Ok(PlotFormat::Html),
        _ => bail!(
            "--output: expected a name that ends in .html, .svg or .png, found `{}`; or say which with --format",
            args.output
        ),
    }
}
