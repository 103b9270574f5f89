//! The page at `/`, in a real browser: it shows what was posted, live, and when
//! something is wrong it says so.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use serde_json::{Value, json};

use super::support::browser::{Browser, Scheme};
use super::support::houseful::{Houseful, Setup};
use super::support::http::{READINGS, request};
use super::support::posters::Posters;
use super::support::prometheus::Scrape;
use super::support::{PATIENCE, by_pi, distinct, emission, heard_at, now_ms, temp_dir, wait_until};

/// Of the whole page: a phone on a house's Wi-Fi loads it in a moment.
const WEIGHT_BYTES_MAX: usize = 128 * 1024;
/// As browsers are sent it.
const SENT_BYTES_MAX: usize = 48 * 1024;

fn post(houseful: &Houseful, emission: &Value, status: u16) {
    let answer = houseful.client().post(emission).unwrap();
    assert_eq!(answer.status, status, "{}", answer.json);
}

/// Everything that the page asked for was asked of the collector, and nothing was wrong.
fn assert_calm(browser: &mut Browser, houseful: &Houseful) {
    let ours = format!("{}/", houseful.url());
    let requests = browser.requests();
    assert!(requests.len() >= 4, "the page asks for its document, and what it shows: {requests:?}");
    for url in requests {
        assert!(url.starts_with(&ours) || url.starts_with("data:"), "a request to {url}");
    }
    assert_eq!(browser.complaints(), [] as [String; 0]);
}

#[test]
fn one_small_document_that_lets_nothing_else_in() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let page = houseful.client().get("/").unwrap();
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.body.len() < WEIGHT_BYTES_MAX, "{} bytes", page.body.len());
    let policy = page.header("content-security-policy").unwrap();
    let parts: Vec<&str> = policy.split("; ").collect();
    for part in
        ["default-src 'none'", "connect-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"]
    {
        assert!(parts.contains(&part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("content-encoding"), None);

    let gzip = [("Accept-Encoding", "gzip, br")];
    let packed = houseful.client().request("GET", "/", &gzip, b"").unwrap();
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_eq!(packed.header("content-security-policy"), Some(policy));
    assert!(packed.body.len() < SENT_BYTES_MAX, "{} bytes", packed.body.len());

    let head = houseful.client().request("HEAD", "/", &[], b"").unwrap();
    assert_eq!((head.status, head.header("content-length")), (200, page.header("content-length")));
    assert_eq!(houseful.client().request("POST", "/", &[], b"").unwrap().status, 405);
    let mut rebound = houseful.client();
    let bytes = String::from_utf8(request("GET", "/", &[], b"")).unwrap();
    rebound.send(bytes.replace("localhost", "evil.example").as_bytes()).unwrap();
    assert_eq!(rebound.read_response().unwrap().status, 403);
}

#[test]
fn shows_what_is_posted_as_it_comes() {
    let Some(mut browser) = Browser::start() else { return };
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    browser.open(&houseful.url());
    browser.wait_text("#status", "Waiting for the first emission");
    browser.wait("how to begin is said", "document.querySelector('.empty').checkVisibility()");
    browser.wait_text("#charts .chart:last-child .plot-empty", "Nothing yet");
    browser.js("window.is_same_document = true");

    let first = emission("badge_7", &[("beacon_1", -57), ("beacon_2", -90)]);
    post(&houseful, &first, 201);
    post(&houseful, &by_pi(first.clone(), "33"), 409);
    browser.wait_text("#status", "Emissions are taken");
    browser.wait_text(".list-Badges tbody tr .c-id", "badge_7");
    browser.wait_text(".list-Badges tbody tr .c-heard", " ago");
    browser.wait_text(".list-Badges tbody tr .c-hour", "1");
    browser.wait_text(".list-Badges tbody tr .c-copies", "1");
    browser.wait_text(".list-Badges tbody tr .c-pis", "33");
    browser.wait_text(
        ".list-Badges tbody tr .c-beacons",
        "beacon_1\u{a0}\u{2212}57 · beacon_2\u{a0}\u{2212}90",
    );
    browser.wait_text("#figures > :nth-child(3) .value", "50.0 %");
    browser.wait(
        "its bar is drawn",
        "document.querySelector('.list-Badges .sparkline-bars').getAttribute('d')",
    );

    // Another one, silent for longer: it comes first, and not by its colour only.
    let silent = heard_at(emission("badge_8", &[("beacon_1", -60)]), now_ms() - 300_000);
    post(&houseful, &silent, 201);
    browser.wait_text(".list-Badges tbody tr:first-child .c-heard", "▲ silent 5 min");
    browser.wait_text("#tabs a:first-child", "2 · ▲ 1 silent");

    post(&houseful, &json!({"badge_id": "badge_9", "pi_id": "34", "beacons": {"b": -500}}), 400);
    browser.wait_text("#tabs a:nth-child(3)", "▲ 1");
    browser.js("document.querySelector('#tabs a:nth-child(3)').click()");
    browser.wait_text(".reasons", "invalid");
    browser.wait_text(".refusals", "badge badge_9, Pi 34, from 127.0.0.1");
    browser.wait_text(".refusals", "beacons.b: expected an integer from -127 to -1, found -500");

    browser.js("document.querySelector('#tabs a:nth-child(2)').click()");
    browser.wait_text(".list-Pis", "33");
    // One that sends in vain is not taken for dead, and comes first.
    browser.wait_text(".list-Pis tbody tr:first-child .c-heard", "■ all refused, ");
    browser.wait_text(
        ".list-Pis tbody tr:first-child .c-refused",
        "▲ invalid 1 · beacons.b: expected",
    );
    browser.wait_text(".list-note:not([hidden])", "First: the Pi reported it before any other");
    browser.wait_text("main .summary", "counting since ");
    assert_eq!(browser.js("window.is_same_document"), true, "nothing was loaded anew");
    assert_calm(&mut browser, &houseful);
}

/// A server of another site, which has one page.
fn another_site(page: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        page.len()
    );
    let answer = Arc::new(head + &page);
    // It ends with the test's process. A browser also connects ahead of need, so none
    // waits for another.
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            thread::spawn(move || {
                if stream.read(&mut [0; 4096]).is_ok_and(|len| len > 0) {
                    drop(stream.write_all(answer.as_bytes()));
                }
            });
        }
    });
    port
}

