//! `houseful man`: the help of every command as a manual.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Arg, ArgAction, Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use crate::cli::{Cli, ManArgs};

/// What our help's last part begins with.
const EXAMPLES: &str = "Examples:\n";

/// Writes a page for each command, and prints the names of the files.
pub(crate) fn run(args: &ManArgs) -> anyhow::Result<ExitCode> {
    let directory = &args.directory;
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make the directory `{}`", directory.display()))?;
    // `help` is a command only for clap.
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let source = concat!("houseful ", env!("CARGO_PKG_VERSION"));
    let mut said = std::io::stdout().lock();
    for command in with_subcommands(&program) {
        let man = Man::new(command.clone()).source(source).manual("Houseful");
        let path = directory.join(man.get_filename());
        let page = page(command, &man).context("cannot make a page")?;
        write(&path, &page, directory)
            .with_context(|| format!("cannot write `{}`", path.display()))?;
        writeln!(said, "{}", path.display()).context("cannot write to stdout")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A command, and all below it.
fn with_subcommands(command: &Command) -> Vec<&Command> {
    let below = command.get_subcommands().flat_map(with_subcommands);
    std::iter::once(command).chain(below).collect()
}

/// A page in roff. What our help says after the flags has its own layout, which
/// `Man::render` would run together.
fn page(command: &Command, man: &Man) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    synopsis(command).to_writer(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (notes, examples) = after.split_once(EXAMPLES).unwrap_or((&after, ""));
    let mut end = Roff::default();
    if !notes.trim().is_empty() {
        end.control("SH", ["NOTES"]);
        notes.trim().split("\n\n").for_each(|notes| paragraph(&mut end, notes));
    }
    if !examples.is_empty() {
        end.control("SH", ["EXAMPLES"]);
        as_it_stands(&mut end, examples);
    }
    end.to_writer(&mut page)?;
    Ok(page)
}

/// How the command is called, with each flag's value, which
/// `Man::render_synopsis_section` leaves out.
fn synopsis(command: &Command) -> Roff {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let mut line = vec![bold(name)];
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let (files, flags): (Vec<_>, Vec<_>) = shown.partition(|arg| arg.is_positional());
    for arg in flags.into_iter().chain(files) {
        let (left, right) = if arg.is_required_set() { ("", "") } else { ("[", "]") };
        line.push(roman(format!(" {left}")));
        if let Some(short) = arg.get_short() {
            line.extend([bold(format!("-{short}")), roman("|")]);
        }
        if let Some(long) = arg.get_long() {
            line.push(bold(format!("--{long}")));
        }
        if arg.get_action().takes_values() {
            line.extend(value(arg));
        }
        let more = if matches!(arg.get_action(), ArgAction::Append) { "..." } else { "" };
        line.push(roman(format!("{right}{more}")));
    }
    if command.has_subcommands() {
        line.extend([roman(" "), italic("COMMAND")]);
    }
    let mut synopsis = Roff::default();
    synopsis.control("SH", ["SYNOPSIS"]);
    synopsis.text(line);
    synopsis
}

/// What follows a flag, or stands for itself.
fn value(arg: &Arg) -> Vec<Inline> {
    let names = arg.get_value_names().unwrap_or_default().join(" ");
    let is_optional = arg.get_num_args().is_some_and(|count| count.min_values() == 0);
    match (arg.is_positional(), is_optional) {
        (true, _) => vec![italic(names)],
        (false, false) => vec![roman(" "), italic(names)],
        (false, true) => vec![roman("[="), italic(names), roman("]")],
    }
}

/// A table keeps its lines; text is filled.
fn paragraph(page: &mut Roff, text: &str) {
    page.control("PP", []);
    if text.lines().any(|line| line.starts_with(' ')) {
        as_it_stands(page, text);
    } else {
        page.text(text.lines().map(|line| roman(format!("{line}\n"))).collect::<Vec<_>>());
    }
}

fn as_it_stands(page: &mut Roff, text: &str) {
    page.control("nf", []);
    text.lines().for_each(|line| {
        page.text([roman(line)]);
    });
    page.control("fi", []);
}

/// Lets a whole page take its place, over whatever has its name.
fn write(path: &Path, page: &[u8], directory: &Path) -> std::io::Result<()> {
    let mut file = tempfile::Builder::new()
        // For everybody to read, as far as the umask lets them.
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(directory)?;
    file.write_all(page)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
