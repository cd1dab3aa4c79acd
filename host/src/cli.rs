//! The command line: what a person types and reads. Thin; the library does the work.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is where words for people go")]

mod client;
mod connections;
mod deploy;
mod dev;
mod drain;
mod log;
mod logs;
mod plugin;
mod reference;
mod send;
mod serve;
mod status;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// A failure at run time.
const FAILURE: u8 = 1;

/// Wrong usage or configuration; clap uses the same for its own.
const USAGE: u8 = 2;

/// The host did not take a version.
const REFUSED: u8 = 3;

/// A version was live and has been taken back.
const TAKEN_BACK: u8 = 4;

/// There is no such plugin, version or connection.
const NOT_FOUND: u8 = 5;

/// The token is not there, or does not allow it.
const NOT_ALLOWED: u8 = 6;

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
  narrowboat deploy chat target/narrowboat/chat.wasm --wait
  narrowboat status

Exit codes: 0 all went well, 1 a failure at run time, 2 wrong usage or configuration, 3 a version was
not taken, 4 it was taken back, 5 there is no such thing, 6 the token does not allow it.
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
    /// Send a message to a group or a channel
    Send(SendArgs),
    /// Make a component the live version of a running host's plugin
    Deploy(DeployArgs),
    /// Make an older version live again
    Rollback(RollbackArgs),
    /// List the versions of a plugin
    Versions(PluginArgs),
    /// Tell how a running host fares
    Status(StatusArgs),
    /// List the open connections, or close one
    Connections(ConnectionsArgs),
    /// Show what a running host logged last
    Logs(LogsArgs),
    /// Take a running host out of service
    Drain(DrainArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print a page that is made from the program
    #[command(subcommand)]
    Reference(ReferenceCommand),
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

The layer's settings are read from the configuration. With Redis the host itself need not run, and consumers of any
host, and of Django processes with the same layer, get the message. A layer in memory is reached through the running
host, which needs [admin].")]
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
    #[command(flatten)]
    host: HostArgs,
}

/// Which running host, and the right to ask it.
#[derive(Args)]
struct HostArgs {
    /// The host's configuration, whose [admin] says where it listens and which file has the token
    #[arg(long, value_name = "FILE", default_value = "narrowboat.toml")]
    config: PathBuf,
    /// Where it listens instead, such as http://127.0.0.1:8001
    #[arg(long, value_name = "URL", env = "NARROWBOAT_ADMIN")]
    admin: Option<String>,
    /// The file with the token instead
    #[arg(long, value_name = "FILE", env = "NARROWBOAT_TOKEN_FILE")]
    token_file: Option<PathBuf>,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat deploy chat target/narrowboat/chat.wasm
  narrowboat deploy chat chat.wasm --wait          until it can no longer be taken back for its faults
  narrowboat deploy chat chat.wasm --admin http://10.0.0.7:8001 --token-file ci.token

Returns when the version is live and every consumer has moved. Exit codes: 3 it was not taken, and the version before
stays; 4 it was live and has been taken back.")]
struct DeployArgs {
    /// The plugin, as routes call it
    plugin: String,
    /// The component
    file: PathBuf,
    /// Wait until it can no longer be taken back for its faults, or has been
    #[arg(long)]
    wait: bool,
    /// Print what the host answers, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: HostArgs,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat rollback chat                to the version before
  narrowboat rollback chat 4f2a9c1e       to one that `narrowboat versions chat` lists")]
struct RollbackArgs {
    /// The plugin, as routes call it
    plugin: String,
    /// The version, by its first digits; the one before if left out
    version: Option<String>,
    /// Wait until it can no longer be taken back for its faults, or has been
    #[arg(long)]
    wait: bool,
    /// Print what the host answers, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: HostArgs,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  narrowboat versions chat")]
struct PluginArgs {
    /// The plugin, as routes call it
    plugin: String,
    /// Print what the host answers, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: HostArgs,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat status
  narrowboat status --json")]
struct StatusArgs {
    /// Print what the host answers, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: HostArgs,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat connections
  narrowboat connections chat --limit 1000
  narrowboat connections --close 'specific.4f2a…!9c1e…' --code 4000 --reason bye")]
struct ConnectionsArgs {
    /// Those of one plugin
    plugin: Option<String>,
    /// So many at most, the newest first
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// Close the connection of this channel
    #[arg(long, value_name = "CHANNEL", conflicts_with_all = ["plugin", "json"])]
    close: Option<String>,
    /// With this code
    #[arg(long, default_value_t = 1001, requires = "close")]
    code: u16,
    /// And this reason
    #[arg(long, default_value = "", requires = "close")]
    reason: String,
    /// Print what the host answers, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: HostArgs,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat logs chat
  narrowboat logs chat -f            goes on with what comes
  narrowboat logs --json -n 500      of the whole host, an object a line")]
struct LogsArgs {
    /// What is about one plugin
    plugin: Option<String>,
    /// Go on with what comes
    #[arg(short, long)]
    follow: bool,
    /// So many of the last lines
    #[arg(short = 'n', long, default_value_t = 100)]
    lines: usize,
    /// Print lines as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: HostArgs,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat drain
  narrowboat drain --over 5m

It takes no more connections and is not ready from then on, so that a balancer goes elsewhere, and closes those there are
with 1012, evenly over the time. Returns when none is left; SIGTERM then ends the host.")]
struct DrainArgs {
    /// The time over which the closes are spread
    #[arg(long, value_name = "TIME", default_value = "30s")]
    over: String,
    #[command(flatten)]
    host: HostArgs,
}

#[derive(Subcommand)]
enum ReferenceCommand {
    /// The manual page, for `man`
    Man,
    /// What `/metrics` tells, as Markdown
    Metrics,
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

    fn with_code(code: u8, error: impl Into<anyhow::Error>) -> Self {
        Self { code, error: error.into() }
    }

    fn at_run_time(error: impl Into<anyhow::Error>) -> Self {
        Self { code: FAILURE, error: error.into() }
    }
}

/// Runs the program; the help says what its exit codes mean.
pub fn run() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Dev(arguments) => dev::run(&arguments),
        Command::Send(arguments) => send::run(&arguments),
        Command::Deploy(arguments) => deploy::deploy(&arguments),
        Command::Rollback(arguments) => deploy::rollback(&arguments),
        Command::Versions(arguments) => deploy::versions(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Connections(arguments) => connections::run(&arguments),
        Command::Logs(arguments) => logs::run(&arguments),
        Command::Drain(arguments) => drain::run(&arguments),
        Command::Completions { shell } => reference::completions(shell),
        Command::Reference(ReferenceCommand::Man) => reference::man(),
        Command::Reference(ReferenceCommand::Metrics) => reference::metrics(),
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
