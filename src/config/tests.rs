use std::ffi::OsString;
use std::path::Path;

use clap::Parser;
use proptest::prelude::*;

use super::*;
use crate::cli::{Cli, Command};

fn flags(line: &str) -> SettingsArgs {
    let words = ["houseful", "serve"].into_iter().chain(line.split_whitespace());
    let Command::Serve(args) = Cli::parse_from(words).command else { unreachable!() };
    args.settings
}

fn environment(env: &[(&str, &str)]) -> Environment {
    Environment::new(env.iter().map(|(name, value)| (name.into(), value.into())).collect())
}

fn config(line: &str, env: &[(&str, &str)]) -> Result<ServeConfig, String> {
    ServeConfig::new(&flags(line), &environment(env)).map_err(|error| error.to_string())
}

/// Settings from a file called `h.toml`, as `houseful config` would print them.
fn by_file(text: &str) -> Result<String, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("h.toml");
    std::fs::write(&path, text).unwrap();
    let mut args = flags("");
    args.0.config = Some(path);
    let without_dir = |text: String| text.replace(&format!("{}/", dir.path().display()), "");
    let effective = Effective::new(&args, &environment(&[]));
    effective.map(|it| without_dir(it.to_toml())).map_err(|error| without_dir(error.to_string()))
}

#[test]
fn defaults_are_the_documented_ones() {
    let config = config("", &[]).unwrap();
    assert_eq!(config.listen, ["127.0.0.1:6540".parse().unwrap()]);
    assert_eq!(config.store, Path::new("houseful.db"));
    assert_eq!(config.window, Duration::from_millis(4_500));
    assert_eq!(config.drain_timeout, Duration::from_secs(10));
    assert_eq!(config.log_levels, log::Levels::default());
    assert_eq!(config.log_format, log::Format::Text);
}

#[test]
fn a_flag_comes_before_the_environment() {
    let env = [
        ("HOUSEFUL_LISTEN", "127.0.0.1:1, [::1]:2"),
        ("HOUSEFUL_STORE", "sqlite:env.db"),
        ("HOUSEFUL_UPDATE_WINDOW", "10s"),
        ("STATE_DIRECTORY", "/var/lib/houseful:/other"),
    ];
    let by_env = config("", &env).unwrap();
    assert_eq!(by_env.listen, ["127.0.0.1:1".parse().unwrap(), "[::1]:2".parse().unwrap()]);
    assert_eq!(by_env.store, Path::new("env.db"));
    assert_eq!(by_env.window, Duration::from_millis(9_500));
    let by_flag = config("--listen 127.0.0.1:3 --update-window 20s --store sqlite:f.db", &env);
    let by_flag = by_flag.unwrap();
    assert_eq!(by_flag.listen, ["127.0.0.1:3".parse().unwrap()]);
    assert_eq!(by_flag.store, Path::new("f.db"));
    assert_eq!(by_flag.window, Duration::from_millis(19_500));
    let by_state = config("", &env[3..]).unwrap();
    assert_eq!(by_state.store, Path::new("/var/lib/houseful/houseful.db"));
}

