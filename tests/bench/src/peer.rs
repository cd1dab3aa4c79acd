//! The servers that are measured.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde::{Serialize, Serializer};

use crate::component;
use crate::guest::CallKind;
use crate::process::{self, ServerProcess};
use crate::service::Service;

/// A server under measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// tokio-tungstenite alone: the limit of our stack.
    Bare,
    /// Node's `ws`.
    Ws,
    /// Django Channels with uvicorn.
    Uvicorn,
    /// Django Channels with daphne.
    Daphne,
    /// The host with an instance of the plugin a connection, calls in the fast lane.
    InstancePerConnection,
    /// The same with one instance for all connections.
    SharedInstance,
    /// An instance a connection, with every call on a guest thread.
    OnGuestThread,
    /// The echo plugin in a server that has nothing else of Narrowboat.
    Guest(CallKind),
}

impl Serialize for Peer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}

/// The files that servers are started from.
#[derive(Debug, Clone, Args)]
pub(crate) struct BenchFiles {
    /// The host's program, if it does not lie beside this one
    #[arg(long)]
    narrowboat: Option<PathBuf>,
    /// The plugins' components
    #[arg(long, default_value = "target/narrowboat")]
    components: PathBuf,
    /// Python with Channels, uvicorn and daphne
    #[arg(long, default_value = "target/venv/bin/python")]
    python: PathBuf,
    /// Where the other servers' programs are
    #[arg(long, default_value = "tests/peers")]
    peers: PathBuf,
    /// Where npm has put `ws`
    #[arg(long, default_value = "target/node_modules")]
    node_modules: PathBuf,
    /// Where each server has a folder for its configuration and log
    #[arg(long, default_value = "target/bench")]
    folder: PathBuf,
}

impl BenchFiles {
    /// The host's program.
    pub(crate) fn narrowboat_path(&self) -> anyhow::Result<PathBuf> {
        match &self.narrowboat {
            Some(file) => Ok(file.clone()),
            None => Ok(process::current_program()?.with_file_name("narrowboat")),
        }
    }

    /// A plugin's component.
    pub(crate) fn component_path(&self, plugin: &str) -> PathBuf {
        self.components.join(format!("{plugin}.wasm"))
    }

    /// An empty folder of that name.
    pub(crate) fn create_folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
        }
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        Ok(folder)
    }

    /// A host that serves a service by its plugin, with room for so many connections and all else as it is
    /// when nobody says otherwise. Its manifest says a wish, if there is one, and asks for all
    /// groups.
    fn narrowboat_command(
        &self,
        folder: &Path,
        service: Service,
        connections: Option<usize>,
        wish: Option<&str>,
    ) -> anyhow::Result<Command> {
        let (plugin, path) = (service.plugin(), service.path());
        let file = self.component_path(plugin);
        let mut component = std::fs::read(&file)
            .with_context(|| format!("{}; `narrowboat plugin build` makes it", file.display()))?;
        if let Some(wish) = wish {
            let asks = "capabilities = { groups = [\"*\"] }";
            let manifest = format!("name = \"{plugin}\"\n{wish}\n{asks}\n");
            component = component::replace_manifest(&component, &manifest)
                .with_context(|| file.display().to_string())?;
        }
        write_file(&folder.join("plugin.wasm"), &component)?;
        // A plugin of rooms wants to know which.
        let path = path.replace("/bench/", "/{room}/");
        let limits = connections
            .map_or_else(String::new, |most| format!("[limits]\nmax_connections = {most}\n"));
        let text = format!(
            "listen = \"127.0.0.1:0\"\n[plugins.{plugin}]\ncomponent = \"plugin.wasm\"\n\
             grants = \"all\"\n\
             [[routes]]\npath = \"{path}\"\nplugin = \"{plugin}\"\n{limits}"
        );
        let config = folder.join("narrowboat.toml");
        write_file(&config, text.as_bytes())?;
        let mut command = Command::new(self.narrowboat_path()?);
        command.arg("serve").arg("--config").arg(config);
        Ok(command)
    }

    fn channels_command(&self, server: &str) -> anyhow::Result<Command> {
        let mut command = Command::new(std::path::absolute(&self.python)?);
        command.args(["serve.py", server]).current_dir(&self.peers);
        let layers = r#"{"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}"#;
        command.env("CHANNEL_LAYERS", layers);
        Ok(command)
    }

    fn ws_command(&self, service: Service) -> anyhow::Result<Command> {
        let package = std::path::absolute(self.node_modules.join("ws/wrapper.mjs"))?;
        let mut command = Command::new("node");
        command.arg(self.peers.join("ws.mjs")).arg(package);
        if let Service::Room(_) = service {
            command.arg("room");
        }
        Ok(command)
    }
}

impl Peer {
    /// For people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Bare => "bare tokio-tungstenite",
            Self::Ws => "Node's ws",
            Self::Uvicorn => "Channels, uvicorn",
            Self::Daphne => "Channels, daphne",
            Self::InstancePerConnection => "Narrowboat, an instance each",
            Self::SharedInstance => "Narrowboat, shared instance",
            Self::OnGuestThread => "Narrowboat, the slow lane",
            Self::Guest(CallKind::Plain) => "bare with the plugin, plain calls",
            Self::Guest(CallKind::Fiber) => "bare with the plugin, call_async",
        }
    }

    /// For files.
    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Ws => "ws",
            Self::Uvicorn => "channels-uvicorn",
            Self::Daphne => "channels-daphne",
            Self::InstancePerConnection => "narrowboat",
            Self::SharedInstance => "narrowboat-shared",
            Self::OnGuestThread => "narrowboat-slow",
            Self::Guest(CallKind::Plain) => "guest-plain",
            Self::Guest(CallKind::Fiber) => "guest-fiber",
        }
    }

    /// Starts it, with room for so many connections if that is more than the usual.
    pub(crate) fn start(
        self,
        site: &BenchFiles,
        service: Service,
        connections: Option<usize>,
    ) -> anyhow::Result<ServerProcess> {
        let folder = site.create_folder(self.name())?;
        let host = |wish| site.narrowboat_command(&folder, service, connections, wish);
        let command = match self {
            Self::Bare => {
                let mut command = process::role_command("bare")?;
                if let Service::Room(_) = service {
                    command.arg("--room");
                }
                command
            }
            Self::Ws => site.ws_command(service)?,
            Self::Uvicorn => site.channels_command("uvicorn")?,
            Self::Daphne => site.channels_command("daphne")?,
            Self::InstancePerConnection => host(None)?,
            Self::SharedInstance => host(Some("isolation = \"shared\""))?,
            Self::OnGuestThread => host(Some("execution = \"thread\""))?,
            Self::Guest(calls) => {
                let mut command = process::role_command("guest")?;
                let calls = calls.to_possible_value().context("a kind of call without a name")?;
                command.arg("--component").arg(site.component_path("echo"));
                command.args(["--calls", calls.get_name()]);
                command
            }
        };
        ServerProcess::start(command, &folder.join("log")).with_context(|| self.title().to_owned())
    }
}

fn write_file(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(file, bytes).with_context(|| file.display().to_string())
}
