//! `narrowboat compile-component`, which a host starts for each component that it compiles.

use anyhow::Context;

use super::cli_error::CliError;
use super::command_line::COMPILE_COMPONENT;
use narrowboat_runtime::{CompilerProgram, ComponentCompiler, run_compile_worker};

/// The compiler of a host: processes of this program.
///
/// # Errors
/// If the system does not tell the file of this program.
pub(super) fn compiler() -> Result<ComponentCompiler, CliError> {
    let program = CompilerProgram::of_this_process(COMPILE_COMPONENT);
    let program = program.context(
        "components are compiled in processes of this program, whose file cannot be found; mount /proc, or start \
         narrowboat by its path",
    );
    program.map(ComponentCompiler::Process).map_err(CliError::runtime)
}

pub(super) fn run() -> Result<(), CliError> {
    run_compile_worker().map_err(CliError::runtime)
}