#[test]
fn a_page_of_another_site_stores_nothing() {
    let Some(mut browser) = Browser::start() else { return };
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let single = houseful.url().replace("127.0.0.1", "localhost") + READINGS;
    let emission = distinct(1);
    // Bodies of no type: sent unasked, and JSON to a collector that is not told otherwise.
    let script = format!(
        "<script>const text = JSON.stringify({emission});
        const bodies = [new Blob([text]), new TextEncoder().encode(text)];
        window.done = Promise.all(['{single}', '{single}/batch'].flatMap((url) => bodies.flatMap((body) => [
            fetch(url, {{method: 'POST', mode: 'no-cors', body}}).then(() => 'sent'),
            navigator.sendBeacon(url, body) ? 'queued' : 'not queued',
        ]))).then((done) => window.sent = done.join());</script>"
    );
    let port = another_site(script);
    // Of another name, and of the same name on another port.
    for (n, host) in ["127.0.0.1", "localhost"].into_iter().enumerate() {
        browser.open(&format!("http://{host}:{port}/"));
        browser.wait("all is sent", "window.sent");
        assert_eq!(browser.js("window.sent"), ["sent,queued"; 4].join(","));
        wait_until(PATIENCE, "all of it is refused", || {
            let each = 4 * (n + 1);
            let scrape = Scrape::of(&houseful).text;
            let singles = format!("houseful_emissions_refused_total{{reason=\"host\"}} {each}\n");
            let batches = format!("{{route=\"other\",status=\"403\"}} {each}\n");
            scrape.contains(&singles) && scrape.contains(&batches)
        });
    }
    assert_eq!(setup.export(), [] as [Value; 0]);

    // Of our own page it is taken, if its policy lets it.
    browser.open(&houseful.url());
    browser.js(&format!(
        "fetch('{READINGS}', {{method: 'POST', body: new Blob([JSON.stringify({emission})])}})
            .then((answer) => window.answer = answer.status)"
    ));
    browser.wait("it is answered", "window.answer");
    assert_eq!(browser.js("window.answer"), 201);
    browser.wait_text("#status", "Emissions are taken");
    assert_calm(&mut browser, &houseful);
}

