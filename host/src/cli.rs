//! The command line: what a person types and reads. Thin; the library does the work.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is where words for people go")]

mod dev;
mod plugin;
mod send;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// A failure at run time.
const FAILURE: u8 = 1;

/// Wrong usage or configuration; clap uses the same for its own.
const USAGE: u8 = 2;

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
  narrowboat plugin build plugins/echo
  narrowboat plugin inspect echo.wasm
  narrowboat send --group chat_red --type chat.message --json '{\"message\": \"hello\"}'

Exit codes: 0 all went well, 1 a failure at run time, 2 wrong usage or configuration.
The log goes to standard error; NARROWBOAT_LOG sets its level (error, warn, info, debug, trace)."
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
    /// Send a message to a group or a channel of a Redis layer
    Send(SendArgs),
    /// Build and inspect plugins
    #[command(subcommand)]
    Plugin(PluginCommand),
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat serve                          reads ./narrowboat.toml
  narrowboat serve --listen 127.0.0.1:0     takes a free port and prints it
  NARROWBOAT_LOG=debug narrowboat serve     says why each connection ended

The first ctrl-c or SIGTERM closes every connection with 1001 within limits.shutdown_grace; a
further ctrl-c leaves at once.")]
struct ServeArgs {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "narrowboat.toml")]
    config: PathBuf,
    /// Where to listen, instead of the configuration's `listen`
    #[arg(long, value_name = "ADDR")]
    listen: Option<std::net::SocketAddr>,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat dev                              reads ./narrowboat.toml
  narrowboat dev chat                         reads chat/narrowboat.toml
  narrowboat dev chat --listen 127.0.0.1:0    takes a free port and prints it

Builds the plugins that the configuration names by `crate`, serves them and watches their sources,
those of the crates they name by path, and the workspace's Cargo.toml and Cargo.lock. A build that
fails leaves the old version serving; a change of the configuration itself takes a restart. It stops
as `narrowboat serve` does, and ends a build that runs.")]
struct DevArgs {
    /// The folder with narrowboat.toml, instead of this one
    dir: Option<PathBuf>,
    /// The configuration, instead of DIR/narrowboat.toml
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    config: Option<PathBuf>,
    /// Where to listen, instead of the configuration's `listen`
    #[arg(long, value_name = "ADDR")]
    listen: Option<std::net::SocketAddr>,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat send --group chat_red --type chat.message --json '{\"message\": \"hello\"}'
  narrowboat send --channel thumbnails --type thumbnail.make --json '{\"id\": 7}'

The layer's settings are read from the configuration; the host itself need not run. Consumers of any host, and of
Django processes with the same layer, get the message. A layer in memory cannot be reached from outside.")]
struct SendArgs {
    /// The group that it is for
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present = "channel",
        conflicts_with = "channel"
    )]
    group: Option<String>,
    /// The channel that it is for
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
    /// The message's type
    #[arg(long = "type", value_name = "TYPE")]
    kind: String,
    /// What else the message has
    #[arg(long, value_name = "OBJECT")]
    json: Option<String>,
    /// Which of the configuration's layers
    #[arg(long, value_name = "NAME", default_value = crate::config::DEFAULT_LAYER)]
    layer: String,
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "narrowboat.toml")]
    config: PathBuf,
}

#[derive(Subcommand)]
enum PluginCommand {
    /// Make a component of a guest crate, its manifest inside
    #[command(after_help = "\
Examples:
  narrowboat plugin build plugins/echo
  narrowboat plugin build . --out /srv/plugins/echo.wasm

The crate has a plugin.toml with at least `name = \"…\"`. Its Cargo.toml has `[lib] crate-type = [\"cdylib\"]` and
depends on narrowboat-guest and serde.")]
    Build {
        /// The folder of the guest crate
        dir: PathBuf,
        /// Where the component goes, instead of narrowboat/NAME.wasm in cargo's target folder
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Print what a component says of itself: world, imports, exports, manifest, size, SHA-256
    #[command(after_help = "\
Example:
  narrowboat plugin inspect target/narrowboat/echo.wasm")]
    Inspect {
        /// The component
        file: PathBuf,
    },
}

/// An error with the exit code it leads to.
struct Failure {
    code: u8,
    error: anyhow::Error,
}

impl Failure {
    fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { code: USAGE, error: error.into() }
    }

    fn at_run_time(error: impl Into<anyhow::Error>) -> Self {
        Self { code: FAILURE, error: error.into() }
    }
}

/// Runs the program; its exit code is 0, 1 for a failure at run time, or 2 for wrong usage or
/// configuration.
pub fn run() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Dev(arguments) => dev::run(&arguments),
        Command::Send(arguments) => send::run(&arguments),
        Command::Plugin(PluginCommand::Build { dir, out }) => plugin::build(&dir, out.as_deref()),
        Command::Plugin(PluginCommand::Inspect { file }) => plugin::inspect(&file),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, error }) => {
            eprintln!("narrowboat: {}", text(&error));
            ExitCode::from(code)
        }
    }
}

/// An error with its causes, less those that its own words contain already.
fn text(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text += ": ";
            text += &cause;
        }
    }
    text
}
