//! The commands of `narrowboat plugin`.

use std::path::PathBuf;

use clap::Subcommand;

use narrowboat_config::Limits;
use narrowboat_core::units::ByteSize;

#[derive(Subcommand)]
pub(in super::super) enum PluginCommand {
    /// Build a guest crate into a component with its manifest, or a source plugin into a source bundle
    #[command(after_help = "\
Examples:
  narrowboat plugin build plugins/echo
  narrowboat plugin build . --out /srv/plugins/echo.wasm
  narrowboat plugin build plugins/chat    with a runtime in its plugin.toml: writes narrowboat/NAME.narrowboat

The folder has a plugin.toml with at least `name = \"…\"`. The Cargo.toml of a crate has
`[lib] crate-type = [\"cdylib\"]` and depends on narrowboat-guest and serde. The packages in the requirements.txt of a
source plugin are installed with uv or pip, unless the folder vendor has them. Its source is loaded once, in the
sandbox and without effects, and an error in it ends the command.")]
    Build {
        /// The folder of the guest crate or source plugin
        dir: PathBuf,
        /// The path of the component or source bundle, instead of `narrowboat/NAME.wasm` in cargo's target folder or
        /// `narrowboat/NAME.narrowboat` in the current folder
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// The largest source bundle, as `limits.max_component` of the host
        #[arg(long, value_name = "SIZE", default_value_t = Limits::default().max_component)]
        max_size: ByteSize,
        /// Do not check a source plugin, for a host whose limits are higher than the default ones
        #[arg(long)]
        no_check: bool,
    },
    /// Give a component of any tool a manifest
    #[command(after_help = "\
Examples:
  narrowboat plugin pack echo.wasm plugin.toml             writes narrowboat/NAME.wasm
  narrowboat plugin pack echo.wasm plugin.toml --out /srv/plugins/echo.wasm

The component is one for wit/consumer.wit that another tool made, such as componentize-py, jco or wit-bindgen. The
manifest has at least `name = \"…\"`.")]
    Pack {
        /// The component
        file: PathBuf,
        /// The manifest, such as plugin.toml
        manifest: PathBuf,
        /// The path of the result, instead of narrowboat/NAME.wasm in the current folder
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Print the contents of a component or source bundle: exports or files, capabilities, size, SHA-256 and manifest
    #[command(after_help = "\
Examples:
  narrowboat plugin inspect target/narrowboat/echo.wasm
  narrowboat plugin inspect narrowboat/chat.narrowboat
  narrowboat plugin inspect chat.wasm --key release.pub    also checks chat.wasm.sig with this key

Exit code 1 if the signature is missing or not by the key.")]
    Inspect {
        /// The component or source bundle
        file: PathBuf,
        /// A public key as PEM, with which the signature in FILE.sig is checked
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Create a key pair: a private key to sign components and source bundles, and a public key for hosts
    #[command(after_help = "\
Example:
  narrowboat plugin keygen release    writes release.pem, which signs, and release.pub, for [signatures] keys

Existing files are not overwritten. The same with openssl:
  openssl genpkey -algorithm ed25519 -out release.pem
  openssl pkey -in release.pem -pubout -out release.pub")]
    Keygen {
        /// The name of the files: NAME.pem, which signs, and NAME.pub
        name: PathBuf,
    },
    /// Sign a component or source bundle, for hosts whose configuration has `[signatures]`
    #[command(after_help = "\
Example:
  narrowboat plugin sign chat.wasm --key release.pem    writes chat.wasm.sig

The signature is the Ed25519 signature of the file's bytes and has 64 bytes. The same with openssl:
  openssl pkeyutl -sign -rawin -inkey release.pem -in chat.wasm -out chat.wasm.sig")]
    Sign {
        /// The component or source bundle. The signature is written to FILE.sig
        file: PathBuf,
        /// The private key as PEM (PKCS#8) without a password, in a file that only its owner can read
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
}