#[test]
fn a_badge_has_a_page_of_its_own() {
    let Some(mut browser) = Browser::start() else { return };
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let mut heard = emission("badge 1/ü", &[("beacon_1", -57), ("beacon_2", -90)]);
    heard["badge_strength"] = json!(-44);
    for seconds in [30, 20, 10] {
        post(&houseful, &heard_at(heard.clone(), now_ms() - seconds * 1000), 201);
    }
    browser.open(&houseful.url());
    browser.wait_text(".list-Badges tbody .c-id", "badge 1/ü");
    browser.js("document.querySelector('.list-Badges tbody a').click()");
    browser.wait_text("#badge-title", "badge 1/ü");
    browser.wait(
        "its readings are listed",
        "document.querySelectorAll('.readings tbody tr').length == 3",
    );
    browser.wait_text(".badge .legend", "beacon_2 \u{2212}90");
    browser.wait_text(".badge figure .unseen", "beacon_1: newest \u{2212}57");
    browser.wait_text(".badge-lists", "\u{2212}44");
    browser.wait("it is drawn", "document.querySelector('.badge canvas')?.width > 300");

    // Live, without a reload; a beacon that is new gets a line.
    post(&houseful, &emission("badge 1/ü", &[("beacon_1", -41), ("beacon_3", -70)]), 201);
    post(&houseful, &emission("another", &[("beacon_1", -42)]), 201);
    browser.wait("it is listed", "document.querySelectorAll('.readings tbody tr').length == 4");
    browser.wait_text(".badge .legend", "beacon_3 \u{2212}70");
    browser.wait_text(".readings tbody tr:first-child", "beacon_1\u{a0}\u{2212}41");
    let wrong = json!({"badge_id": "badge 1/ü", "pi_id": "32", "beacons": 7});
    post(&houseful, &wrong, 400);
    browser.wait_text(".badge-lists .refusals", "beacons: expected an object");
    // The latest of everybody are 50: those of others take it away from nobody.
    let mut client = houseful.client();
    for n in 0..60 {
        let other = json!({"badge_id": format!("other {n}"), "pi_id": "35", "beacons": []});
        assert_eq!(client.post(&other).unwrap().status, 400);
    }

    // Its address can be passed on.
    let address = browser.js("location.href").as_str().unwrap().to_owned();
    browser.open(&address);
    browser.wait(
        "its readings are listed",
        "document.querySelectorAll('.readings tbody tr').length == 4",
    );
    browser.wait_text(".badge-lists", "In the last hour: invalid 1.");
    browser.wait_text(".badge-lists .refusals", "beacons: expected an object");
    browser.wait_text(".badge", "Counting since ");
    assert_calm(&mut browser, &houseful);

    browser.open(&format!("{}/#/badge/other%2059", houseful.url()));
    browser.wait_text(".badge-head", "■ never heard; sends, but all is refused, ");
    browser.wait_text(".badge .plot-empty", "No beacon heard in this time");

    browser.open(&format!("{}/#/badge/nobody", houseful.url()));
    browser.wait_text(".badge-head", "never heard");
    browser.wait_text(".readings + .note", "None stored.");
    browser.wait(
        "that it is unknown is said",
        "document.querySelector('.pis + .note').checkVisibility()",
    );
    assert_calm(&mut browser, &houseful);
}

#[test]
fn what_a_silent_badge_said_last_is_shown() {
    let Some(mut browser) = Browser::start() else { return };
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let heard = emission("badge_7", &[("beacon_1", -57)]);
    for minutes in [20, 21, 40] {
        post(&houseful, &heard_at(heard.clone(), now_ms() - minutes * 60_000), 201);
    }
    browser.open(&format!("{}/#/badge/badge_7", houseful.url()));
    browser.wait_text(".badge-head", "■ silent 20 min");
    browser.wait_text(".badge [aria-pressed=true]", "1 h");
    browser.wait_text(".badge .bar .note", "3 readings");
    // Until somebody chooses.
    browser.js("document.querySelector('.badge .bar button').click()");
    browser.wait_text(".badge .bar .note", "no reading in this time");
    post(&houseful, &by_pi(heard, "33"), 201);
    browser.wait_text(".badge .bar .note", "1 reading");
    browser.wait_text(".badge [aria-pressed=true]", "15 min");
    assert_calm(&mut browser, &houseful);
}