#[test]
fn a_wrong_setting_is_named_with_where_it_came_from() {
    type Variables<'a> = &'a [(&'a str, &'a str)];
    let rows: [(&str, Variables<'_>, &str); 17] = [
        (
            "",
            &[("HOUSEFUL_LISTEN", "")],
            "HOUSEFUL_LISTEN (environment): expected at least one ADDRESS:PORT, found none",
        ),
        (
            "",
            &[("HOUSEFUL_LISTEN", ",")],
            "HOUSEFUL_LISTEN (environment): expected at least one ADDRESS:PORT, found none",
        ),
        (
            "--update-window -5s",
            &[],
            "--update-window: expected a duration of zero or more, found `-5s`",
        ),
        (
            "--store sqlite::memory:",
            &[],
            "--store: expected sqlite:PATH, found `sqlite::memory:`: what is acknowledged must",
        ),
        (
            "",
            &[("HOUSEFUL_STORE", "sqlite:///h.db")],
            "HOUSEFUL_STORE (environment): expected sqlite:PATH, found `sqlite:///h.db`: the path",
        ),
        (
            "--store sqlite:file:h.db?vfs=memdb",
            &[],
            "--store: expected sqlite:PATH, found `sqlite:file:h.db?vfs=memdb`: SQLite's URIs",
        ),
        (
            "--listen 6540",
            &[],
            "--listen: expected ADDRESS:PORT such as 127.0.0.1:6540, found `6540`",
        ),
        ("", &[("HOUSEFUL_LISTEN", "x")], "HOUSEFUL_LISTEN (environment): expected ADDRESS:PORT"),
        ("--listen 0.0.0.0:6540", &[], "--insecure-no-auth"),
        ("--store houseful.db", &[], "--store: expected sqlite:PATH, found `houseful.db`"),
        ("--update-window 5", &[], "--update-window: "),
        (
            "--update-window 1h",
            &[],
            "--update-window: expected a duration from 10ms to 10m0s, found `1h`",
        ),
        (
            "--advertising-interval 6s",
            &[],
            "--advertising-interval: expected a duration from 1ms to 5s, found `6s`",
        ),
        (
            "",
            &[("HOUSEFUL_INSECURE_NO_AUTH", "yes")],
            "HOUSEFUL_INSECURE_NO_AUTH (environment): expected true or false",
        ),
        ("--allowed-host http://x", &[], "--allowed-host: expected a name"),
        (
            "",
            &[("HOUSEFUL_LOG_LEVEL", "info,x=warn")],
            "HOUSEFUL_LOG_LEVEL (environment): expected a module such as",
        ),
        ("--log-level inof", &[], "--log-level: expected off, error, "),
    ];
    for (line, env, want) in rows {
        let error = config(line, env).unwrap_err();
        assert!(error.contains(want), "{line}: {error}");
    }
    assert!(config("--listen 0.0.0.0:6540 --insecure-no-auth", &[]).is_ok());
}

#[test]
fn a_variable_that_is_no_utf8_is_named_and_not_guessed() {
    use std::os::unix::ffi::OsStringExt;

    for name in ["HOUSEFUL_STORE", "HOUSEFUL_LISTEN", "STATE_DIRECTORY"] {
        let value = OsString::from_vec(b"sqlite:/h\xffuse.db".to_vec());
        let env = Environment::new(vec![(name.into(), value)]);
        let error = ServeConfig::new(&flags(""), &env).unwrap_err().to_string();
        let want = format!("{name} (environment): expected UTF-8, found `sqlite:/h\\xffuse.db`");
        assert_eq!(error, want);
    }
}

#[test]
fn a_misspelt_variable_is_an_error_with_a_suggestion() {
    let error = config("", &[("HOUSEFUL_STROE", "sqlite:h.db")]).unwrap_err();
    let want = "HOUSEFUL_STROE (environment): no such setting; did you mean HOUSEFUL_STORE?";
    assert_eq!(error, want);
    let error = config("", &[("HOUSEFUL_PORT", "6540"), ("HOUSEFUL_", "")]).unwrap_err();
    assert!(
        error.starts_with("2 faults in the settings:\nHOUSEFUL_ (environment): no such"),
        "{error}"
    );
    assert!(error.contains("expected one of HOUSEFUL_LISTEN, HOUSEFUL_STORE, "), "{error}");
    assert!(error.ends_with(", HOUSEFUL_CONFIG"), "{error}");
    // Others' variables are none of our business, nor is what Kubernetes says of services.
    let links = [
        ("HOUSEFULNESS", "x"),
        ("HOUSEFUL_SERVICE_HOST", "10.0.0.1"),
        ("HOUSEFUL_SERVICE_PORT_HTTP", "6540"),
        ("HOUSEFUL_PORT_6540_TCP", "tcp://10.0.0.1:6540"),
        ("HOUSEFUL_DB_SERVICE_HOST", "10.0.0.2"),
        ("HOUSEFUL_DB_PORT", "tcp://10.0.0.2:5432"),
    ];
    assert!(config("", &links).is_ok());
    assert!(config("", &links[2..]).is_err());
}

#[test]
fn a_file_comes_after_flags_and_variables_and_each_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("h.toml");
    let file = "\n# all of it\nlisten = [\"127.0.0.1:1\", '[::1]:2']\nstore = \"sqlite:f.db\"\n\
        update_window = \"20s\"\ninsecure_no_auth = true\nallowed_host = [\"A.example\"]\n";
    std::fs::write(&path, file).unwrap();
    let name = path.to_str().unwrap();
    let env = [("HOUSEFUL_CONFIG", name), ("HOUSEFUL_STORE", "sqlite:e.db")];
    let line = "--update-window 10s --listen 0.0.0.0:3 --listen 0.0.0.0:4";
    let both = config(line, &env).unwrap();
    assert_eq!(both.listen, ["0.0.0.0:3".parse().unwrap(), "0.0.0.0:4".parse().unwrap()]);
    assert_eq!(both.store, Path::new("e.db"));
    assert_eq!(both.window, Duration::from_millis(9_500));
    assert_eq!(both.allowed_hosts, ["a.example"]);
    let effective = Effective::new(&flags(line), &environment(&env)).unwrap();
    insta::assert_snapshot!(effective.to_toml().replace(name, "h.toml"));
    insta::assert_snapshot!(format!("{:#}", effective.to_json()).replace(name, "h.toml"));
    // `--config` comes before its variable, too.
    let other = dir.path().join("other.toml");
    std::fs::write(&other, "drain_timeout = \"1s\"").unwrap();
    let other = config(&format!("--config {}", other.display()), &env).unwrap();
    assert_eq!(other.drain_timeout, Duration::from_secs(1));
    assert_eq!(other.listen, ["127.0.0.1:6540".parse().unwrap()]);
}

