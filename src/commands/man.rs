//! `houseful man`: the help of every command as a manual.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

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
    man.render_synopsis_section(&mut page)?;
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
