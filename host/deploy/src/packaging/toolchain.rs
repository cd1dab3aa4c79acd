//! Finds a Rust compiler for WebAssembly.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use thiserror::Error;

/// The target that guests are compiled for. A component of this target imports only the interfaces of its WIT world.
pub(super) const TARGET: &str = "wasm32-unknown-unknown";

/// The environment variable that names a sysroot with a standard library for [`TARGET`].
const SYSROOT_VARIABLE: &str = "NARROWBOAT_WASM_SYSROOT";

/// The folder of such a sysroot below cargo's target folder, if the variable is not set.
const SYSROOT_FOLDER: &str = "wasm-sysroot";

/// The environment with which cargo compiles for [`TARGET`].
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Toolchain {
    environment: Vec<(&'static str, OsString)>,
}

/// Why guests cannot be compiled.
#[derive(Debug, Error)]
pub enum ToolchainError {
    /// No compiler has the target.
    #[error(
        "no Rust compiler here can compile for {TARGET}; run `rustup target add {TARGET}`, or name \
         a sysroot that has it with {SYSROOT_VARIABLE}"
    )]
    NoTarget,
    /// The sysroot has no file that names its compiler.
    #[error("{}: {source}; a wasm sysroot names its compiler in a file `rustc`", file.display())]
    Sysroot {
        /// The missing file.
        file: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
}

impl Toolchain {
    /// Returns the active compiler if it has the target, otherwise a private sysroot, otherwise the system's compiler.
    ///
    /// # Errors
    /// When none of them has the target.
    pub(super) fn find(cargo_target: &Path) -> Result<Self, ToolchainError> {
        if has_target("rustc") {
            return Ok(Self::default());
        }
        let named = std::env::var_os(SYSROOT_VARIABLE).map(PathBuf::from);
        let sysroot = named.unwrap_or_else(|| cargo_target.join(SYSROOT_FOLDER));
        if sysroot.join("lib/rustlib").join(TARGET).is_dir() {
            return Self::with_sysroot(&sysroot);
        }
        let system = "/usr/bin/rustc";
        if has_target(system) {
            return Ok(Self { environment: vec![("RUSTC", system.into())] });
        }
        Err(ToolchainError::NoTarget)
    }

    fn with_sysroot(sysroot: &Path) -> Result<Self, ToolchainError> {
        let file = sysroot.join("rustc");
        let rustc = match std::fs::read_to_string(&file) {
            Ok(rustc) => rustc.trim().to_owned(),
            Err(source) => return Err(ToolchainError::Sysroot { file, source }),
        };
        let mut flags = OsString::from("--sysroot ");
        flags.push(sysroot);
        let environment = vec![
            ("RUSTC", OsString::from(rustc)),
            ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", flags),
            ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", find_linker()),
        ];
        Ok(Self { environment })
    }

    /// Returns a command that runs cargo with this toolchain.
    pub(super) fn cargo_command(&self) -> Command {
        let mut cargo = Command::new("cargo");
        cargo.envs(self.environment.iter().map(|(name, value)| (name, value)));
        cargo
    }
}

/// Whether a compiler has the standard library of the target. It names the library's folder even if the library is not
/// installed.
fn has_target(rustc: &str) -> bool {
    let folder = command_output(rustc, &["--print", "target-libdir", "--target", TARGET]);
    let files = folder.and_then(|folder| std::fs::read_dir(folder).ok());
    files
        .into_iter()
        .flatten()
        .flatten()
        .any(|file| file.file_name().to_str().is_some_and(|name| name.starts_with("libstd-")))
}

/// Returns the linker of rustup's compiler, which the sysroot's own compiler may lack, or else the system's linker.
fn find_linker() -> OsString {
    let library = command_output("rustc", &["--print", "target-libdir"]);
    let beside = library.and_then(|library| {
        Some(Path::new(&library).parent()?.join("bin/rust-lld")).filter(|linker| linker.is_file())
    });
    beside.map_or_else(|| "wasm-ld".into(), PathBuf::into_os_string)
}

fn command_output(rustc: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(rustc).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