#[test]
fn a_fault_in_the_file_has_its_place_and_a_remedy() {
    let rows = [
        ("\n\nlistn = []", "h.toml:3:1: unknown key `listn`; did you mean `listen`?"),
        (
            "update-window = \"1s\"",
            "h.toml:1:1: unknown key `update-window`; did you mean `update_window`?",
        ),
        ("[log]\nlevel = \"info\"", "h.toml:1:2: unknown key `log`; did you mean `log_level`?"),
        ("é.x = 1", "h.toml:1:1: "),
        (
            "update_window = 5",
            "h.toml:1:17: update_window: expected a string such as \"10s\", found `5`",
        ),
        (
            "listen = \"127.0.0.1:1\"",
            "h.toml:1:10: listen: expected an array of strings such as [\"127.0.0.1:6540\", \"[::1]:6540\"], found `\"127.0.0.1:1\"`",
        ),
        (
            "allowed_host = [\"ü\", 7]",
            "h.toml:1:22: allowed_host: expected an array of strings such as [\"houseful.example.org\"], found `7`",
        ),
        (
            "insecure_no_auth = \"true\"",
            "h.toml:1:20: insecure_no_auth: expected true or false, found `\"true\"`",
        ),
        (
            "store = {}",
            "h.toml:1:9: store: expected a string such as \"sqlite:/var/lib/houseful/houseful.db\", found a table",
        ),
        ("store = \"h.db\"", "h.toml:1:9: store: expected sqlite:PATH, found `h.db`"),
        (
            "listen = [\n  \"127.0.0.1:1\",\n  \"x\",\n]",
            "h.toml:3:3: listen: expected ADDRESS:PORT such as 127.0.0.1:6540, found `x`",
        ),
        ("listen = []", "h.toml:1:1: listen: expected at least one ADDRESS:PORT, found none"),
        ("log_format = \"xml\"", "h.toml:1:14: log_format: expected text or json, found `xml`"),
        ("store = \"sqlite:a\"\nstore = \"sqlite:b\"", "h.toml:2:1: duplicate key"),
        ("store = \"sqlite:a", "h.toml:1:18: "),
    ];
    for (text, want) in rows {
        let error = by_file(text).unwrap_err();
        assert!(error.starts_with(want) && !error.contains('\n'), "{text}: {error}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let text = "listn = []\ndrain_timeout = 5\n\nlog_level = \"inof\"\nupdate_window = \"1h\"\n";
    insta::assert_snapshot!(by_file(text).unwrap_err());
    insta::assert_snapshot!(by_file("listen = [\nstore = \nlog_level = info\n= 7\n").unwrap_err());
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = |path: &Path| config(&format!("--config {}", path.display()), &[]).unwrap_err();
    let missing = dir.path().join("none.toml");
    let want = format!(
        "{}: cannot read the settings: No such file or directory (os error 2)",
        missing.display()
    );
    assert_eq!(error(&missing), want);
    assert!(error(dir.path()).ends_with("cannot read the settings: Is a directory (os error 21)"));
    assert_eq!(
        error(Path::new("/dev/zero")),
        "/dev/zero: expected settings of at most 1048576 bytes, found more"
    );
    let latin1 = dir.path().join("latin1.toml");
    std::fs::write(&latin1, b"# \xc3\xbc\n# \xc3\xbc \xfc\n").unwrap();
    assert_eq!(error(&latin1), format!("{}:2:5: expected UTF-8, found `\\xfc`", latin1.display()));
    assert_eq!(
        config("", &[("HOUSEFUL_CONFIG", "")]).unwrap_err(),
        "HOUSEFUL_CONFIG (environment): expected a file, found ``"
    );
}

#[test]
fn a_store_is_found_without_checking_what_is_not_needed() {
    let words = ["houseful", "export", "--store", "sqlite:h.db"];
    let Command::Export(args) = Cli::parse_from(words).command else { unreachable!() };
    let path = store_path(&args.store, &environment(&[("HOUSEFUL_UPDATE_WINDOW", "soon")]));
    assert_eq!(path.unwrap(), Path::new("h.db"));
    // But one who misspells may mean the store.
    assert!(store_path(&args.store, &environment(&[("HOUSEFUL_STROE", "")])).is_err());
}

/// The example with each setting's line taken in.
fn uncommented(example: &str) -> String {
    let lines = example.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if setting.starts_with(|c: char| c.is_ascii_lowercase()) => setting,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_is_the_defaults() {
    let values = |toml: &str| {
        let value = |line: &str| line.split_once("  #").map(|(value, _)| value.trim().to_owned());
        toml.lines().filter_map(value).collect::<Vec<_>>()
    };
    let defaults = values(&by_file("").unwrap());
    assert_eq!(defaults.len(), table::ALL.len());
    assert_eq!(values(&by_file(&example()).unwrap()), defaults);
    let all = by_file(&uncommented(&example())).unwrap();
    assert_eq!(values(&all), defaults);
    assert!(!all.contains("# default"), "{all}");
}

#[test]
fn the_example_of_each_setting_is_one() {
    let examples = table::ALL.map(|setting| format!("{} = {}\n", setting.key(), setting.example));
    let printed = by_file(&examples.concat()).unwrap();
    for (example, line) in examples.iter().zip(printed.lines()) {
        assert!(line.starts_with(example.trim_end()), "{line}");
    }
}

proptest! {
    #[test]
    fn what_is_printed_can_be_read_again(path in "[^\0]{1,20}", host in "[^,:/ \\[\0]{1,8}") {
        let mut env = vec![("HOUSEFUL_ALLOWED_HOST", host.as_str())];
        let store = format!("sqlite:./{path}");
        env.push(("HOUSEFUL_STORE", &store));
        let printed = Effective::new(&flags(""), &environment(&env)).unwrap().to_toml();
        let again = by_file(&printed).unwrap();
        let value = |line: &str| line.rsplit_once("  #").unwrap().0.trim_end().to_owned();
        let values = |toml: &str| toml.lines().map(value).collect::<Vec<_>>();
        prop_assert_eq!(values(&printed), values(&again));
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("h.toml"), &printed).unwrap();
        let by_file = config(&format!("--config {}", dir.path().join("h.toml").display()), &[]);
        prop_assert_eq!(by_file, config("", &env));
    }
}
