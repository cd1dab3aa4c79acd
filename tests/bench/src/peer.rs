//! The servers under measurement.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use clap::{Args, ValueEnum};
use narrowboat_core::manifest::Language;
use serde::{Serialize, Serializer};

use crate::component;
use crate::guest::CallKind;
use crate::process::{self, ServerProcess};
use crate::service::Service;

/// A server under measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Bun, whose server is uWebSockets: the baseline of the ratios.
    Bun,
    /// gorilla/websocket on Go.
    Gorilla,
    /// A bare tokio-tungstenite server: the upper limit for a server on this stack.
    Bare,
    /// `ws` on Node.js.
    Ws,
    /// Django Channels with uvicorn.
    Uvicorn,
    /// Django Channels with daphne.
    Daphne,
    /// The host with an instance for each connection, and short calls on the socket's task.
    InstancePerConnection,
    /// The host with one instance for all connections.
    SharedInstance,
    /// The host with an instance for each connection, and every call on a guest thread.
    OnGuestThread,
    /// The host with a source plugin, which has an instance for each connection.
    Source(Language),
    /// The echo plugin in a server without the other parts of Narrowboat.
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

/// The files that the servers need.
#[derive(Debug, Clone, Args)]
pub(crate) struct BenchFiles {
    /// The host's program, if it is not next to this one
    #[arg(long)]
    narrowboat: Option<PathBuf>,
    /// The folder of the plugins' components
    #[arg(long, default_value = "target/narrowboat")]
    components: PathBuf,
    /// The Python interpreter with Channels, uvicorn and daphne
    #[arg(long, default_value = "target/venv/bin/python")]
    python: PathBuf,
    /// The folder of the other servers' programs
    #[arg(long, default_value = "tests/peers")]
    peers: PathBuf,
    /// The folder in which npm installed `bun` and `ws`
    #[arg(long, default_value = "target/node_modules")]
    node_modules: PathBuf,
    /// The server that was built with gorilla/websocket
    #[arg(long, default_value = "target/peers/gorilla")]
    gorilla: PathBuf,
    /// The folder of the source plugins, by language
    #[arg(long, default_value = "plugins")]
    sources: PathBuf,
    /// The folder for the configurations and logs of the servers
    #[arg(long, default_value = "target/bench")]
    folder: PathBuf,
}

impl BenchFiles {
    /// The path of the host's program.
    pub(crate) fn narrowboat_path(&self) -> anyhow::Result<PathBuf> {
        match &self.narrowboat {
            Some(file) => Ok(file.clone()),
            None => Ok(process::current_program()?.with_file_name("narrowboat")),
        }
    }

    /// The path of a plugin's component.
    pub(crate) fn component_path(&self, plugin: &str) -> PathBuf {
        self.components.join(format!("{plugin}.wasm"))
    }

    /// The path of a folder that stays between runs.
    pub(crate) fn folder_path(&self, name: &str) -> anyhow::Result<PathBuf> {
        Ok(std::path::absolute(self.folder.join(name))?)
    }

