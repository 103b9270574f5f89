//! The page at `/`: the files of `web/` as one document, which asks nobody but
//! this server for anything.
//!
//! The files are written for a browser as they are: plain modules. There are
//! about twenty of them, so what joins them is a page of Rust here and not a
//! bundler, and cargo needs no Node: each module becomes a function that
//! returns its exports. `web/` keeps to what [`Module`] understands: an import
//! on one line, from a module that stands earlier in [`MODULES`]; `export` in
//! front of a function, a class or a constant.

use std::fmt::Write;
use std::io::Write as _;
use std::sync::LazyLock;

use axum::body::{Body, Bytes};
use axum::http::Response;
use axum::http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap,
    HeaderName, HeaderValue, REFERRER_POLICY, VARY,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

const DOCUMENT: &str = include_str!("../../web/index.html");

/// The charts' library and its licence, whose notice goes wherever it goes.
const PLOT_SCRIPT: &str = include_str!("../../vendor/uplot/uPlot.iife.min.js");
const PLOT_STYLE: &str = include_str!("../../vendor/uplot/uPlot.min.css");
const PLOT_LICENCE: &str = include_str!("../../vendor/uplot/LICENSE");
const STYLE: &str = include_str!("../../web/page.css");

macro_rules! modules {
    ($($name:ident)*) => {
        [$(Module {
            name: stringify!($name),
            text: include_str!(concat!("../../web/", stringify!($name), ".js")),
        }),*]
    };
}

/// In the order of running: each after those that it imports from.
const MODULES: &[Module] = &modules![
    dom text clock poll route status figures chart activity sparkline heard refused table list
    refresh badges pis feed history badge main
];

/// What stands in the document for the files that it is joined with.
const STYLE_LINKS: &str = "<link rel=\"stylesheet\" href=\"../vendor/uplot/uPlot.min.css\">\n<link rel=\"stylesheet\" href=\"page.css\">\n";
const SCRIPT_LINKS: &str = "<script src=\"../vendor/uplot/uPlot.iife.min.js\"></script>\n<script type=\"module\" src=\"main.js\"></script>\n";

static PAGE: LazyLock<Page> = LazyLock::new(|| Page::new(MODULES));

/// `GET /`.
pub(crate) async fn page(request: HeaderMap) -> Response<Body> {
    let page = &*PAGE;
    let is_packed = takes_gzip(&request);
    let body = if is_packed { &page.packed } else { &page.document };
    let mut response = Response::new(Body::from(body.clone()));
    let headers = response.headers_mut();
    if is_packed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, page.policy.clone());
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let isolated = HeaderValue::from_static("same-origin");
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), isolated);
    response
}

/// Whether the client takes gzip by name; one that only says `*` gets the plain text.
fn takes_gzip(request: &HeaderMap) -> bool {
    let values = request.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let is_zero = |quality: &str| quality.trim_matches(['0', '.']).is_empty();
        is_gzip && !parts.any(|part| part.strip_prefix("q=").is_some_and(is_zero))
    })
}

/// The document, plain and as gzip, with its policy.
struct Page {
    document: Bytes,
    packed: Bytes,
    policy: HeaderValue,
}

