//! `houseful load plot`: one small file that opens offline, shows what was there, and lets no text of a
//! result become anything else.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use super::support::browser::{Browser, Scheme};
use super::support::{program, skip, temp_dir};

/// What a million results may weigh.
const WEIGHT_BYTES_MAX: usize = 2_000_000;

const HOSTILE: &str =
    "</script><script>window.is_broken = true</script><img src=x onerror=alert(1)>";

fn plot(dir: &Path, flags: &[&str]) -> Output {
    program().args(["load", "plot"]).args(flags).current_dir(dir).output().unwrap()
}

fn assert_plots(dir: &Path, flags: &[&str]) -> Vec<u8> {
    let output = plot(dir, flags);
    assert_eq!(output.status.code(), Some(0), "{flags:?}: {output:?}");
    output.stdout
}

/// One result, due so many milliseconds after the start.
fn result(attack: &str, due_ms: u64, code: u16, latency_us: u64, error: &str) -> String {
    let (minute, second, ms) = (due_ms / 60_000, due_ms / 1_000 % 60, due_ms % 1_000);
    let result = json!({
        "attack": attack, "seq": due_ms, "code": code,
        "timestamp": format!("2026-11-24T20:{minute:02}:{second:02}.{ms:03}Z"),
        "latency": latency_us * 1_000, "bytes_out": 1, "bytes_in": 2, "error": error,
        "body": null, "method": "POST", "url": format!("http://a/{HOSTILE}"), "headers": null,
        "slip": 20_000, "queued": 0,
    });
    format!("{result}\n")
}

/// `results.json`: a minute at 50/s, of which a second in the middle stalls, one fails and one times out.
fn write_results(dir: &Path, attack: &str) {
    let line = |n: u64| {
        let due_ms = n * 20;
        match due_ms {
            1_000 => result(attack, due_ms, 0, 777, &format!("connect: {HOSTILE}")),
            40_000 => result(attack, due_ms, 503, 3_000_000, HOSTILE),
            20_000..21_000 => result(attack, due_ms, 201, (21_000 - due_ms) * 1_000, ""),
            _ => result(
                attack,
                due_ms,
                if n.is_multiple_of(10) { 201 } else { 409 },
                400 + n % 50,
                "",
            ),
        }
    };
    std::fs::write(dir.join("results.json"), (0..3_000).map(line).collect::<String>()).unwrap();
}

/// The numbers in a page.
fn numbers(page: &str) -> Value {
    let (_, rest) = page.split_once("id=\"numbers\">").expect("the page has numbers");
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn a_million_results_are_a_small_file_with_every_extreme() {
    let dir = temp_dir();
    let mut plot = program()
        .args(["load", "plot", "--output=million.html"])
        .current_dir(dir.path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut csv = BufWriter::with_capacity(1 << 16, plot.stdin.take().unwrap());
    let start_ns = 1_764_000_000_000_000_000_u64;
    for n in 0..1_000_000_u64 {
        // Among a million that are alike, one that is slower, one that is faster, and one that failed.
        let (code, latency_ns, error) = match n {
            123_456 => (200, 98_765_432_109_u64, ""),
            500_001 => (200, 1_234, ""),
            777_777 => (0, 5_000_017, "timeout: no answer within 5ms"),
            _ => (200, 200_000 + n * 7_919 % 300_000, ""),
        };
        let at_ns = start_ns + n * 100_000;
        writeln!(csv, "{at_ns},{code},{latency_ns},1,2,{error},,,{n},GET,http://a/,").unwrap();
    }
    drop(csv);
    assert_eq!(plot.wait().unwrap().code(), Some(0));
    let page = std::fs::read_to_string(dir.path().join("million.html")).unwrap();
    assert!(page.len() < WEIGHT_BYTES_MAX, "{} bytes", page.len());
    let numbers = numbers(&page);
    let run = &numbers["runs"][0];
    assert_eq!(run["requests"], 1_000_000);
    let has = |of: &str, which: &str, us: f64| {
        run["columns"][of][which].as_array().unwrap().iter().any(|latency| latency == us)
    };
    assert!(has("good", "max", 98_765_432.109) && has("good", "min", 1.234));
    assert_eq!(run["columns"]["bad"]["max"], json!([5_000.017]));
    assert_eq!(run["columns"]["bad"]["at"].as_array().unwrap().len(), 1);
    let failures: u64 = run["bins"]["kinds"][0]["counts"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!((&run["bins"]["kinds"][0]["name"], failures), (&json!("timeout"), 1));
}

/// How much is drawn on the chart of this number, as the share of its pixels.
fn drawn(browser: &mut Browser, chart: usize) -> f64 {
    let share = browser.js(&format!(
        "(() => {{
            const canvas = document.querySelectorAll('.chart canvas')[{chart}];
            const {{ data }} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
            let drawn = 0;
            for (let i = 3; i < data.length; i += 4) drawn += data[i] > 0;
            return drawn / (data.length / 4);
        }})()"
    ));
    share.as_f64().unwrap()
}

