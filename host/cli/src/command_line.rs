//! The commands of the program.

use clap::{Parser, Subcommand};

use super::arguments::{
    ApproveArgs, ConnectionsArgs, DeployArgs, DevArgs, DrainArgs, KvCommand, LogsArgs, NewArgs,
    PluginCommand, ReferenceCommand, ReloadArgs, RollbackArgs, RoomsArgs, SendArgs, ServeArgs,
    StatusArgs, TalkArgs, TestArgs, VersionsArgs,
};

/// The command with which a host starts this program to compile a component.
pub(super) const COMPILE_COMPONENT: &str = "compile-component";

/// A WebSocket host whose consumers are WebAssembly components.
#[derive(Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  narrowboat serve
  narrowboat serve --config chat.toml --listen 0.0.0.0:80
  narrowboat new chat
  narrowboat dev
  narrowboat test
  narrowboat talk ws://127.0.0.1:8000/echo/
  narrowboat plugin build plugins/echo
  narrowboat plugin inspect echo.wasm
  narrowboat plugin sign echo.wasm --key release.pem
  narrowboat send --group chat_red --type chat.message --json '{\"message\": \"hello\"}'
  narrowboat deploy chat target/narrowboat/chat.wasm --wait
  narrowboat status
  narrowboat kv list --bucket visits

Exit codes: 0 success, 1 a failure at run time, 2 wrong usage or configuration, 3 a version was refused,
4 a version was rolled back, 5 not found, 6 the token does not allow the command, 7 a version waits for
an approval, 130 a second ctrl-c ended the host, 141 the reader of the output has gone. `send` ends with
0 when the layer has the message, even if there is no receiver.
The log goes to standard error; NARROWBOAT_LOG sets its level (error, warn, info, debug, trace),
NARROWBOAT_LOG_FORMAT=json makes each line an object."
)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Serve WebSockets until ctrl-c or SIGTERM
    Serve(ServeArgs),
    /// Create a plugin and a configuration that serves it
    New(NewArgs),
    /// Serve, and rebuild plugins when their sources change
    Dev(DevArgs),
    /// Run the tests of plugins
    Test(TestArgs),
    /// Open a WebSocket, send each typed line and print each received message
    Talk(TalkArgs),
    /// Send a message to a group or a channel
    Send(SendArgs),
    /// Make a component the live version of a plugin
    Deploy(DeployArgs),
    /// Make an older version live again
    Rollback(RollbackArgs),
    /// Approve the capabilities of a pending version, and make it live
    Approve(ApproveArgs),
    /// List the versions of a plugin
    Versions(VersionsArgs),
    /// Show the status of a running host
    Status(StatusArgs),
    /// List the open connections, or close one
    Connections(ConnectionsArgs),
    /// List the rooms of plugins, or close or reset one
    Rooms(RoomsArgs),
    /// Show the last log lines of a running host
    Logs(LogsArgs),
    /// Read, change, back up and restore what plugins have stored
    #[command(subcommand)]
    Kv(KvCommand),
    /// Take a running host out of service
    Drain(DrainArgs),
    /// Reload the configuration of a running host
    Reload(ReloadArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print a generated reference page
    #[command(subcommand, subcommand_value_name = "PAGE", subcommand_help_heading = "Pages")]
    Reference(ReferenceCommand),
    /// Build, inspect and sign plugins
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Compile the component on standard input for the host that has started this process
    #[command(name = COMPILE_COMPONENT, hide = true)]
    CompileComponent,
}
