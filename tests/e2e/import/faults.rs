//! Each line that is wrong is named, with what is wrong; the rest is stored.

use std::fs;

use serde_json::Value;

use super::super::support::houseful::Setup;
use super::super::support::temp_dir;
use super::{Imported, import, import_text, line, lines};

const HEADER: &str =
    "id,badge_id,pi_id,heard_at,beacons,badge_strength,position,motion,opposite_badge_id\r\n";

/// Imports a file of this name and text in a directory of its own.
fn import_file(setup: &Setup, name: &str, text: &[u8], args: &[&str]) -> Imported {
    let path = setup.store_path().with_file_name(name);
    fs::write(path, text).unwrap();
    import(setup, &[&[name], args].concat())
}

#[test]
fn every_kind_of_wrong_line_of_ndjson() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let good = line(0);
    let timed = |rest: &str| format!("{{\"badge_id\":\"b\",\"pi_id\":\"1\",{rest}}}\n");
    let long = format!("{{\"badge_id\":\"{}\"}}\n", "x".repeat(16_384));
    let text = [
        good.as_bytes(),
        b"\n",
        timed("\"beacons\":{}").as_bytes(),
        timed("\"age_ms\":5").as_bytes(),
        timed("\"heard_at\":\"2999-01-01T00:00:00Z\"").as_bytes(),
        timed("\"heard_at\":\"1999-12-31T23:59:59Z\"").as_bytes(),
        timed("\"heard_at\":1800000000").as_bytes(),
        b"  \t\r\n",
        b"{\"badge_id\": 7, \"beacons\": {\"b1\": -57.5}}\n",
        b"not json\n",
        b"{\"badge_id\":\"b\",\n",
        b"{\"badge_id\":\"b\xff\"}\n",
        long.as_bytes(),
        line(1).as_bytes(),
        good.as_bytes(),
        // The last line is cut.
        &good.as_bytes()[..20],
    ]
    .concat();
    let imported = import_file(&setup, "old.ndjson", &text, &["--format", "ndjson"]);
    assert_eq!((imported.code, imported.counts()), (1, [2, 1, 11]), "{}", imported.stderr);
    insta::assert_snapshot!("import_ndjson", without_now(&imported.stderr));
    assert_eq!(setup.export().len(), 2);
}

/// Our clock stands in one of the messages.
fn without_now(stderr: &str) -> String {
    match stderr.split_once("machine's clock (") {
        Some((before, after)) => {
            let (_, after) = after.split_once(')').unwrap();
            format!("{before}machine's clock (NOW){after}")
        }
        None => stderr.to_owned(),
    }
}

#[test]
fn every_kind_of_wrong_line_of_csv() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let t = "2026-01-15T08:00:00.000Z";
    let rows = [
        // A quoted cell over several lines, and the line after it.
        format!("1,a,32,{t},\"{{\r\n\"\"b1\"\":\r\n-57}}\",,,,"),
        format!("2,a,32,{t}"),
        format!("3,,32,{t},{{}},,,,"),
        format!("4,=1+1,-5,{t},{{}},,,,'x"),
        "5,a,32,25.11.2026 04:00,{},,,,".to_owned(),
        "6,a,32,2026-01-15T08:00:00Z,{},,,,".to_owned(),
        "7,a,32,46351.85,{},,,,".to_owned(),
        "8,a,32,,{},,,,".to_owned(),
        format!("1.0E+05,a,32,{t},{{}},-5.5,\"1,000\",1.0E+05,"),
        format!("10,a,32,{t},{{b1:-57}},'-3,99999999999,,"),
        format!("11,a,32,{t},\"{{\"\"b1\"\":-57.0,\"\"b2\"\":5}}\",21,,,"),
        format!("12,a,32,{t},\"{{\"\"b1\"\":-57}},,,,"),
        format!("13,a\"b,32,{t},{{}},,,,"),
        format!("14,\"a\"b,32,{t},{{}},,,,"),
        String::new(),
        "16,a,32,2999-01-01T00:00:00.000Z,{},,,,".to_owned(),
        format!("17,{},32,{t},{{}},,,,", "x".repeat(65)),
        format!("18,ok,32,{t},,-128,,,"),
        format!("19,ok,33,{t},{{}},,,,"),
    ];
    let mut text = HEADER.to_owned() + &rows.join("\r\n") + "\r\n";
    text.push_str(&format!("20,caf\u{0},32,{t},{{}},,,,\r\n"));
    let text = [text.as_bytes(), format!("21,caf\u{e9},32,{t},{{}},,,,").as_bytes()].concat();
    // Latin-1, as old spreadsheets save it.
    let at = text.windows(2).rposition(|pair| pair == "é".as_bytes()).unwrap();
    let text = [&text[..at], b"\xe9", &text[at + 2..]].concat();
    let imported = import_file(&setup, "old.csv", &text, &["--format", "csv"]);
    insta::assert_snapshot!("import_csv", without_now(&imported.stderr));
    assert_eq!((imported.code, imported.counts()), (1, [2, 1, 17]), "{}", imported.stderr);
    let badges: Vec<_> = setup.export().iter().map(|reading| reading["badge_id"].clone()).collect();
    assert_eq!(badges, ["a", "ok"]);
}

