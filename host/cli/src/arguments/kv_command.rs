//! The commands of `narrowboat kv`.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{ArgGroup, Args, Subcommand};

use super::host_args::{HostArgs, QueryArgs};

#[derive(Subcommand)]
pub(in super::super) enum KvCommand {
    /// Print the value of a key
    #[command(after_help = "\
Examples:
  narrowboat kv get --bucket visits count
  narrowboat kv get --tenant acme --bucket images logo --file logo.png
  narrowboat kv get --bucket sessions 4f2a --json      with the time to live")]
    Get {
        #[command(flatten)]
        entry: EntryArgs,
        /// Write the value to this file instead of standard output. Not together with --json
        #[arg(long, value_name = "FILE", conflicts_with = "json")]
        file: Option<PathBuf>,
        #[command(flatten)]
        query: QueryArgs,
    },
    /// Set the value of a key
    // The usage that clap derives has the key behind the value.
    #[command(
        group(ArgGroup::new("content").required(true).args(["value", "file"])),
        override_usage = "narrowboat kv set [OPTIONS] --bucket <NAME> <KEY> <VALUE|--file <FILE>>",
        after_help = "\
Examples:
  narrowboat kv set --bucket visits count 0
  narrowboat kv set --bucket images logo --file logo.png
  narrowboat kv set --bucket flags banner on --ttl 12h")]
    Set {
        #[command(flatten)]
        entry: EntryArgs,
        /// The value, as text. Not together with --file
        value: Option<String>,
        /// The file with the value; `-` is standard input
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// The time after which the key expires, such as `30s` or `12h`; without it the key does not expire
        #[arg(long, value_name = "TIME")]
        ttl: Option<String>,
        #[command(flatten)]
        host: HostArgs,
    },
    /// Delete a key
    #[command(after_help = "\
Examples:
  narrowboat kv delete --bucket visits count")]
    Delete {
        #[command(flatten)]
        entry: EntryArgs,
        #[command(flatten)]
        host: HostArgs,
    },
    /// List the keys of a bucket
    #[command(after_help = "\
Examples:
  narrowboat kv list --bucket visits
  narrowboat kv list --bucket sessions --prefix user/ --limit 1000
  narrowboat kv list --bucket sessions --cursor user/7 --json")]
    List {
        /// The bucket
        #[arg(long, value_name = "NAME")]
        bucket: String,
        /// Only keys that begin with this text
        #[arg(long, value_name = "TEXT", default_value = "")]
        prefix: String,
        /// The cursor that the page before ended with
        #[arg(long, value_name = "CURSOR")]
        cursor: Option<String>,
        /// The number of keys; with Redis, about that number
        #[arg(long, default_value_t = 100, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
        limit: usize,
        #[command(flatten)]
        query: QueryArgs,
    },
    /// Copy the store of a running host, with all tenants, into a file
    #[command(after_help = "\
Examples:
  narrowboat kv backup keyvalue-2026-11-30.backup")]
    Backup {
        /// The file of the backup, which is replaced if it exists. Only its owner can read it
        file: PathBuf,
        #[command(flatten)]
        host: HostArgs,
    },
    /// Make a backup the store of a host that does not run
    #[command(after_help = "\
Examples:
  narrowboat kv restore keyvalue-2026-11-30.backup
  narrowboat kv restore keyvalue-2026-11-30.backup --replace")]
    Restore {
        /// The file of the backup
        file: PathBuf,
        /// Replace the store that is there; what it has is lost
        #[arg(long)]
        replace: bool,
        /// The host's configuration, whose `[keyvalue]` has the folder of the store
        #[arg(long, value_name = "FILE", default_value = "narrowboat.toml")]
        config: PathBuf,
    },
    /// Remove unused pages from the file of a running host's store
    #[command(after_help = "\
Examples:
  narrowboat kv compact")]
    Compact {
        #[command(flatten)]
        query: QueryArgs,
    },
}

/// A key of a bucket.
#[derive(Args)]
pub(in super::super) struct EntryArgs {
    /// The bucket
    #[arg(long, value_name = "NAME")]
    pub(in super::super) bucket: String,
    /// The key
    pub(in super::super) key: String,
}
