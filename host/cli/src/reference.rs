//! `narrowboat completions` and `narrowboat reference`

mod cli_page;

use clap::CommandFactory;

use cli_page::cli_reference;

use super::arguments::ReferenceCommand;
use super::cli_error::CliError;
use super::command_line::Cli;
use super::output::print;
use narrowboat_config::{configuration_reference, limits_reference, manifest_reference};
use narrowboat_server::{
    admin_api_reference, close_codes_reference, http_responses_reference, metrics_reference,
};

pub(super) fn completions(shell: clap_complete::Shell) -> Result<(), CliError> {
    let mut command = Cli::command();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "narrowboat", &mut script);
    print(&String::from_utf8_lossy(&script))
}

pub(super) fn run(page: &ReferenceCommand) -> Result<(), CliError> {
    match page {
        ReferenceCommand::Man => print_man(),
        ReferenceCommand::Configuration => print(&configuration_reference()),
        ReferenceCommand::AdminApi => print(&admin_api_reference()),
        ReferenceCommand::Cli => print(&cli_reference()),
        ReferenceCommand::Manifest => print(&manifest_reference()),
        ReferenceCommand::CloseCodes => print(&close_codes_reference()),
        ReferenceCommand::HttpResponses => print(&http_responses_reference()),
        ReferenceCommand::Limits => print(&limits_reference()),
        ReferenceCommand::Metrics => print(&metrics_reference()),
    }
}

/// Prints the manual page: the program, and then each of its commands.
fn print_man() -> Result<(), CliError> {
    let mut command = Cli::command();
    command.build();
    let mut out = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut out).map_err(CliError::runtime)?;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        // `build` has put the program's name before the command's.
        clap_mangen::Man::new(sub.clone()).render(&mut out).map_err(CliError::runtime)?;
    }
    print(&String::from_utf8_lossy(&out))
}
