//! Command lines as a person types them, in a network of their own: there the
//! default port is always free, and nobody else is disturbed.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Whether this machine lets us make a network; if not, says so.
pub(crate) fn has_own_network() -> bool {
    let made = Command::new("unshare").args(["--net", "true"]).stderr(Stdio::null()).status();
    let made = made.is_ok_and(|status| status.success());
    if !made {
        super::skip("`unshare --net` is not permitted: run the tests as root");
    }
    made
}

/// Runs `script` with bash in `dir`, `houseful` on the `PATH`, alone on its
/// loopback.
///
/// Whatever it leaves in the background ends with it.
pub(crate) fn run(script: &str, dir: &Path) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_houseful"));
    let programs = program.parent().expect("a program lies in a directory");
    let path = std::env::var("PATH").unwrap_or_default();
    Command::new("unshare")
        // The pid namespace's first process ends all others with itself.
        .args(["--net", "--pid", "--fork", "--kill-child", "bash", "-c"])
        .arg(format!("ip link set lo up\n{script}"))
        .current_dir(dir)
        .env("PATH", format!("{}:{path}", programs.display()))
        .stdin(Stdio::null())
        .output()
        .expect("start unshare")
}
