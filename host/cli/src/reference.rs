//! `narrowboat completions` and `narrowboat reference`

use clap::CommandFactory;

use super::output::print;
use super::{Cli, CliError};
use narrowboat_config::limits_reference;
use narrowboat_server::{admin_api_reference, metrics_reference};

pub(super) fn completions(shell: clap_complete::Shell) -> Result<(), CliError> {
    let mut command = Cli::command();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "narrowboat", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// The manual page: the program, and then each of its commands.
pub(super) fn man() -> Result<(), CliError> {
    let mut command = Cli::command();
    command.build();
    let mut out = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut out).map_err(CliError::runtime)?;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        // Building has named it after the program.
        clap_mangen::Man::new(sub.clone()).render(&mut out).map_err(CliError::runtime)?;
    }
    print(&String::from_utf8_lossy(&out))
}

pub(super) fn limits() -> Result<(), CliError> {
    print(&limits_reference())
}

pub(super) fn admin_api() -> Result<(), CliError> {
    print(&admin_api_reference())
}

pub(super) fn metrics() -> Result<(), CliError> {
    print(&metrics_reference())
}
