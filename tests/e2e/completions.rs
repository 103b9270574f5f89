//! `houseful completions`: a script that the shell itself can use.

use super::demo::shell;
use super::support::temp_dir;

/// What bash offers after these words; the last one is being typed.
fn offered(words: &[&str]) -> Vec<String> {
    let (last, before) = (words.len() - 1, words[words.len() - 2]);
    let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
    // As the shell calls the function when somebody presses Tab.
    let script = format!(
        "set -eu
         houseful completions bash >script
         bash -n script
         . ./script
         complete -p houseful | grep -q -- '-F _houseful '
         COMP_WORDS=({}) COMP_CWORD={last} COMPREPLY=()
         _houseful houseful '{}' '{before}'
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        quoted.join(" "),
        words[last]
    );
    let dir = temp_dir();
    let output = shell(&script, dir.path());
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_flags_and_values() {
    assert_eq!(offered(&["houseful", "se"]), ["serve"]);
    assert_eq!(offered(&["houseful", "load", "att"]), ["attack"]);
    assert_eq!(offered(&["houseful", "load", "attack", "--ra"]), ["--rate"]);
    assert_eq!(offered(&["houseful", "serve", "--log-format", ""]), ["text", "json"]);
    assert_eq!(offered(&["houseful", "completions", "ba"]), ["bash"]);
}

#[test]
fn zsh_and_fish_get_their_own() {
    let dir = temp_dir();
    for (name, begins) in [("zsh", "#compdef houseful\n"), ("fish", "# Print an optspec")] {
        let output = shell(&format!("houseful completions {name}"), dir.path());
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && script.starts_with(begins), "{script}");
        for word in ["serve", "export", "attack", "update-window", "stethoscope"] {
            assert!(script.contains(word), "{name} does not know {word}");
        }
    }
    let output = shell("houseful completions tcsh", dir.path());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr.contains("[possible values: bash, zsh, fish]"), "{stderr}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let dir = temp_dir();
    let output = shell("houseful completions bash | head -1", dir.path());
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let output = shell("houseful completions bash >/dev/full", dir.path());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