/// What is drawn on the first chart, as something to compare.
fn picture(browser: &mut Browser) -> Value {
    pictures(browser)[0].clone()
}

/// What is drawn on each.
fn pictures(browser: &mut Browser) -> Value {
    browser
        .js("[...document.querySelectorAll('.chart canvas')].map((canvas) => canvas.toDataURL())")
}

#[test]
fn opens_offline_zooms_and_follows_the_scheme() {
    let Some(mut browser) = Browser::start() else { return };
    let dir = temp_dir();
    write_results(dir.path(), "");
    assert_plots(dir.path(), &["--expect=201,409", "--output=plot.html", "results.json"]);
    let url = format!("file://{}/plot.html", dir.path().display());
    browser.prefer(Scheme::Light);
    browser.open(&url);
    browser.wait("every chart is drawn", "document.querySelectorAll('.chart canvas').length == 5");
    for chart in 0..5 {
        let share = drawn(&mut browser, chart);
        assert!((0.005..0.9).contains(&share), "chart {chart}: {share}");
    }
    browser.wait_text("#figures", "3,000");
    browser.wait_text("#figures > :last-child", "2 failures");
    browser.wait_text("#verdict", "The rate was held.");
    browser.wait_text(".failures", "connect");
    browser.wait_text(".failures", "503");

    // Zoom by the mouse: all charts of time go along.
    let all_whole = pictures(&mut browser);
    let whole = all_whole[0].clone();
    browser.wait_text("#zoom", "Drag over a chart to zoom");
    let over = browser.js(
        "(({ x, y, width, height }) => [x, y, width, height])(document.querySelector('.u-over').getBoundingClientRect())",
    );
    let [x, y, width, height] = [0, 1, 2, 3].map(|n| over[n].as_f64().unwrap());
    let place = |share: f64| (x + width * share, y + height / 2.0);
    browser.drag(place(1.0 / 6.0), place(0.5));
    browser.wait_text("#zoom .note", "to");
    let ranges = browser.js("document.querySelector('#zoom .note').textContent");
    let shown: Vec<f64> = ranges
        .as_str()
        .unwrap()
        .split(" to ")
        .map(|s| s.trim_end_matches(" s").parse().unwrap())
        .collect();
    assert!((shown[0] - 10.0).abs() < 1.0 && (shown[1] - 30.0).abs() < 1.0, "{shown:?}");
    let zoomed = pictures(&mut browser);
    // All but the histogram, which has no time.
    let differ = [0, 1, 2, 3, 4].map(|chart| zoomed[chart] != all_whole[chart]);
    assert_eq!(differ, [true, true, true, true, false]);
    // The pointer is on all of them at the same time.
    browser.drag(place(0.55), place(0.55));
    browser.wait_text(".wide .legend-at", "at 20");
    browser.wait(
        "another chart tells of the same time",
        "document.querySelectorAll('.legend-at')[1].textContent.startsWith('at 20')",
    );
    browser.js("document.querySelector('.u-over').dispatchEvent(new MouseEvent('dblclick', { bubbles: true }))");
    browser.wait_text("#zoom", "Drag over a chart to zoom");
    browser.wait(
        "all is shown again",
        &format!("document.querySelector('.chart canvas').toDataURL() == {whole}"),
    );
    // And by the keyboard.
    browser.js("document.querySelector('#zoom button').focus()");
    browser.press("Enter");
    browser.wait_text("#zoom .note", "15 s to 44.99 s");
    browser.press("Escape");
    browser.wait(
        "all is shown again",
        &format!("document.querySelector('.chart canvas').toDataURL() == {whole}"),
    );

    // What the pointer is over is told in the legend: the stall.
    let stall = place(20.2 / 60.0);
    browser.drag(stall, stall);
    browser.wait_text(".wide .legend-at", "at 20");
    browser.wait_text(".wide .legend li:first-child", "ms");
    browser.drag((5.0, 5.0), (5.0, 5.0));

    for (button, what) in [(".wide .toggle", "linear"), (".wide .legend button", "without p50")] {
        browser.js(&format!("document.querySelector('{button}').click()"));
        assert_ne!(picture(&mut browser), whole, "{what}");
        browser.js(&format!("document.querySelector('{button}').click()"));
        assert_eq!(picture(&mut browser), whole, "{what} and back");
    }

    let ground = "getComputedStyle(document.body).backgroundColor";
    assert_eq!(browser.js(ground), "rgb(244, 246, 248)");
    browser.prefer(Scheme::Dark);
    browser.wait("the scheme is dark", &format!("{ground} == 'rgb(15, 20, 25)'"));
    browser.wait(
        "the charts are, too",
        &format!("document.querySelector('.chart canvas').toDataURL() != {whole}"),
    );
    browser.js("document.querySelector('#tools button').click()");
    browser.wait("light by choice", &format!("{ground} == 'rgb(244, 246, 248)'"));
    browser.wait(
        "the charts are, too",
        &format!("document.querySelector('.chart canvas').toDataURL() == {whole}"),
    );

    browser.js("document.querySelector('details summary').click()");
    browser.wait(
        "the intervals are a table",
        "document.querySelectorAll('details tbody tr').length > 20",
    );
    browser.resize(390, 844);
    browser.wait("a phone shows all of it", "document.documentElement.scrollWidth <= 390");

    assert_eq!(browser.js("window.is_broken"), Value::Null);
    assert_eq!(browser.js("document.querySelectorAll('img').length"), 0);
    assert!(browser.requests().iter().all(|asked| *asked == url || asked.starts_with("data:")));
    assert_eq!(browser.complaints(), [] as [String; 0]);
}

