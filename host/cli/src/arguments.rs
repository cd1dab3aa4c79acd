//! What each command is given.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use narrowboat_config::ListenAddress;

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat serve                          reads ./narrowboat.toml
  narrowboat serve --listen 127.0.0.1:0     takes a free port and prints it
  NARROWBOAT_LOG=debug narrowboat serve     says why each connection ended

The first ctrl-c or SIGTERM closes every connection with 1001 within limits.shutdown_grace; a
further ctrl-c leaves at once, a further SIGTERM changes nothing. SIGHUP reloads the configuration;
SIGUSR1 and SIGUSR2 are ignored.")]
pub(super) struct ServeArgs {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "narrowboat.toml")]
    pub(super) config: PathBuf,
    /// Where to listen, instead of the configuration's `listen`
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Option<ListenAddress>,
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
pub(super) struct DevArgs {
    /// The folder with narrowboat.toml, instead of this one
    pub(super) dir: Option<PathBuf>,
    /// The configuration, instead of DIR/narrowboat.toml
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    pub(super) config: Option<PathBuf>,
    /// Where to listen, instead of the configuration's `listen`
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Option<ListenAddress>,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat send --group chat_red --type chat.message --json '{\"message\": \"hello\"}'
  narrowboat send --channel thumbnails --type thumbnail.make --json '{\"id\": 7}'

The layer's settings are read from the configuration. With Redis the host itself need not run, and consumers of any
host, and of Django processes with the same layer, get the message. A layer in memory is reached through the running
host, which needs [admin].")]
pub(super) struct SendArgs {
    /// The group that it is for
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present = "channel",
        conflicts_with = "channel"
    )]
    pub(super) group: Option<String>,
    /// The channel that it is for
    #[arg(long, value_name = "NAME")]
    pub(super) channel: Option<String>,
    /// The message's type
    #[arg(long = "type", value_name = "TYPE")]
    pub(super) kind: String,
    /// What else the message has
    #[arg(long, value_name = "OBJECT")]
    pub(super) json: Option<String>,
    /// Which of the configuration's layers
    #[arg(long, value_name = "NAME", default_value = narrowboat_config::DEFAULT_LAYER)]
    pub(super) layer: String,
    #[command(flatten)]
    pub(super) host: HostArgs,
}

/// Which running host, and the right to ask it.
#[derive(Args)]
pub(super) struct HostArgs {
    /// The host's configuration, whose [admin] says where it listens and which file has the token
    #[arg(long, value_name = "FILE", default_value = "narrowboat.toml")]
    pub(super) config: PathBuf,
    /// Where it listens instead, such as http://127.0.0.1:8001
    #[arg(long, value_name = "URL", env = "NARROWBOAT_ADMIN")]
    pub(super) admin: Option<String>,
    /// The file with the token instead
    #[arg(long, value_name = "FILE", env = "NARROWBOAT_TOKEN_FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// Whose it is that is asked for; a tenant's own token needs no name
    #[arg(long, value_name = "NAME", env = "NARROWBOAT_TENANT")]
    pub(super) tenant: Option<String>,
}

