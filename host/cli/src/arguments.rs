//! The arguments of the commands. Options that several commands have in common are structs that clap flattens.

mod host_args;
mod kv_command;
mod plugin_command;

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{ArgGroup, Args, Subcommand};

use super::new::{ProjectLanguage, Template};
pub(super) use host_args::{HostArgs, QueryArgs};
pub(super) use kv_command::{EntryArgs, KvCommand};
use narrowboat_config::ListenAddress;
pub(super) use plugin_command::PluginCommand;

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat serve                          reads ./narrowboat.toml
  narrowboat serve --listen 127.0.0.1:0     takes a free port and prints it
  NARROWBOAT_LOG=debug narrowboat serve     logs why each connection ended

The first ctrl-c or SIGTERM closes every connection with 1001 within limits.shutdown_grace. A
second ctrl-c ends the host at once; a second SIGTERM has no effect. SIGHUP reloads the
configuration. SIGUSR1 and SIGUSR2 are ignored.")]
pub(super) struct ServeArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "narrowboat.toml")]
    pub(super) config: PathBuf,
    #[command(flatten)]
    pub(super) listen: ListenArg,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat new chat                           a plugin in Python that sends each message back
  narrowboat new chat --template chat           chat rooms
  narrowboat new chat --lang rust               the same in Rust
  narrowboat dev chat                           serves it

