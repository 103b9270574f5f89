//! A wrong setting is named, with where it came from, before anything is touched.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::houseful::Setup;
use crate::support::http::Client;
use crate::support::{PATIENCE, distinct, in_repository, program, remove_settings, temp_dir};

#[test]
fn wrong_settings_end_the_start() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let cases = [
        // Without tokens nobody outside this machine may write.
        (setup.clone().args(&["--listen", "0.0.0.0:0"]), "--insecure-no-auth"),
        (setup.clone().args(&["--listen", "somewhere"]), "--listen"),
        (setup.clone().args(&["--update-window", "soon"]), "--update-window"),
        (setup.clone().args(&["--update-window", "-5s"]), "zero or more, found `-5s`"),
        (setup.clone().env("HOUSEFUL_UPDATE_WINDOW", "soon"), "HOUSEFUL_UPDATE_WINDOW"),
    ];
    for (setup, named) in cases {
        let failure = setup.start_expecting_failure();
        assert_eq!(failure.status.code(), Some(2), "{failure:?}");
        assert!(failure.stderr.contains(named), "expected {named} in {failure:?}");
        assert!(!setup.store_path().exists(), "the store was touched");
    }
}

/// `houseful WORDS` in `dir`, with these variables and none of ours besides:
/// exit code, stdout, stderr.
fn run(words: &[&str], env: &[(&str, &str)], dir: &Path) -> (Option<i32>, String, String) {
    let mut command = Command::new("timeout");
    command.args(["10", env!("CARGO_BIN_EXE_houseful")]).args(words).current_dir(dir);
    remove_settings(&mut command);
    let output = command.envs(env.iter().copied()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A command line in `dir`, `houseful` on the `PATH`.
fn run_by_shell(line: &str, dir: &Path) -> Output {
    let programs = Path::new(env!("CARGO_BIN_EXE_houseful")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("bash");
    command.args(["-c", line]).current_dir(dir);
    command.env("PATH", format!("{}:{path}", programs.display()));
    remove_settings(&mut command);
    command.output().unwrap()
}

#[test]
fn a_flag_wins_over_a_variable_over_the_file_over_the_default() {
    let dir = temp_dir();
    let file = "store = \"sqlite:file.db\"\nupdate_window = \"20s\"\ndrain_timeout = \"20s\"\n";
    std::fs::write(dir.path().join("houseful.toml"), file).unwrap();
    let env = [
        ("HOUSEFUL_CONFIG", "houseful.toml"),
        ("HOUSEFUL_UPDATE_WINDOW", "30s"),
        ("HOUSEFUL_DRAIN_TIMEOUT", "30s"),
    ];
    let (code, stdout, _) = run(&["config", "--drain-timeout", "40s"], &env, dir.path());
    assert_eq!(code, Some(0));
    let want = "\
listen = [\"127.0.0.1:6540\"]  # default
store = \"sqlite:file.db\"     # houseful.toml:1
update_window = \"30s\"        # HOUSEFUL_UPDATE_WINDOW
advertising_interval = \"1s\"  # default
drain_timeout = \"40s\"        # --drain-timeout
allowed_host = []            # default
insecure_no_auth = false     # default
log_level = \"info\"           # default
log_format = \"text\"          # default
";
    assert_eq!(stdout, want);
    let (_, stdout, _) = run(&["config", "--json", "--log-format=json"], &env, dir.path());
    let printed: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(printed["config"], "houseful.toml");
    let settings = &printed["settings"];
    assert_eq!(
        settings["store"],
        json!({"value": "sqlite:file.db", "source": "file", "at": "houseful.toml:1:1"})
    );
    assert_eq!(
        settings["listen"],
        json!({"value": ["127.0.0.1:6540"], "source": "default", "at": null})
    );
    assert_eq!(
        settings["log_format"],
        json!({"value": "json", "source": "flag", "at": "--log-format"})
    );
    assert_eq!(
        settings["update_window"],
        json!({"value": "30s", "source": "environment", "at": "HOUSEFUL_UPDATE_WINDOW"})
    );
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "something was written");
}

#[test]
fn serve_and_export_take_the_store_that_the_file_names() {
    let dir = temp_dir();
    let settings = dir.path().join("houseful.toml");
    let file = "listen = [\"127.0.0.1:0\"]\nstore = \"sqlite:by-file.db\"\n";
    std::fs::write(&settings, file).unwrap();
    let mut serve = program()
        .args(["serve", "--config", "houseful.toml"])
        .current_dir(dir.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(serve.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let port = line.trim().strip_prefix("listening on http://127.0.0.1:").expect(&line);
    let mut client = Client::connect(port.parse().unwrap()).unwrap();
    assert_eq!(client.post(&distinct(1)).unwrap().status, 201);
    kill_process(Pid::from_child(&serve), Signal::TERM).unwrap();
    assert_eq!(serve.wait().unwrap().code(), Some(0));
    let export = ["export", "--config", "houseful.toml"];
    let (code, stdout, stderr) = run(&export, &[], dir.path());
    assert_eq!((code, stdout.lines().count()), (Some(0), 1), "{stderr}");
    assert!(stdout.contains("\"badge_1\""), "{stdout}");
}

#[test]
fn a_fault_in_the_file_ends_every_command_that_reads_it() {
    let dir = temp_dir();
    let file = "store = \"sqlite:h.db\"\n\nlistn = [\"127.0.0.1:1\"]\ndrain_timeout = 5\n";
    std::fs::write(dir.path().join("houseful.toml"), file).unwrap();
    let want = "\
houseful: 2 faults in the settings:
houseful.toml:3:1: unknown key `listn`; did you mean `listen`?
houseful.toml:4:17: drain_timeout: expected a string such as \"30s\", found `5`
";
    for command in ["serve", "config", "export"] {
        let ended = run(&[command, "--config", "houseful.toml"], &[], dir.path());
        assert_eq!(ended, (Some(2), String::new(), want.to_owned()), "{command}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "something was written");
}

#[test]
fn a_misspelt_variable_ends_every_command_that_reads_the_environment() {
    let dir = temp_dir();
    let env = [("HOUSEFUL_STROE", "sqlite:h.db")];
    for command in ["serve", "config", "export"] {
        let want = "houseful: HOUSEFUL_STROE (environment): no such setting; did you mean HOUSEFUL_STORE?\n";
        let ended = run(&[command], &env, dir.path());
        assert_eq!(ended, (Some(2), String::new(), want.to_owned()), "{command}");
    }
    assert_eq!(run(&["load", "report", "/dev/null"], &env, dir.path()).0, Some(0));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "something was written");
}

#[test]
fn the_example_with_every_line_taken_in_starts_a_collector() {
    let dir = temp_dir();
    let (code, example, _) = run(&["config", "--example"], &[], dir.path());
    assert_eq!(code, Some(0));
    // A setting's line is one that has no space after its #.
    let lines = example.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if setting.starts_with(|c: char| c.is_ascii_lowercase()) => setting,
        _ => line,
    });
    let taken_in = lines.collect::<Vec<_>>().join("\n");
    assert_eq!(taken_in.lines().filter(|line| line.contains(" = ")).count(), 9, "{taken_in}");
    for (name, text) in [("as-it-is.toml", &example), ("taken-in.toml", &taken_in)] {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let setup = Setup::new(dir.path()).args(&["--config", path.to_str().unwrap()]);
        assert_eq!(setup.start().term().code(), Some(0));
    }
}

#[test]
fn a_flag_wins_over_the_environment() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path()).env("HOUSEFUL_LISTEN", "0.0.0.0:0");
    let houseful = setup.args(&["--update-window", "5s"]).start();
    assert_eq!(houseful.client().get("/livez").unwrap().status, 200);
}

#[test]
fn a_variable_that_says_nothing_or_is_no_utf8_ends_the_start() {
    let dir = temp_dir();
    for (name, value) in [
        ("HOUSEFUL_LISTEN", &b""[..]),
        ("HOUSEFUL_LISTEN", b","),
        ("HOUSEFUL_STORE", b"sqlite:h\xff.db"),
    ] {
        // One that starts after all is ended, and that is no 2.
        let output = Command::new("timeout")
            .args(["10", env!("CARGO_BIN_EXE_houseful"), "serve"])
            .env(name, OsStr::from_bytes(value))
            .current_dir(dir.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(&format!("{name} (environment): expected ")), "{stderr}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn the_guide_shows_what_is_printed() {
    let dir = temp_dir();
    let guide = std::fs::read_to_string(in_repository("docs/settings.md")).unwrap();
    let blocks: Vec<&str> = guide.split("```").skip(1).step_by(2).collect();
    let (mut shown, mut printed) = (String::new(), String::new());
    for block in blocks {
        if let Some(example) = block.strip_prefix("toml\n") {
            let file = std::fs::read_to_string(dir.path().join("houseful.toml")).unwrap();
            assert_eq!(file, example);
        }
        for line in block.strip_prefix("console\n").unwrap_or_default().lines() {
            shown += &format!("{line}\n");
            if let Some(command) = line.strip_prefix("$ ") {
                let output = run_by_shell(command, dir.path());
                printed += &format!("{line}\n{}", String::from_utf8(output.stdout).unwrap());
                printed += &String::from_utf8(output.stderr).unwrap();
            }
        }
    }
    assert_eq!(printed, shown);
    assert_eq!(shown.matches("$ ").count(), 4);
}

#[test]
fn the_log_is_as_the_settings_say() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let said = |setup: Setup| {
        let mut houseful = setup.start();
        houseful.signal(Signal::TERM);
        houseful.wait_exit(PATIENCE);
        houseful.stderr()
    };
    assert!(said(setup.clone()).contains("SIGTERM: finishing what was taken"));
    let quiet = said(setup.clone().env("HOUSEFUL_LOG_LEVEL", "info,houseful::serve=warn"));
    assert!(!quiet.contains("SIGTERM"), "{quiet}");
    let lines = said(setup.args(&["--log-format", "json"]));
    assert!(lines.lines().count() >= 4, "{lines}");
    for line in lines.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
}

#[test]
fn the_log_says_what_has_started_and_what_was_stored_when_it_has_stopped() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path()).args(&["--listen", "127.0.0.1:0", "--update-window", "9s"]);
    let mut houseful = setup.args(&["--log-format", "json"]).start();
    // The last is a copy.
    for n in [1, 2, 2] {
        houseful.client().post(&distinct(n)).unwrap();
    }
    houseful.signal(Signal::TERM);
    houseful.wait_exit(PATIENCE);
    let said = houseful.stderr();
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let messages: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    let [first, second, "started", "SIGTERM: finishing what was taken", "stopped"] = messages[..]
    else {
        panic!("{said}")
    };
    let listen = [first, second].map(|said| said.strip_prefix("listening on http://").expect(said));
    let started = &lines[2];
    assert_eq!(started["listen"], listen.join(","));
    assert_eq!(started["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(started["window"], "8.5s");
    let store = dir.path().canonicalize().unwrap().join("houseful.db");
    assert_eq!(started["store"], store.to_str().unwrap());
    assert_eq!(lines[4]["readings_stored"], 2);
    assert!(lines.iter().all(|line| line["level"] == "INFO"), "{said}");
}
