//! The `narrowboat` program: its command line. The other crates do the work.

mod arguments;
mod cli_error;
mod cli_exit_code;
mod client;
mod command_line;
mod compile_component;
mod connections;
mod deploy;
mod dev;
mod drain;
mod kv;
mod logs;
mod new;
mod output;
mod plugin;
mod reference;
mod reload;
mod rooms;
mod runtimes;
mod send;
mod serve;
mod signals;
mod status;
mod table;
mod talk;
mod telemetry;
mod test;

use std::process::ExitCode;

use clap::Parser;

use cli_error::CliError;
use cli_exit_code::CliExitCode;
use command_line::{Cli, Command};

/// Runs the program. `narrowboat --help` lists the exit codes.
fn main() -> ExitCode {
    match parse().and_then(|cli| execute(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(line) = error.message() {
                output::eprint_line(line);
            }
            ExitCode::from(error.code.number())
        }
    }
}

/// Parses the arguments. Prints the help if they ask for it.
fn parse() -> Result<Cli, CliError> {
    Cli::try_parse().map_err(|error| {
        let code = if error.use_stderr() { CliExitCode::Usage } else { CliExitCode::Success };
        match error.print() {
            Err(print_error) if !error.use_stderr() => output::output_error(print_error),
            _ => CliError::silent(code),
        }
    })
}

fn execute(command: Command) -> Result<(), CliError> {
    match command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::New(arguments) => new::run(&arguments),
        Command::Dev(arguments) => dev::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Talk(arguments) => talk::run(&arguments),
        Command::Send(arguments) => send::run(&arguments),
        Command::Deploy(arguments) => deploy::deploy(&arguments),
        Command::Rollback(arguments) => deploy::rollback(&arguments),
        Command::Approve(arguments) => deploy::approve(&arguments),
        Command::Versions(arguments) => deploy::versions(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Connections(arguments) => connections::run(&arguments),
        Command::Rooms(arguments) => rooms::run(&arguments),
        Command::Logs(arguments) => logs::run(&arguments),
        Command::Kv(command) => kv::run(&command),
        Command::Drain(arguments) => drain::run(&arguments),
        Command::Reload(arguments) => reload::run(&arguments),
        Command::Completions { shell } => reference::completions(shell),
        Command::Reference(page) => reference::run(&page),
        Command::Plugin(command) => plugin::run(&command),
        Command::CompileComponent => compile_component::run(),
    }
}