The folder gets the plugin's code, its plugin.toml, a narrowboat.toml that serves it, and what the
code builds on: for Python the types of the runtime's modules in typings, for JavaScript and
TypeScript those in narrowboat.d.ts, for Rust the SDK in vendor/narrowboat-guest. The name of the
folder is the name of the plugin: 1 to 64 of a-z, 0-9, - and _, beginning with a letter.")]
pub(super) struct NewArgs {
    /// The folder to create; it may exist if it is empty
    #[arg(value_name = "NAME")]
    pub(super) folder: PathBuf,
    /// The language of the plugin
    #[arg(long = "lang", value_enum, default_value = "python")]
    pub(super) language: ProjectLanguage,
    /// The plugin to begin with
    #[arg(long, value_enum, default_value = "echo")]
    pub(super) template: Template,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat dev                              reads ./narrowboat.toml
  narrowboat dev chat                         reads chat/narrowboat.toml
  narrowboat dev chat --listen 127.0.0.1:0    takes a free port and prints it

Builds the plugins that the configuration names by `crate`, serves them and watches their sources,
those of the crates that they name by path, and the workspace's Cargo.toml and Cargo.lock. If a
build fails, the old version serves on. Serves the folders that the configuration names by `source`,
and takes changes of the configuration without a restart. The command stops as `narrowboat serve`
does, and ends a running build.")]
pub(super) struct DevArgs {
    /// The folder with narrowboat.toml, instead of the current one. Not together with --config
    pub(super) dir: Option<PathBuf>,
    /// The configuration file, instead of DIR/narrowboat.toml. Not together with DIR
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    pub(super) config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) listen: ListenArg,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat test                        the tests of all plugins of ./narrowboat.toml
  narrowboat test plugins/chat           those of one plugin
  narrowboat test --filter rooms         those with `rooms` in their names

Runs files test_*.py, *.test.js and *.test.ts in the sandbox, and the tests of crates by cargo. The
plugins run in the sandbox, with a layer in memory, a clock that only the test advances, and without
sockets. The exit code is 1 if a test fails.")]
pub(super) struct TestArgs {
    /// The folder of a plugin, or one with narrowboat.toml
    #[arg(default_value = ".")]
    pub(super) dir: PathBuf,
    /// Run only the tests that have this text in their names
    #[arg(long, value_name = "TEXT")]
    pub(super) filter: Option<String>,
    /// Print a JSON object for each test, and one for the summary
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  narrowboat talk ws://127.0.0.1:8000/echo/

Prints each received text after `< `. ctrl-d closes the connection. A URL with wss:// is not supported.")]
pub(super) struct TalkArgs {
    /// The URL of the WebSocket, such as `ws://127.0.0.1:8000/echo/`; `wss://` is not supported
    pub(super) url: String,
    /// The origin of the handshake, such as `https://example.com`, for a host with `allowed_origins`
    #[arg(long, value_name = "ORIGIN")]
    pub(super) origin: Option<String>,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat send --group chat_red --type chat.message --json '{\"message\": \"hello\"}'
  narrowboat send --channel thumbnails --type thumbnail.make --json '{\"id\": 7}'

The configuration has the settings of the layer. With a Redis layer no host needs to run, and consumers of all hosts
and Django processes with the same layer get the message. A layer in memory is reached through the running host, which
needs [admin].")]
#[command(group(ArgGroup::new("target").required(true)))]
pub(super) struct SendArgs {
    /// The group that gets the message. Required without --channel, and not together with it
    #[arg(long, value_name = "NAME", group = "target", conflicts_with = "channel")]
    pub(super) group: Option<String>,
    /// The channel that gets the message. Required without --group, and not together with it
    #[arg(long, value_name = "NAME", group = "target")]
    pub(super) channel: Option<String>,
    /// The message's type
    #[arg(long = "type", value_name = "TYPE")]
    pub(super) kind: String,
    /// The other entries of the message, as a JSON object
    #[arg(long, value_name = "OBJECT")]
    pub(super) json: Option<String>,
    /// The layer of the configuration
    #[arg(long, value_name = "NAME", default_value = narrowboat_config::DEFAULT_LAYER)]
    pub(super) layer: String,
    #[command(flatten)]
    pub(super) host: HostArgs,
}

/// The address to listen on.
#[derive(Args)]
pub(super) struct ListenArg {
    /// The address to listen on, instead of `listen` of the configuration: an address or name, and a port. With port 0 the
    /// host takes a free port and prints it
    #[arg(long = "listen", value_name = "ADDR")]
    pub(super) address: Option<ListenAddress>,
}

/// The plugin that a command is about.
#[derive(Args)]
pub(super) struct PluginArg {
    /// The plugin's name in the routes; TENANT/PLUGIN for a plugin of a tenant
    #[arg(value_name = "PLUGIN")]
    pub(super) plugin: String,
}

/// The options of commands that change the live version.
#[derive(Args)]
pub(super) struct RolloutArgs {
    /// Wait for the end of the rollback window, or for the rollback of the version
    #[arg(long)]
    pub(super) wait: bool,
    #[command(flatten)]
    pub(super) query: QueryArgs,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat deploy chat target/narrowboat/chat.wasm
  narrowboat deploy chat plugins/chat              packs the folder of a source plugin
  narrowboat deploy chat chat.narrowboat           a source bundle of `narrowboat plugin build`
  narrowboat deploy chat chat.wasm --wait          waits for the end of the rollback window
  narrowboat deploy chat chat.wasm --force         deploys it again after a rollback
  narrowboat deploy chat chat.wasm --admin http://10.0.0.7:8001 --token-file ci.token

Returns when the version is live and every consumer has moved. Exit codes: 3 the version was refused, and the live
version stays; 4 the version was live and was rolled back; 7 the version requests more capabilities than the live
version, and waits for an approval.")]
pub(super) struct DeployArgs {
    #[command(flatten)]
    pub(super) plugin: PluginArg,
    /// The component, the source bundle, or the folder of a source plugin. A signature in FILE.sig is sent along
    pub(super) file: PathBuf,
    /// Deploy the bytes even if they were rolled back for their faults
    #[arg(long)]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) rollout: RolloutArgs,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat reload            as SIGHUP, and prints the result

Changes of keys that belong to no tenant require a restart. The output lists these keys.")]
pub(super) struct ReloadArgs {
    #[command(flatten)]
    pub(super) query: QueryArgs,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat rollback chat                to the previous version
  narrowboat rollback chat 4f2a9c1e       to a version that `narrowboat versions chat` lists")]
pub(super) struct RollbackArgs {
    #[command(flatten)]
    pub(super) plugin: PluginArg,
    /// A kept version, by four or more of its first digits; the previous version if omitted
    pub(super) version: Option<String>,
    #[command(flatten)]
    pub(super) rollout: RolloutArgs,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat approve chat 4f2a9c1e        a version that `narrowboat versions chat` lists as pending or superseded

A version that requests more capabilities than the live one waits for an approval, which needs a token with the scope
`approve`. `narrowboat versions chat` shows the requested capabilities. The exit codes are those of `narrowboat deploy`.")]
pub(super) struct ApproveArgs {
    #[command(flatten)]
    pub(super) plugin: PluginArg,
    /// A version that `narrowboat versions` lists as pending or superseded, by four or more of its first digits
    pub(super) version: String,
    #[command(flatten)]
    pub(super) rollout: RolloutArgs,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  narrowboat versions chat")]
pub(super) struct VersionsArgs {
    #[command(flatten)]
    pub(super) plugin: PluginArg,
    #[command(flatten)]
    pub(super) query: QueryArgs,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat status
  narrowboat status --json")]
pub(super) struct StatusArgs {
    #[command(flatten)]
    pub(super) query: QueryArgs,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat connections
  narrowboat connections chat --limit 1000
  narrowboat connections --close 'specific.4f2a…!9c1e…' --code 4000 --reason bye")]
pub(super) struct ConnectionsArgs {
    /// Only connections of this plugin; TENANT/PLUGIN for a plugin of a tenant
    pub(super) plugin: Option<String>,
    /// At most this number, the newest first. The host lists at most 1,000
    #[arg(long, default_value_t = 100, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    pub(super) limit: usize,
    /// Close the connection of this channel instead. Not together with PLUGIN or --json
    #[arg(long, value_name = "CHANNEL", conflicts_with_all = ["plugin", "json"])]
    pub(super) close: Option<String>,
    /// The close code, only with --close
    #[arg(long, default_value_t = 1001, requires = "close")]
    pub(super) code: u16,
    /// The close reason, only with --close
    #[arg(long, default_value = "", requires = "close")]
    pub(super) reason: String,
    #[command(flatten)]
    pub(super) query: QueryArgs,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat rooms
  narrowboat rooms chat --sleeping
  narrowboat rooms chat --close lobby
  narrowboat rooms acme/chat --reset lobby")]
pub(super) struct RoomsArgs {
    /// Only rooms of this plugin; TENANT/PLUGIN for a plugin of a tenant
    pub(super) plugin: Option<String>,
    /// List the rooms of PLUGIN that sleep. Not together with --close or --reset
    #[arg(long, requires = "plugin", conflicts_with_all = ["close", "reset"])]
    pub(super) sleeping: bool,
    /// With --sleeping: the cursor of the page before
    #[arg(long, requires = "sleeping")]
    pub(super) cursor: Option<String>,
    /// At most this number: those with the most visitors, or those that sleep. The host lists at most 1,000
    #[arg(long, default_value_t = 100, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    pub(super) limit: usize,
    /// Close the connections of this room, save it, and let it sleep. Not together with --reset or --json
    #[arg(long, value_name = "ROOM", requires = "plugin", conflicts_with_all = ["reset", "json"])]
    pub(super) close: Option<String>,
    /// Close the connections of this room, and delete its state. Not together with --json
    #[arg(long, value_name = "ROOM", requires = "plugin", conflicts_with = "json")]
    pub(super) reset: Option<String>,
    #[command(flatten)]
    pub(super) query: QueryArgs,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat logs chat
  narrowboat logs chat -f            prints new lines as they come
  narrowboat logs --json -n 500      the whole host, a JSON object on each line")]
pub(super) struct LogsArgs {
    /// Only lines about this plugin, not those of all plugins and of the host itself; TENANT/PLUGIN for a plugin of a tenant
    pub(super) plugin: Option<String>,
    /// Print new lines as they come
    #[arg(short, long)]
    pub(super) follow: bool,
    /// The number of last lines. The host keeps 500 for each plugin and 500 for itself
    #[arg(short = 'n', long, default_value_t = 100)]
    pub(super) lines: usize,
    /// Print each line as a JSON object
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) host: HostArgs,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat drain
  narrowboat drain --duration 5m

The host accepts no more connections and is not ready, so that a load balancer sends clients to other hosts. It closes the
open connections with 1012, evenly over the time. The command returns when no connection is left; SIGTERM then ends the
host.")]
pub(super) struct DrainArgs {
    /// The time over which the closes are spread, at most a day
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub(super) duration: String,
    #[command(flatten)]
    pub(super) host: HostArgs,
}

#[derive(Subcommand)]
pub(super) enum ReferenceCommand {
    /// The manual page, for `man`
    Man,
    /// The keys of narrowboat.toml, as Markdown
    Configuration,
    /// The keys of plugin.toml, as Markdown
    Manifest,
    /// The limits of a configuration, as Markdown
    Limits,
    /// The metrics of `/metrics`, as Markdown
    Metrics,
    /// The paths and schemas of the admin API, as Markdown
    AdminApi,
    /// The commands, options and exit codes of this program, as Markdown
    Cli,
    /// The close codes of connections, as Markdown
    CloseCodes,
    /// The responses of the host to a handshake, as Markdown
    HttpResponses,
}
