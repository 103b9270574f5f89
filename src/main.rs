//! See [`houseful::main`].

use std::process::ExitCode;

fn main() -> ExitCode {
    houseful::main()
}
