//! What programs read of us is as the schemas in `docs/schemas` say.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::{in_repository, skip};

/// Validates each line of the text with the validator that schemathesis brings.
const VALIDATE: &str = "
import json, sys, jsonschema_rs
schema = json.load(open(sys.argv[1]))
jsonschema_rs.meta.validate(schema)
validator = jsonschema_rs.validator_for(schema)
for line in sys.stdin:
    validator.validate(json.loads(line))
";

/// Asserts that each line is valid by `docs/schemas/NAME.json`, where the validator is there.
///
/// # Panics
///
/// If one is not, with why.
pub(crate) fn assert_valid(name: &str, lines: &str) {
    let Some(python) = python() else {
        skip("schemathesis is missing: pip install -r tests/e2e/support/schemathesis.txt");
        return;
    };
    assert!(!lines.trim().is_empty(), "nothing to validate by {name}");
    let schema = in_repository(&format!("docs/schemas/{name}.json"));
    let mut validator = Command::new(python)
        .args(["-c", VALIDATE])
        .arg(schema)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that has objected reads no further.
    drop(validator.stdin.take().unwrap().write_all(lines.as_bytes()));
    let output = validator.wait_with_output().unwrap();
    assert!(output.status.success(), "{lines}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// The Python of the environment that schemathesis is in.
fn python() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut programs = std::env::split_paths(&path).map(|dir| dir.join("schemathesis"));
    let program = programs.find(|program| program.exists())?.canonicalize().ok()?;
    Some(program.with_file_name("python3")).filter(|python| python.exists())
}
