//! One HTML file that opens offline: everything is in it, and it asks nobody for anything.
//!
//! Its policy names the very script and style that may run, by their digests; what comes from results is
//! JSON, and goes into the page as text.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};

use super::{Charts, json};

const PLOT_SCRIPT: &str = include_str!("../../../../vendor/uplot/uPlot.iife.min.js");
const PLOT_STYLE: &str = include_str!("../../../../vendor/uplot/uPlot.min.css");
const PLOT_LICENCE: &str = include_str!("../../../../vendor/uplot/LICENSE");

const DOCUMENT: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
/// One script, in the order of running: they share a function's scope.
const SCRIPTS: [&str; 6] = [
    include_str!("page/text.js"),
    include_str!("page/dom.js"),
    include_str!("page/chart.js"),
    include_str!("page/charts.js"),
    include_str!("page/tables.js"),
    include_str!("page/page.js"),
];

/// Writes the page.
///
/// # Errors
///
/// Those of `out`.
pub fn write(out: &mut impl Write, charts: &Charts) -> io::Result<()> {
    let style = format!("{PLOT_STYLE}\n{STYLE}");
    let scripts = SCRIPTS.concat();
    let script = format!(
        "/*!\n{PLOT_LICENCE}*/\n{PLOT_SCRIPT}\n(() => {{\n\"use strict\";\n{scripts}}})();\n"
    );
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; base-uri 'none'; form-action 'none'",
        source(&script),
        source(&style)
    );
    let parts = [
        ("{policy}", policy),
        ("{title}", text(&charts.title)),
        ("{style}", style),
        ("{numbers}", json::of(charts)),
        ("{script}", script),
    ];
    let mut rest = DOCUMENT;
    for (place, part) in &parts {
        let (before, after) = rest.split_once(place).expect("the document has this place");
        out.write_all(before.as_bytes())?;
        out.write_all(part.as_bytes())?;
        rest = after;
    }
    out.write_all(rest.as_bytes())
}

/// An inline text as a policy names it.
fn source(text: &str) -> String {
    format!("sha256-{}", BASE64.encode(Sha256::digest(text)))
}

/// A text as markup that shows it.
fn text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