#[test]
fn attacks_of_several_files_are_seen_apart() {
    let Some(mut browser) = Browser::start() else { return };
    let dir = temp_dir();
    write_results(dir.path(), "");
    std::fs::rename(dir.path().join("results.json"), dir.path().join("a.json")).unwrap();
    write_results(dir.path(), HOSTILE);
    assert_plots(dir.path(), &["--output=plot.html", "--title", HOSTILE, "a.json", "results.json"]);
    browser.open(&format!("file://{}/plot.html", dir.path().display()));
    browser.wait_text("h1", HOSTILE);
    browser.wait_text("#attacks button:nth-child(3)", HOSTILE);
    browser.wait_text("#figures", "6,000");
    browser.js("document.querySelector('#attacks button:nth-child(3)').click()");
    browser.wait_text("#figures", "3,000");
    browser.wait_text("#about", HOSTILE);
    assert_eq!(browser.js("window.is_broken"), Value::Null);
    assert_eq!(browser.js("document.querySelectorAll('img').length"), 0);
    assert_eq!(browser.complaints(), [] as [String; 0]);
}

#[test]
fn a_picture_is_what_its_name_says() {
    let dir = temp_dir();
    write_results(dir.path(), HOSTILE);
    assert_plots(dir.path(), &["--output", "plot.svg", "results.json"]);
    let svg = std::fs::read_to_string(dir.path().join("plot.svg")).unwrap();
    assert!(svg.starts_with("<svg ") && !svg.contains("<script") && !svg.contains("<img"), "{svg}");
    assert_eq!(assert_plots(dir.path(), &["--format=svg", "results.json"]), svg.as_bytes());
    well_formed(&dir.path().join("plot.svg"));

    assert_plots(dir.path(), &["--output", "plot.PNG", "results.json"]);
    let png = std::fs::read(dir.path().join("plot.PNG")).unwrap();
    assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n");
    let pixels = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    assert!(pixels(16) == 2_400 && pixels(20) > 1_500, "{} × {}", pixels(16), pixels(20));
    // One colour would be a few kilobytes.
    assert!((50_000..1_000_000).contains(&png.len()), "{} bytes", png.len());
    let page = String::from_utf8(assert_plots(dir.path(), &["results.json"])).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
}

fn well_formed(svg: &Path) {
    let parse = "import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])";
    match std::process::Command::new("python3").args(["-c", parse]).arg(svg).output() {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(_) => skip("python3 is missing: apt-get install python3"),
    }
}

#[test]
fn what_cannot_be_drawn_is_said() {
    let dir = temp_dir();
    write_results(dir.path(), "");
    std::fs::write(dir.path().join("none.json"), "").unwrap();
    std::fs::write(dir.path().join("kept.html"), "a plot of before").unwrap();
    for (flags, error) in [
        (&["none.json"][..], "nothing to draw: there is no result in `none.json`"),
        (
            &["none.json", "--output=kept.html"],
            "nothing to draw: there is no result in `none.json`",
        ),
        (&["none.json", "-"], "nothing to draw: there is no result in `none.json`, stdin"),
        (
            &["--skip=1h", "results.json"],
            "nothing to draw: --skip=1h leaves out all 3000 results of `results.json`",
        ),
        (
            &["--output=plot.jpg", "results.json"],
            "--output: expected a name that ends in .html, .svg or .png, found `plot.jpg`; or say which with --format",
        ),
        (&["--output=no/plot.svg", "results.json"], "cannot create `no/plot.svg`"),
        (&["--skip=5", "results.json"], "--skip: expected a duration with a unit"),
        (&["absent.json"], "cannot open results `absent.json`"),
    ] {
        let output = plot(dir.path(), flags);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {stderr}");
        assert!(stderr.contains(error), "{flags:?}: {stderr}");
        assert!(output.stdout.is_empty());
    }
    assert_eq!(std::fs::read(dir.path().join("kept.html")).unwrap(), b"a plot of before");
    assert!(!dir.path().join("plot.jpg").exists());
}

#[test]
fn a_picture_is_not_written_to_a_terminal() {
    if !super::support::require("/usr/bin/script", "bsdutils") {
        return;
    }
    let dir = temp_dir();
    write_results(dir.path(), "");
    let command = format!("{} load plot --format png results.json", env!("CARGO_BIN_EXE_houseful"));
    let output = std::process::Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("PNG is not for terminals: name a file with --output"), "{said}");
}