/// What goes with a change of the live version.
#[derive(Args)]
pub(super) struct RolloutArgs {
    /// Wait until it can no longer be rolled back for its faults, or has been
    #[arg(long)]
    pub(super) wait: bool,
    /// Print what the host answers, as JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) host: HostArgs,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat deploy chat target/narrowboat/chat.wasm
  narrowboat deploy chat chat.wasm --wait          until it can no longer be rolled back for its faults
  narrowboat deploy chat chat.wasm --force         once more, after it was rolled back
  narrowboat deploy chat chat.wasm --admin http://10.0.0.7:8001 --token-file ci.token

Returns when the version is live and every consumer has moved. Exit codes: 3 it was not taken, and the version before
stays; 4 it was live and has been rolled back; 7 it requests more capabilities than the live version, and waits for an
approval.")]
pub(super) struct DeployArgs {
    /// The plugin, as routes call it; a tenant's also as TENANT/PLUGIN
    pub(super) plugin: String,
    /// The component
    pub(super) file: PathBuf,
    /// Deploy it even if the same bytes were rolled back for their faults
    #[arg(long)]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) rollout: RolloutArgs,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat reload            as SIGHUP, and tells what came of it

What is not a tenant's waits for a restart, and is named.")]
pub(super) struct ReloadArgs {
    /// Print what the host answers, as JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) host: HostArgs,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat rollback chat                to the version before
  narrowboat rollback chat 4f2a9c1e       to one that `narrowboat versions chat` lists")]
pub(super) struct RollbackArgs {
    /// The plugin, as routes call it; a tenant's also as TENANT/PLUGIN
    pub(super) plugin: String,
    /// The version, by its first digits; the one before if left out
    pub(super) version: Option<String>,
    #[command(flatten)]
    pub(super) rollout: RolloutArgs,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat approve chat 4f2a9c1e        one that `narrowboat versions chat` lists as pending or superseded

A version that requests more capabilities than the live one waits until somebody approves whose token has the scope
`approve`. `narrowboat versions chat` shows the requested capabilities. Exit codes as those of `narrowboat deploy`.")]
pub(super) struct ApproveArgs {
    /// The plugin, as routes call it; a tenant's also as TENANT/PLUGIN
    pub(super) plugin: String,
    /// The version, by its first digits, as `narrowboat deploy` and `narrowboat versions` tell them
    pub(super) version: String,
    #[command(flatten)]
    pub(super) rollout: RolloutArgs,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  narrowboat versions chat")]
pub(super) struct VersionsArgs {
    /// The plugin, as routes call it; a tenant's also as TENANT/PLUGIN
    pub(super) plugin: String,
    /// Print what the host answers, as JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) host: HostArgs,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat status
  narrowboat status --json")]
pub(super) struct StatusArgs {
    /// Print what the host answers, as JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) host: HostArgs,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat connections
  narrowboat connections chat --limit 1000
  narrowboat connections --close 'specific.4f2a…!9c1e…' --code 4000 --reason bye")]
pub(super) struct ConnectionsArgs {
    /// Those of one plugin; of a tenant's also as TENANT/PLUGIN
    pub(super) plugin: Option<String>,
    /// So many at most, the newest first
    #[arg(long, default_value_t = 100)]
    pub(super) limit: usize,
    /// Close the connection of this channel
    #[arg(long, value_name = "CHANNEL", conflicts_with_all = ["plugin", "json"])]
    pub(super) close: Option<String>,
    /// With this code
    #[arg(long, default_value_t = 1001, requires = "close")]
    pub(super) code: u16,
    /// And this reason
    #[arg(long, default_value = "", requires = "close")]
    pub(super) reason: String,
    /// Print what the host answers, as JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) host: HostArgs,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  narrowboat logs chat
  narrowboat logs chat -f            goes on with what comes
  narrowboat logs --json -n 500      of the whole host, an object a line")]
pub(super) struct LogsArgs {
    /// What is about one plugin; a tenant's also as TENANT/PLUGIN
    pub(super) plugin: Option<String>,
    /// Go on with what comes
    #[arg(short, long)]
    pub(super) follow: bool,
    /// So many of the last lines
    #[arg(short = 'n', long, default_value_t = 100)]
    pub(super) lines: usize,
    /// Print lines as JSON
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

It takes no more connections and is not ready from then on, so that a balancer goes elsewhere, and closes those there are
with 1012, evenly over the time. Returns when none is left; SIGTERM then ends the host.")]
pub(super) struct DrainArgs {
    /// The time over which the closes are spread
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub(super) duration: String,
    #[command(flatten)]
    pub(super) host: HostArgs,
}

#[derive(Subcommand)]
pub(super) enum ReferenceCommand {
    /// The manual page, for `man`
    Man,
    /// What a configuration may bound, as Markdown
    Limits,
    /// What `/metrics` tells, as Markdown
    Metrics,
    /// The paths and schemas of the admin API, as Markdown
    AdminApi,
}

#[derive(Subcommand)]
pub(super) enum PluginCommand {
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
Examples:
  narrowboat plugin inspect target/narrowboat/echo.wasm
  narrowboat plugin inspect chat.wasm --key release.pub    and whether chat.wasm.sig is a signature by this key

Exit code 1 also where the signature is none by the key.")]
    Inspect {
        /// The component
        file: PathBuf,
        /// A public key, as PEM, that has to have signed it
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Make a pair of keys: to sign components with, and for hosts to know them by
    #[command(after_help = "\
Example:
  narrowboat plugin keygen release    writes release.pem, which signs, and release.pub, for [signatures] keys

Files that are there already are left as they are. The same with openssl:
  openssl genpkey -algorithm ed25519 -out release.pem
  openssl pkey -in release.pem -pubout -out release.pub")]
    Keygen {
        /// The files' name, without .pem and .pub
        name: PathBuf,
    },
    /// Sign a component, for hosts whose configuration has [signatures]
    #[command(after_help = "\
Example:
  narrowboat plugin sign chat.wasm --key release.pem    writes chat.wasm.sig

The signature is of the file's bytes, by Ed25519, and has 64 bytes. The same with openssl:
  openssl pkeyutl -sign -rawin -inkey release.pem -in chat.wasm -out chat.wasm.sig")]
    Sign {
        /// The component
        file: PathBuf,
        /// The private key, as PEM (PKCS#8) without a password, in a file that nobody else can read
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
}