#[test]
fn many_readings_are_listed_further_back() {
    let Some(mut browser) = Browser::start() else { return };
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let start = now_ms() - 3 * 3_600_000;
    let emissions =
        (0..1_100).map(|n| heard_at(emission("badge_0", &[("b", -50)]), start + n * 6_000));
    let posted = Posters::start(houseful.port(), 8, emissions.collect()).finish();
    assert!(posted.iter().all(|(_, answer)| answer.as_ref().is_some_and(|a| a.status == 201)));
    browser.open(&format!("{}/#/badge/badge_0", houseful.url()));
    browser.wait("some are listed", "document.querySelectorAll('.readings tbody tr').length == 20");
    let newest = browser.js("document.querySelector('.readings tbody tr').textContent");
    browser.js(
        "[...document.querySelectorAll('.bar button')].find((b) => b.textContent == '6 h').click()",
    );
    browser.wait_text(".badge .bar .note", "1,100 readings");
    browser.js("document.querySelector('.badge-lists button').click()");
    browser.wait("more are listed", "document.querySelectorAll('.readings tbody tr').length == 40");
    assert_eq!(browser.js("document.querySelector('.readings tbody tr').textContent"), newest);
    assert_calm(&mut browser, &houseful);
}

#[test]
fn says_since_when_the_collector_is_gone_and_goes_on_when_it_is_back() {
    let Some(mut browser) = Browser::start() else { return };
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let address = format!("127.0.0.1:{}", houseful.port());
    post(&houseful, &distinct(1), 201);
    browser.open(&houseful.url());
    browser.wait_text("#status", "Ready");
    browser.wait_text(".list-Badges tbody", "badge_1");
    houseful.kill();
    browser.wait_text("#status", "No connection since ");
    assert_eq!(browser.js("document.querySelector('#status').dataset.level"), "bad");
    // What was known stays, as what has been.
    browser.wait_text(".list-Badges tbody", "badge_1");
    browser.wait_text("#announcement", "No connection since ");

    let houseful = setup.args(&["--listen", &address]).start();
    browser.wait_text("#status", "Ready");
    post(&houseful, &distinct(2), 201);
    browser.wait_text(".list-Badges tbody", "badge_2");
}

#[test]
fn a_name_is_text_whatever_it_says() {
    let Some(mut browser) = Browser::start() else { return };
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let hostile = "<img src=x onerror=\"document.title='run'\">";
    let script = "</script><script>document.title='run'</script>";
    let mut bad = emission(hostile, &[(hostile, -57), ("__proto__", -60)]);
    bad["pi_id"] = json!(script);
    post(&houseful, &bad, 201);
    bad["motion"] = json!(hostile);
    post(&houseful, &bad, 400);
    browser.open(&houseful.url());
    browser.wait_text(".list-Badges tbody .c-id", hostile);
    browser.wait_text(".list-Badges tbody .c-pis", script);
    browser.wait_text(".list-Badges tbody .c-beacons", "__proto__");
    browser.js("document.querySelector('#tabs a:nth-child(3)').click()");
    browser.wait_text(".refusals", hostile);
    browser.js("document.querySelector('#tabs a:nth-child(2)').click()");
    browser.wait_text(".list-Pis tbody .c-id", script);
    browser.js("document.querySelector('#tabs a:nth-child(1)').click()");
    browser.js("document.querySelector('.list-Badges tbody a').click()");
    browser.wait_text("#badge-title", hostile);
    browser.wait_text(".badge .legend", "__proto__ \u{2212}60");
    browser.wait_text(".badge .legend", hostile);
    browser.wait_text(".readings", script);
    assert_eq!(browser.js("document.querySelectorAll('img, body script').length"), 0);
    assert_ne!(browser.js("document.title"), "run");
    assert_calm(&mut browser, &houseful);
}

