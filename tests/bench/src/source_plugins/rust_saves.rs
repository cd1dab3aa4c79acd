//! The time from a saved source in Rust to the first reply of the new code under `narrowboat dev`, for comparison.

use std::path::{Path, PathBuf};

use anyhow::Context;
use narrowboat_core::manifest::Language;

use super::open_connection::time_changes;
use super::source_figure::SourceFigure;
use super::source_host::SourceHosts;

/// The source of `plugins/echo`.
const ECHO: &str = include_str!("../../../../plugins/echo/src/lib.rs");

/// The root of the repository.
const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// A copy of the crate `plugins/echo`. It stays between runs, so that its dependencies are compiled once.
struct EchoCrate {
    folder: PathBuf,
}

/// Changes a crate under `dev`, once for all languages.
pub(super) fn measure(hosts: &SourceHosts<'_>, rounds: usize) -> anyhow::Result<Vec<SourceFigure>> {
    if hosts.language().language != Language::Python {
        return Ok(Vec::new());
    }
    let echo = EchoCrate::create(hosts.site().folder_path("rust-echo")?)?;
    let mut host = hosts.set_up("save-rust", "")?;
    host.configure(&format!(
        "[plugins.echo]\ncrate = {:?}\n[[routes]]\npath = \"/echo/\"\nplugin = \"echo\"\n",
        echo.folder.display().to_string()
    ));
    let server = host.start("dev")?;
    let times =
        time_changes(server.address(), "/echo/", rounds, |version| echo.reply_with(version))?;
    let title =
        "for comparison, a saved source in Rust, to its first reply on an open connection, dev";
    Ok(vec![SourceFigure::best(title, "ms", times)?.at_most(1_500.0)])
}

impl EchoCrate {
    fn create(folder: PathBuf) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder.join("src"))
            .with_context(|| folder.display().to_string())?;
        let root = std::path::absolute(REPOSITORY)?;
        // The same dependencies as in the repository.
        std::fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
        let sdk = root.join("guest-sdk").display().to_string();
        let manifest = format!(
            "[package]\nname = \"echo\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
             [lib]\ncrate-type = [\"cdylib\"]\n[workspace]\n[dependencies]\n\
             narrowboat-guest = {{ path = {sdk:?} }}\nserde = \"1\"\n"
        );
        let echo = Self { folder };
        write_file(&echo.folder.join("Cargo.toml"), &manifest)?;
        write_file(&echo.folder.join("plugin.toml"), "name = \"echo\"\n")?;
        write_file(&echo.folder.join("src/lib.rs"), ECHO)?;
        Ok(echo)
    }

    /// Changes the source, so that the plugin sends `text` in place of the received frame.
    fn reply_with(&self, text: &str) -> anyhow::Result<()> {
        let reply = format!("connection.send(Frame::Text(\"{text}\".into()))");
        let source = ECHO.replace("connection.send(frame)", &format!("{{ drop(frame); {reply} }}"));
        write_file(&self.folder.join("src/lib.rs"), &source)
    }
}

fn write_file(file: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(file, text).with_context(|| file.display().to_string())
}
