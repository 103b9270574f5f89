//! A real browser with one tab: Debian's Chromium without a window, driven over
//! the DevTools protocol.
//!
//! Over a pipe, not a port: no other program can reach it, and the protocol
//! needs no WebSocket. Chromium reads JSON that ends in NUL from descriptor 3
//! and writes such to 4; a shell puts our pipes there.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{PATIENCE, require, wait_until};

const PROGRAM: &str = "/usr/bin/chromium";

/// A running browser. Killed when dropped, with all its processes.
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    session: Option<String>,
    sent: u64,
    events: Vec<Value>,
    // Removed last: the browser writes there.
    _profile: TempDir,
}

/// What a page asks for its colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Light,
    Dark,
}

impl Browser {
    /// Starts one, of 1440 × 900 pixels. `None`, said so, if it is not installed.
    pub(crate) fn start() -> Option<Self> {
        if !require(PROGRAM, "chromium") {
            return None;
        }
        let profile = super::temp_dir();
        let mut child = Command::new("bash")
            .args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 0</dev/null 1>/dev/null"#, PROGRAM])
            .args(["--headless=new", "--remote-debugging-pipe", "--no-first-run"])
            .args(["--disable-gpu", "--disable-dev-shm-usage", "--disable-sync"])
            .args(["--disable-background-networking", "--disable-component-update"])
            // Its sandbox does not start as root; it only sees our own page.
            .arg("--no-sandbox")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .env("HOME", profile.path())
            .env("TMPDIR", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("run chromium");
        let to = child.stdin.take().expect("stdin is piped");
        let pipe = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let (messages, from) = channel();
        thread::spawn(move || {
            for message in pipe.split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).expect("the browser speaks JSON");
                if messages.send(message).is_err() {
                    break;
                }
            }
        });
        let mut browser =
            Self { child, to, from, session: None, sent: 0, events: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let target = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", target);
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network", "Audits"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser.resize(1440, 900);
        Some(browser)
    }

    /// Opens an address. What was seen of the last one is forgotten.
    pub(crate) fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": "about:blank"}));
        self.events.clear();
        let answer = self.call("Page.navigate", json!({"url": url}));
        assert_eq!(answer.get("errorText"), None, "{url}: {answer}");
        self.wait(
            "the page is loaded",
            "location.href != 'about:blank' && document.readyState == 'complete'",
        );
    }

    /// The value of an expression in the page.
    ///
    /// # Panics
    ///
    /// If it throws.
    pub(crate) fn js(&mut self, expression: &str) -> Value {
        let expression = json!({"expression": expression, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", expression);
        assert_eq!(answer.get("exceptionDetails"), None, "{answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`], with the text of the page.
    pub(crate) fn wait(&mut self, what: &str, condition: &str) {
        let end = Instant::now() + PATIENCE;
        let condition = format!("Boolean({condition})");
        while self.js(&condition) != true {
            if Instant::now() > end {
                let text = self.js("document.body.innerText");
                panic!(
                    "waited in vain until {what}: {condition}; {:#?} on\n{text:#}",
                    self.complaints()
                );
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the text of what a CSS selector finds first contains `text`.
    pub(crate) fn wait_text(&mut self, selector: &str, text: &str) {
        let found = format!("document.querySelector({})?.textContent", json!(selector));
        self.wait(
            &format!("`{selector}` says `{text}`"),
            &format!("{found}?.includes({})", json!(text)),
        );
    }

    /// Presses and lets go of a key, by its name in `KeyboardEvent.key`.
    pub(crate) fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            other => panic!("no code is known for the key {other}"),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event =
                json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code});
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = json!(text);
            }
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Presses the mouse at one place of the window, moves it to another and lets go.
    pub(crate) fn drag(&mut self, from: (f64, f64), to: (f64, f64)) {
        for (kind, (x, y), buttons) in [
            ("mouseMoved", from, 0),
            ("mousePressed", from, 1),
            ("mouseMoved", to, 1),
            ("mouseReleased", to, 1),
        ] {
            let button = if kind == "mouseMoved" { "none" } else { "left" };
            let event = json!({"type": kind, "x": x, "y": y, "button": button, "buttons": buttons, "clickCount": 1});
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// Makes the page so many pixels wide and high; narrow ones are phones.
    pub(crate) fn resize(&mut self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// Prefers light or dark colours.
    pub(crate) fn prefer(&mut self, scheme: Scheme) {
        let value = match scheme {
            Scheme::Light => "light",
            Scheme::Dark => "dark",
        };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": value}]});
        self.call("Emulation.setEmulatedMedia", features);
    }

    /// The address of each request since the page was opened.
    pub(crate) fn requests(&mut self) -> Vec<String> {
        self.hear();
        let urls = self.events("Network.requestWillBeSent").map(|event| &event["request"]["url"]);
        urls.map(|url| url.as_str().expect("a request has an address").to_owned()).collect()
    }

    /// What the browser or the page has complained about since it was opened:
    /// exceptions, the console, failed requests, violations of its policy.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        self.hear();
        let kinds = ["Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"];
        // Of its issues only these: others are advice, such as on clicks that nobody made.
        let issues = self.events("Audits.issueAdded");
        let broken = issues.filter(|issue| issue["issue"]["code"] == "ContentSecurityPolicyIssue");
        let said = kinds.iter().flat_map(|kind| self.events(kind));
        said.chain(broken).map(|said| said.to_string().chars().take(500).collect()).collect()
    }

    fn events(&self, method: &str) -> impl Iterator<Item = &Value> {
        let matching = self.events.iter().filter(move |event| event["method"] == method);
        matching.map(|event| &event["params"])
    }

    /// Takes what has come, without waiting.
    fn hear(&mut self) {
        self.events.extend(self.from.try_iter());
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.sent += 1;
        let id = self.sent;
        let mut message = json!({"id": id, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).expect("the browser listens");
        loop {
            let message = self.from.recv_timeout(PATIENCE);
            let mut message = message.unwrap_or_else(|_| panic!("the browser answers {method}"));
            if message["id"] != id {
                self.events.push(message);
                continue;
            }
            assert_eq!(message.get("error"), None, "{method}: {message}");
            return message["result"].take();
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // All of its processes: it is a group of its own. It has ended only if it crashed.
        if kill_process_group(Pid::from_child(&self.child), Signal::KILL).is_ok() {
            self.child.wait().expect("wait for chromium");
        }
        // The kernel tears them down one by one; the profile is theirs until then.
        if !thread::panicking() {
            wait_until(PATIENCE, "the browser's processes have ended", || {
                while self.from.try_recv().is_ok() {}
                rustix::process::test_kill_process_group(Pid::from_child(&self.child)).is_err()
            });
        }
    }
}