#[test]
fn can_be_used_from_the_keyboard() {
    let Some(mut browser) = Browser::start() else { return };
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    for badge in ["badge_10", "badge_9", "badge_2"] {
        post(&houseful, &emission(badge, &[("beacon_1", -57)]), 201);
    }
    browser.open(&houseful.url());
    browser
        .wait("all are listed", "document.querySelectorAll('.list-Badges tbody tr').length == 3");
    browser.press("Tab");
    assert_eq!(browser.js("document.activeElement.textContent"), "Skip to the lists");
    browser.press("Enter");
    assert_eq!(browser.js("document.activeElement.id"), "main");
    let head = "document.activeElement.closest('th')?.className";
    for _ in 0..10 {
        browser.press("Tab");
        let ring = browser.js("getComputedStyle(document.activeElement).outlineStyle");
        assert_eq!(ring, "solid", "what has the focus is seen");
        if browser.js(head) == "c-id" {
            break;
        }
    }
    assert_eq!(browser.js(head), "c-id", "a head that sorts is reached");
    let names = "[...document.querySelectorAll('.list-Badges tbody .c-id')].map((cell) => cell.textContent).join(' ')";
    let sort = "document.activeElement.closest('th').getAttribute('aria-sort')";
    browser.press("Enter");
    assert_eq!(browser.js(sort), "ascending");
    assert_eq!(browser.js(names), "badge_2 badge_9 badge_10");
    browser.press("Enter");
    assert_eq!(browser.js(sort), "descending");
    assert_eq!(browser.js(names), "badge_10 badge_9 badge_2");
    browser.wait_text("#announcement", "Sorted by Badge");

    browser.js("document.querySelector('input[type=search]').focus()");
    browser.js("document.execCommand('insertText', false, '_9')");
    browser.wait_text(".summary", "1 of 3 badges");
    assert_eq!(browser.js(names), "badge_9");

    // On to the badge itself, and back.
    for _ in 0..20 {
        browser.press("Tab");
        if browser.js("document.activeElement.textContent") == "badge_9" {
            break;
        }
    }
    browser.press("Enter");
    browser.wait_text("#badge-title", "badge_9");
    assert_eq!(browser.js("document.activeElement.id"), "main");
    browser.press("Tab");
    assert_eq!(browser.js("document.activeElement.textContent"), "← All badges");
    browser.press("Enter");
    browser.wait_text(".summary", "1 of 3 badges");
    assert_calm(&mut browser, &houseful);
}

#[test]
fn two_thousand_badges_fit_a_phone() {
    let Some(mut browser) = Browser::start() else { return };
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let long = "a-badge-with-a-name-that-is-as-long-as-names-may-be-64-bytes-wow";
    let mut emissions: Vec<_> = (0..1_999).map(distinct).collect();
    emissions.push(by_pi(emission(long, &[(long, -57)]), long));
    emissions.push(by_pi(json!({"badge_id": long, "beacons": {"b": "wrong"}}), long));
    Posters::start(houseful.port(), 8, emissions).finish();
    browser.resize(390, 844);
    for scheme in [Scheme::Light, Scheme::Dark] {
        browser.prefer(scheme);
        browser.open(&houseful.url());
        browser.wait(
            "all are listed",
            "document.querySelectorAll('.list-Badges tbody tr').length == 2000",
        );
        let ground =
            browser.js("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0] < 100");
        assert_eq!(ground, scheme == Scheme::Dark, "{scheme:?}");
        // The one that is heard again is seen at once, though the whole list comes seldom.
        let strength = if scheme == Scheme::Light { -41 } else { -42 };
        let mut again = emission("badge_0", &[("beacon_9", strength)]);
        again["badge_strength"] = json!(strength);
        post(&houseful, &again, 201);
        browser.wait(
            "it is seen",
            &format!(
                "[...document.querySelectorAll('.list-Badges tbody tr')].some((row) => row.querySelector('.c-id').textContent == 'badge_0' && row.querySelector('.c-beacons').textContent == 'beacon_9\u{a0}\u{2212}{}')",
                -strength
            ),
        );
        let is_asked = |url: &String| url.contains("/badges?badge_id=");
        assert!(browser.requests().iter().any(is_asked), "the rows on the screen are asked for");
        for view in ["", "pis", "refused", &format!("badge/{long}")] {
            browser.js(&format!("location.hash = '#/{view}'"));
            browser.wait_text("main", long);
            let (scroll, width) =
                (browser.js("document.documentElement.scrollWidth"), browser.js("innerWidth"));
            assert_eq!(width, 390);
            assert!(scroll.as_i64() <= width.as_i64(), "{scheme:?}, #/{view}: {scroll} wide");
        }
        // How many were refused is read on the smallest of them.
        browser.resize(320, 640);
        browser.js("location.hash = '#/'");
        browser.wait(
            "it is not cut off",
            "[...document.querySelectorAll('.list-Badges .c-refused[data-level=warn]')].some((cell) => cell.clientWidth > 0 && cell.scrollWidth <= cell.clientWidth)",
        );
        browser.resize(390, 844);
        assert_calm(&mut browser, &houseful);
    }
}
