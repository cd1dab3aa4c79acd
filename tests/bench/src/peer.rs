//! The servers that are measured, all of them echoing.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use clap::ValueEnum;
use serde::{Serialize, Serializer};

use crate::component;
use crate::guest::Calls;
use crate::process::{self, Server};

/// A server under measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// tokio-tungstenite alone, which the others are held against.
    Bare,
    /// The echo plugin as it is: an instance a connection, calls in the fast lane.
    Narrowboat,
    /// The same with every call on a guest thread.
    NarrowboatSlow,
    /// The same with one instance for all connections.
    NarrowboatShared,
    /// The same component in a server that has nothing else of Narrowboat.
    Guest(Calls),
}

impl Serialize for Peer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// The files that servers are started from.
pub(crate) struct Site {
    /// The host's program.
    narrowboat: PathBuf,
    /// The echo plugin.
    component: PathBuf,
    /// Where each server has a folder for its configuration and log.
    folder: PathBuf,
}

impl Site {
    /// Finds what is to be measured.
    pub(crate) fn new(
        narrowboat: PathBuf,
        component: &Path,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        ensure!(
            narrowboat.is_file(),
            "there is no {}; `cargo build --release --package narrowboat` makes it",
            narrowboat.display()
        );
        ensure!(
            component.is_file(),
            "there is no {}; `{} plugin build plugins/echo` makes it",
            component.display(),
            narrowboat.display()
        );
        Ok(Self { narrowboat, component: component.to_owned(), folder: folder.to_owned() })
    }
}

impl Peer {
    /// For people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Bare => "bare tokio-tungstenite",
            Self::Narrowboat => "Narrowboat, an instance a connection",
            Self::NarrowboatSlow => "the lane not taken: the slow one",
            Self::NarrowboatShared => "Narrowboat, one instance shared",
            Self::Guest(Calls::Plain) => "bare with the component, plain calls",
            Self::Guest(Calls::Fiber) => "bare with the component, call_async",
        }
    }

    /// For files.
    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Narrowboat => "narrowboat",
            Self::NarrowboatSlow => "narrowboat-slow",
            Self::NarrowboatShared => "narrowboat-shared",
            Self::Guest(Calls::Plain) => "guest-plain",
            Self::Guest(Calls::Fiber) => "guest-fiber",
        }
    }

    /// Starts it.
    pub(crate) fn start(self, site: &Site) -> anyhow::Result<Server> {
        let folder = site.folder.join(self.name());
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let command = match self {
            Self::Bare => process::role("bare")?,
            Self::Narrowboat => narrowboat(site, &folder, None)?,
            Self::NarrowboatSlow => narrowboat(site, &folder, Some("lane = \"slow\""))?,
            Self::NarrowboatShared => narrowboat(site, &folder, Some("isolation = \"shared\""))?,
            Self::Guest(calls) => {
                let mut command = process::role("guest")?;
                let calls = calls.to_possible_value().context("a kind of call without a name")?;
                command.arg("--component").arg(&site.component);
                command.args(["--calls", calls.get_name()]);
                command
            }
        };
        Server::start(command, &folder.join("log")).with_context(|| self.title().to_owned())
    }
}

/// The path under which every server echoes; the bench's own do so under any.
pub(crate) const PATH: &str = "/echo/";

/// A host with the echo plugin and all defaults. With `wish` its manifest says that and no more.
fn narrowboat(site: &Site, folder: &Path, wish: Option<&str>) -> anyhow::Result<Command> {
    let read = std::fs::read(&site.component);
    let mut component = read.with_context(|| site.component.display().to_string())?;
    if let Some(wish) = wish {
        component = component::with_manifest(&component, &format!("name = \"echo\"\n{wish}\n"))
            .with_context(|| site.component.display().to_string())?;
    }
    write(&folder.join("echo.wasm"), &component)?;
    let config = folder.join("narrowboat.toml");
    write(&config, CONFIG.as_bytes())?;
    let mut command = Command::new(&site.narrowboat);
    command.arg("serve").arg("--config").arg(config);
    Ok(command)
}

const CONFIG: &str = "\
listen = \"127.0.0.1:0\"

[plugins.echo]
component = \"echo.wasm\"

[[routes]]
path = \"/echo/\"
plugin = \"echo\"
";

fn write(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(file, bytes).with_context(|| file.display().to_string())
}
