//! The `narrowboat` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    narrowboat::cli::run()
}
