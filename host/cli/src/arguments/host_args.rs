//! The options of commands that ask a running host.

use std::path::PathBuf;

use clap::Args;

/// The options of commands that print a response of a running host.
#[derive(Args)]
pub(in super::super) struct QueryArgs {
    /// Print the host's response as JSON
    #[arg(long)]
    pub(in super::super) json: bool,
    #[command(flatten)]
    pub(in super::super) host: HostArgs,
}

/// The running host, and the token for it.
#[derive(Args)]
pub(in super::super) struct HostArgs {
    /// The host's configuration, whose `[admin]` has the address and the token file
    #[arg(long, value_name = "FILE", default_value = "narrowboat.toml")]
    pub(in super::super) config: PathBuf,
    /// The host's address, such as `http://127.0.0.1:8001`, instead of `listen` of `[admin]`; `https://` works too.
    /// Required if `[admin]` listens on port 0
    #[arg(long, value_name = "URL", env = "NARROWBOAT_ADMIN")]
    pub(in super::super) admin: Option<String>,
    /// The token file, instead of `token_file` of `[admin]`. Only its owner may be able to read it
    #[arg(long, value_name = "FILE", env = "NARROWBOAT_TOKEN_FILE")]
    pub(in super::super) token_file: Option<PathBuf>,
    /// The tenant; a tenant's own token needs no name
    #[arg(long, value_name = "NAME", env = "NARROWBOAT_TENANT")]
    pub(in super::super) tenant: Option<String>,
}