#[test]
fn a_file_that_is_something_else_is_named_and_nothing_is_made() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let utf16: Vec<u8> = HEADER.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let with_bom = [b"\xff\xfe".as_slice(), &utf16].concat();
    let semicolons = HEADER.replace(',', ";");
    let tabs = HEADER.replace(',', "\t");
    let capital = HEADER.replace("heard_at", "Heard at");
    let fewer = HEADER.replace(",motion", "");
    let other_order = HEADER.replace("id,badge_id", "badge_id,id");
    let quoted = HEADER.replace("id,", "\"id,");
    let rows: [(&str, &[u8]); 18] = [
        ("csv", b""),
        ("csv", &utf16),
        ("csv", &with_bom),
        ("csv", semicolons.as_bytes()),
        ("csv", tabs.as_bytes()),
        ("csv", capital.as_bytes()),
        ("csv", fewer.as_bytes()),
        ("csv", other_order.as_bytes()),
        ("csv", b"1,a,32,2026-01-15T08:00:00.000Z,{},,,,\r\n"),
        ("csv", b"sep=,\r\nid"),
        ("csv", quoted.as_bytes()),
        ("csv", b"{\"badge_id\":\"b\"}\n"),
        ("csv", b"PK\x03\x04 and so on"),
        ("csv", b"\x1f\x8b\x08"),
        ("ndjson", b"\x28\xb5\x2f\xfd"),
        ("ndjson", b"[{\"badge_id\":\"b\"}]"),
        ("ndjson", HEADER.as_bytes()),
        ("ndjson", b"SQLite format 3\0"),
    ];
    let mut said = String::new();
    for (format, text) in rows {
        let imported = import_file(&setup, "f", text, &["--format", format]);
        assert_eq!((imported.code, &*imported.stdout), (2, ""), "{imported:?}");
        said += &imported.stderr;
    }
    insta::assert_snapshot!("import_other_files", said);
    let missing = import(&setup, &["missing", "--format", "csv"]);
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.contains("cannot read `missing`"), "{}", missing.stderr);
    assert!(!setup.store_path().exists());
}

#[test]
fn a_bom_and_other_line_ends_change_nothing() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let row = "1,a,32,2026-01-15T08:00:00.000Z,{},,,,";
    for text in [
        format!("\u{feff}{HEADER}{row}\r\n"),
        format!("{HEADER}{row}"),
        format!("{HEADER}{row}\n").replace('\r', ""),
        format!("\n{HEADER}\n\n{row}\n\n"),
    ] {
        let imported = import_text(&setup, &text, &["--format", "csv"]);
        let [stored, copies, refused] = imported.counts();
        assert_eq!((imported.code, stored + copies, refused), (0, 1, 0), "{text:?}");
    }
    let text = format!("\u{feff}{}", line(7));
    assert_eq!(import_text(&setup, &text, &["--format", "ndjson"]).counts(), [1, 0, 0]);
    assert_eq!(setup.export().len(), 2);
}

#[test]
fn the_first_hundred_faults_are_shown_and_all_are_counted() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let text = "{}\n".repeat(1_234) + &lines(5);
    let imported = import_text(&setup, &text, &["--format", "ndjson"]);
    assert_eq!((imported.code, imported.counts()), (1, [5, 0, 1_234]));
    let shown: Vec<&str> = imported.stderr.lines().collect();
    assert_eq!(shown.len(), 101);
    assert_eq!(
        shown[99],
        "stdin:100: badge_id: expected a string, found nothing; pi_id: expected a string, found nothing"
    );
    assert_eq!(shown[100], "and 1,134 more lines were refused");
    let summary: Value = serde_json::from_str(&imported.stdout).unwrap();
    assert_eq!(summary["faults"].as_array().unwrap().len(), 100);
    assert_eq!(summary["faults"][99]["line"], 100);
    assert_eq!(summary["last_line"], 1_239);
}

#[test]
fn wrong_flags_touch_nothing() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let rows: [(&[&str], &str); 6] = [
        (&["-"], "--format"),
        (&["-", "--format", "xml"], "invalid value 'xml'"),
        (&["-", "--format", "csv", "--timezone", "UTC"], "--timezone: expected only with"),
        (&["x.db", "--format", "stethoscope"], "--timezone: expected the zone"),
        (&["-", "--format", "stethoscope", "--timezone", "UTC"], "found `-`"),
        (&["-", "--format", "csv", "--update-window", "5"], "--update-window: "),
    ];
    for (args, want) in rows {
        let imported = import(&setup, args);
        assert!(imported.code == 2 && imported.stderr.contains(want), "{args:?}: {imported:#?}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
