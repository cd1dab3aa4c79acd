//! The `narrowboat` program: its command line. The other crates do the work.

mod arguments;
mod client;
mod connections;
mod deploy;
mod dev;
mod drain;
mod logs;
mod output;
mod plugin;
mod reference;
mod reload;
mod send;
mod serve;
mod signals;
mod status;
mod table;
mod talk;
mod telemetry;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use arguments::{
    ApproveArgs, ConnectionsArgs, DeployArgs, DevArgs, DrainArgs, LogsArgs, PluginCommand,
    ReferenceCommand, ReloadArgs, RollbackArgs, SendArgs, ServeArgs, StatusArgs, VersionsArgs,
};

/// A failure at run time.
const EXIT_FAILURE: u8 = 1;

/// Wrong usage or configuration; clap uses the same for its own.
const EXIT_USAGE: u8 = 2;

/// The host did not take a version.
const EXIT_REFUSED: u8 = 3;

/// A version was live and has been rolled back.
const EXIT_ROLLED_BACK: u8 = 4;

/// There is no such plugin, version or connection.
const EXIT_NOT_FOUND: u8 = 5;

/// The token is not there, or does not allow it.
const EXIT_NOT_ALLOWED: u8 = 6;

/// A version requests more capabilities than the live one, and waits for an approval.
const EXIT_PENDING: u8 = 7;

/// A WebSocket host whose consumers are WebAssembly components.
#[derive(Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  narrowboat serve
  narrowboat serve --config chat.toml --listen 0.0.0.0:80
  narrowboat dev
  narrowboat talk ws://127.0.0.1:8000/echo/
  narrowboat plugin build plugins/echo
  narrowboat plugin inspect echo.wasm
  narrowboat plugin sign echo.wasm --key release.pem
  narrowboat send --group chat_red --type chat.message --json '{\"message\": \"hello\"}'
  narrowboat deploy chat target/narrowboat/chat.wasm --wait
  narrowboat status

Exit codes: 0 all went well, 1 a failure at run time, 2 wrong usage or configuration, 3 a version was
not taken, 4 it was rolled back, 5 there is no such thing, 6 the token does not allow it, 7 a version
waits for an approval, 141 the reader of the output has gone. `send` ends with 0 when the message was
taken, even if it has no receiver.
The log goes to standard error; NARROWBOAT_LOG sets its level (error, warn, info, debug, trace),
NARROWBOAT_LOG_FORMAT=json makes each line an object."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve WebSockets until ctrl-c or SIGTERM
    Serve(ServeArgs),
    /// Serve, and build plugins again whenever their sources change
    Dev(DevArgs),
    /// Open a WebSocket, send each typed line and print each message
    Talk(talk::TalkArgs),
    /// Send a message to a group or a channel
    Send(SendArgs),
    /// Make a component the live version of a running host's plugin
    Deploy(DeployArgs),
    /// Make an older version live again
    Rollback(RollbackArgs),
    /// Let a version that waits have the capabilities that it requests, and make it live
    Approve(ApproveArgs),
    /// List the versions of a plugin
    Versions(VersionsArgs),
    /// Tell how a running host fares
    Status(StatusArgs),
    /// List the open connections, or close one
    Connections(ConnectionsArgs),
    /// Show what a running host logged last
    Logs(LogsArgs),
    /// Take a running host out of service
    Drain(DrainArgs),
    /// Reload the configuration of a running host
    Reload(ReloadArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print a page that is made from the program
    #[command(subcommand)]
    Reference(ReferenceCommand),
    /// Build, inspect and sign plugins
    #[command(subcommand)]
    Plugin(PluginCommand),
}

/// An error with the exit code it leads to.
struct CliError {
    code: u8,
    /// Still to be told.
    error: Option<anyhow::Error>,
}

impl CliError {
    fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self::with_code(EXIT_USAGE, error)
    }

    fn with_code(code: u8, error: impl Into<anyhow::Error>) -> Self {
        Self { code, error: Some(error.into()) }
    }

    fn runtime(error: impl Into<anyhow::Error>) -> Self {
        Self::with_code(EXIT_FAILURE, error)
    }

    /// One of which nothing more is to be said.
    fn silent(code: u8) -> Self {
        Self { code, error: None }
    }

    /// The line that tells it, if there is one.
    fn message(&self) -> Option<String> {
        self.error.as_ref().map(|error| format!("narrowboat: {}", format_error_chain(error)))
    }
}

/// Runs the program; the help says what its exit codes mean.
fn main() -> ExitCode {
    match parse().and_then(|cli| execute(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(line) = failure.message() {
                output::eprint_line(line);
            }
            ExitCode::from(failure.code)
        }
    }
}

/// Reads the arguments. Where they ask for help, that is printed.
fn parse() -> Result<Cli, CliError> {
    Cli::try_parse().map_err(|error| {
        let code = u8::try_from(error.exit_code()).unwrap_or(EXIT_USAGE);
        match error.print() {
            Err(unprinted) if !error.use_stderr() => output::output_error(unprinted),
            _ => CliError::silent(code),
        }
    })
}

fn execute(command: Command) -> Result<(), CliError> {
    match command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Dev(arguments) => dev::run(&arguments),
        Command::Talk(arguments) => talk::run(&arguments),
        Command::Send(arguments) => send::run(&arguments),
        Command::Deploy(arguments) => deploy::deploy(&arguments),
        Command::Rollback(arguments) => deploy::rollback(&arguments),
        Command::Approve(arguments) => deploy::approve(&arguments),
        Command::Versions(arguments) => deploy::versions(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Connections(arguments) => connections::run(&arguments),
        Command::Logs(arguments) => logs::run(&arguments),
        Command::Drain(arguments) => drain::run(&arguments),
        Command::Reload(arguments) => reload::run(&arguments),
        Command::Completions { shell } => reference::completions(shell),
        Command::Reference(ReferenceCommand::Man) => reference::man(),
        Command::Reference(ReferenceCommand::Limits) => reference::limits(),
        Command::Reference(ReferenceCommand::AdminApi) => reference::admin_api(),
        Command::Reference(ReferenceCommand::Metrics) => reference::metrics(),
        Command::Plugin(PluginCommand::Build { dir, out }) => plugin::build(&dir, out.as_deref()),
        Command::Plugin(PluginCommand::Inspect { file, key }) => {
            plugin::inspect(&file, key.as_deref())
        }
        Command::Plugin(PluginCommand::Keygen { name }) => plugin::keygen(&name),
        Command::Plugin(PluginCommand::Sign { file, key }) => plugin::sign(&file, &key),
    }
}

/// An error with its causes, less those that its own words contain already.
fn format_error_chain(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text += ": ";
            text += &cause;
        }
    }
    text
}