    /// Creates an empty folder with this name.
    pub(crate) fn create_folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
        }
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        Ok(folder)
    }

    /// Creates the command of a host that serves a service with its plugin. The configuration has the defaults, except
    /// for `max_connections` if a number is given. The plugin's manifest requests all groups, and has `setting` if one
    /// is given.
    fn narrowboat_command(
        &self,
        folder: &Path,
        service: Service,
        connections: Option<usize>,
        setting: Option<&str>,
    ) -> anyhow::Result<Command> {
        let plugin = service.plugin();
        let file = self.component_path(plugin);
        let mut component = std::fs::read(&file)
            .with_context(|| format!("{}; `narrowboat plugin build` makes it", file.display()))?;
        if let Some(setting) = setting {
            let capabilities = "capabilities = { groups = [\"*\"] }";
            let manifest = format!("name = \"{plugin}\"\n{setting}\n{capabilities}\n");
            component = component::replace_manifest(&component, &manifest)
                .with_context(|| file.display().to_string())?;
        }
        write_file(&folder.join("plugin.wasm"), &component)?;
        let limits = connections
            .map_or_else(String::new, |most| format!("[limits]\nmax_connections = {most}\n"));
        self.serve_command(folder, service, "component = \"plugin.wasm\"", &limits)
    }

    /// Creates the command of a host that serves a service with a source plugin.
    fn source_command(
        &self,
        folder: &Path,
        service: Service,
        language: Language,
    ) -> anyhow::Result<Command> {
        let source = self.sources.join(language.key()).join(service.plugin());
        let source = std::path::absolute(source)?.display().to_string();
        self.serve_command(folder, service, &format!("source = {source:?}"), "")
    }

    /// Creates the command of a host. `code` is the key of its plugin's code, and `tables` are further tables.
    fn serve_command(
        &self,
        folder: &Path,
        service: Service,
        code: &str,
        tables: &str,
    ) -> anyhow::Result<Command> {
        // A plugin with rooms needs a route that captures the room.
        let path = service.path().replace("/bench/", "/{room}/");
        let plugin = service.plugin();
        let text = format!(
            "listen = \"127.0.0.1:0\"\n[plugins.{plugin}]\n{code}\ngrants = \"all\"\n\
             [[routes]]\npath = \"{path}\"\nplugin = \"{plugin}\"\n{tables}"
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

    fn bun_command(&self, service: Service) -> anyhow::Result<Command> {
        let mut command = Command::new(std::path::absolute(self.node_modules.join(".bin/bun"))?);
        command.arg(self.peers.join("bun.mjs"));
        add_room(&mut command, service);
        Ok(command)
    }

    fn gorilla_command(&self, service: Service) -> anyhow::Result<Command> {
        let mut command = Command::new(std::path::absolute(&self.gorilla)?);
        add_room(&mut command, service);
        Ok(command)
    }

    fn ws_command(&self, service: Service) -> anyhow::Result<Command> {
        let package = std::path::absolute(self.node_modules.join("ws/wrapper.mjs"))?;
        let mut command = Command::new("node");
        command.arg(self.peers.join("ws.mjs")).arg(package);
        add_room(&mut command, service);
        Ok(command)
    }
}

impl Peer {
    /// The title in the report.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Bun => "Bun",
            Self::Gorilla => "gorilla/websocket",
            Self::Bare => "bare tokio-tungstenite",
            Self::Ws => "Node's ws",
            Self::Uvicorn => "Channels, uvicorn",
            Self::Daphne => "Channels, daphne",
            Self::InstancePerConnection => "Narrowboat, an instance each",
            Self::SharedInstance => "Narrowboat, shared instance",
            Self::OnGuestThread => "Narrowboat, on guest threads",
            Self::Source(Language::Python) => "Narrowboat, a plugin in Python",
            Self::Source(Language::JavaScript) => "Narrowboat, a plugin in JavaScript",
            Self::Guest(CallKind::Plain) => "bare with the plugin, plain calls",
            Self::Guest(CallKind::Fiber) => "bare with the plugin, call_async",
        }
    }

    /// The name in file names.
    fn name(self) -> &'static str {
        match self {
            Self::Bun => "bun",
            Self::Gorilla => "gorilla",
            Self::Bare => "bare",
            Self::Ws => "ws",
            Self::Uvicorn => "channels-uvicorn",
            Self::Daphne => "channels-daphne",
            Self::InstancePerConnection => "narrowboat",
            Self::SharedInstance => "narrowboat-shared",
            Self::OnGuestThread => "narrowboat-slow",
            Self::Source(Language::Python) => "narrowboat-python",
            Self::Source(Language::JavaScript) => "narrowboat-javascript",
            Self::Guest(CallKind::Plain) => "guest-plain",
            Self::Guest(CallKind::Fiber) => "guest-fiber",
        }
    }

    /// Starts the server, with `max_connections` raised if a number of connections is given.
    pub(crate) fn start(
        self,
        site: &BenchFiles,
        service: Service,
        connections: Option<usize>,
    ) -> anyhow::Result<ServerProcess> {
        let folder = site.create_folder(self.name())?;
        let host = |setting| site.narrowboat_command(&folder, service, connections, setting);
        let command = match self {
            Self::Bare => {
                let mut command = process::role_command("bare")?;
                if let Service::Room(_) = service {
                    command.arg("--room");
                }
                command
            }
            Self::Bun => site.bun_command(service)?,
            Self::Gorilla => site.gorilla_command(service)?,
            Self::Ws => site.ws_command(service)?,
            Self::Uvicorn => site.channels_command("uvicorn")?,
            Self::Daphne => site.channels_command("daphne")?,
            Self::InstancePerConnection => host(None)?,
            Self::SharedInstance => host(Some("isolation = \"shared\""))?,
            Self::OnGuestThread => host(Some("execution = \"thread\""))?,
            Self::Source(language) => site.source_command(&folder, service, language)?,
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

/// Adds the argument with which the other servers serve a room.
fn add_room(command: &mut Command, service: Service) {
    if let Service::Room(_) = service {
        command.arg("room");
    }
}

fn write_file(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(file, bytes).with_context(|| file.display().to_string())
}