impl Page {
    fn new(modules: &[Module]) -> Page {
        let style = format!("{PLOT_STYLE}\n{}", without_margins(STYLE));
        let mut script = format!("/*!\n{PLOT_LICENCE}*/\n{PLOT_SCRIPT}\n");
        for module in modules {
            module.write(&mut script);
        }
        let document = DOCUMENT
            .replace(STYLE_LINKS, &format!("<style>{style}</style>\n"))
            .replace(SCRIPT_LINKS, &format!("<script type=\"module\">{script}</script>\n"));
        // Nothing runs and nothing is drawn but these very texts, and nobody is asked but us.
        let policy = format!(
            "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; \
             img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            source(&script),
            source(&style)
        );
        Page {
            policy: HeaderValue::from_str(&policy).expect("it is base64 and ours"),
            packed: Bytes::from(gzip(document.as_bytes())),
            document: Bytes::from(document),
        }
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(text).and_then(|()| packed.finish()).expect("a Vec takes all")
}

/// An inline text as a policy names it.
fn source(text: &str) -> String {
    format!("sha256-{}", BASE64.encode(Sha256::digest(text)))
}

/// A file of `web/` that exports names to others.
struct Module {
    name: &'static str,
    text: &'static str,
}

impl Module {
    /// Appends the module as a constant, which holds its exports; `$` so that it is
    /// not the name of one of them.
    fn write(&self, script: &mut String) {
        let mut exports = Vec::new();
        let mut body = String::new();
        for line in self.text.lines() {
            if let Some((names, from)) = import(line) {
                body.push_str(&format!("const {names} = ${from};\n"));
                continue;
            }
            let line = line
                .strip_prefix("export ")
                .inspect(|line| exports.push(declared(line)))
                .unwrap_or(line);
            body.push_str(line);
            body.push('\n');
        }
        let (name, exports) = (self.name, exports.join(", "));
        // Writing to a String cannot fail.
        write!(
            script,
            "const ${name} = (() => {{\n{}return {{ {exports} }};\n}})();\n",
            without_margins(&body)
        )
        .unwrap_or_default();
    }
}

/// `import { a, b } from "./c.js";` as `{ a, b }` and `c`.
fn import(line: &str) -> Option<(&str, &str)> {
    let (names, from) = line.strip_prefix("import ")?.split_once(" from ")?;
    Some((names, from.strip_prefix("\"./")?.strip_suffix(".js\";")?))
}

/// The name that `function name(…`, `class Name {` or `const NAME = …` declares.
fn declared(line: &str) -> &str {
    let line = line.strip_prefix("async ").unwrap_or(line);
    let (_, rest) = line.split_once(' ').unwrap_or_default();
    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

/// Without indentation, empty lines, and lines that are a comment: a sixth of the
/// weight.
fn without_margins(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let is_comment =
        |line: &str| line.starts_with("//") || (line.starts_with("/*") && line.ends_with("*/"));
    let kept = lines.filter(|line| !line.is_empty() && !is_comment(line));
    kept.flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::serve::refused::Reason;

    fn written(text: &'static str) -> String {
        let mut script = String::new();
        Module { name: "m", text }.write(&mut script);
        script
    }

    #[test]
    fn a_module_becomes_a_function_that_returns_its_exports() {
        assert_eq!(
            written(
                "// Why.\nimport { a, b } from \"./c.js\";\n\nexport const X = 1;\n\
                 export async function f(y) {\n  return y;\n}\nclass Own {}\nexport class Theirs extends Own {}\n"
            ),
            "const $m = (() => {\nconst { a, b } = $c;\nconst X = 1;\nasync function f(y) {\nreturn y;\n}\n\
             class Own {}\nclass Theirs extends Own {}\nreturn { X, f, Theirs };\n})();\n"
        );
    }

    #[test]
    fn the_modules_keep_to_what_is_understood() {
        let mut exports: HashMap<&str, Vec<&str>> = HashMap::new();
        for Module { name, text } in MODULES {
            for line in text.lines().filter(|line| line.trim_start().starts_with("import")) {
                let (names, from) = import(line).unwrap_or_else(|| panic!("{name}.js: {line}"));
                let known =
                    exports.get(from).unwrap_or_else(|| panic!("{name}.js before {from}.js"));
                for wanted in names.trim_matches(['{', '}', ' ']).split(", ") {
                    assert!(known.contains(&wanted), "{name}.js: no {wanted} in {from}.js");
                    assert!(text.matches(wanted).count() > 1, "{name}.js: {wanted} is not used");
                }
            }
            let exported = text.lines().filter_map(|line| line.strip_prefix("export "));
            exports.insert(*name, exported.map(declared).collect());
            assert!(
                !text.contains("`\n"),
                "{name}.js: text over several lines would lose its margins"
            );
        }
        let web = concat!(env!("CARGO_MANIFEST_DIR"), "/web");
        let files = std::fs::read_dir(web).unwrap().map(|file| file.unwrap().file_name());
        let scripts = files.filter(|file| file.to_string_lossy().ends_with(".js")).count();
        assert_eq!(scripts, MODULES.len(), "each file of web/ is in the page");
    }

    #[test]
    fn each_reason_has_its_words() {
        let refused = MODULES.iter().find(|module| module.name == "refused").unwrap().text;
        for reason in Reason::ALL {
            let line = format!("\n  {}: [\"", reason.word());
            let (_, words) = refused.split_once(&line).unwrap_or_else(|| panic!("{reason:?}"));
            let (words, _) = words.split_once('\n').unwrap();
            assert!(words.contains(&format!("\", {}, ", reason.status())), "{reason:?}: {words}");
        }
    }

    #[test]
    fn the_document_is_whole_and_names_nothing_outside() {
        let document = std::str::from_utf8(&PAGE.document).unwrap();
        assert_eq!(document.matches("<style>").count(), 1);
        assert_eq!(document.matches("</style>").count(), 1);
        assert_eq!(document.matches("<script").count(), 1);
        assert_eq!(document.matches("</script>").count(), 1);
        assert!(!document.contains("vendor/") && !document.contains(".css"), "a link is left");
        assert!(document.contains("Copyright (c) 2022 Leon Sorokin"));
        assert!(!document.contains('\r'), "a browser would hash another text");
        for outside in ["https:", "http:"] {
            for (at, _) in document.match_indices(outside) {
                let rest = &document[at..];
                let is_a_name = rest.starts_with("http://www.w3.org/2000/svg")
                    || rest.starts_with("https://github.com/leeoniya/uPlot (");
                assert!(is_a_name, "{}", rest.chars().take(60).collect::<String>());
            }
        }
        for unsafe_word in ["innerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!document.contains(unsafe_word), "{unsafe_word}");
        }
    }

    #[test]
    fn gzip_goes_to_those_who_take_it() {
        for (accept, want) in [
            ("gzip, deflate, br, zstd", true),
            ("br;q=1.0, GZIP;q=0.5", true),
            ("gzip;q=1", true),
            ("gzip; q=0", false),
            ("gzip;q=0.000", false),
            ("identity", false),
            ("*", false),
            ("gzipped", false),
            ("", false),
        ] {
            let accept = HeaderValue::from_static(accept);
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, accept.clone())]);
            assert_eq!(takes_gzip(&headers), want, "{accept:?}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
