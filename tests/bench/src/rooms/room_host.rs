//! The host under measurement.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

use super::RoomsArgs;
use crate::component::replace_manifest;
use crate::process::{self, ServerProcess};

/// How the plugin runs.
#[derive(Debug, Clone, Copy)]
pub(super) enum HostKind {
    /// All connections share an instance.
    Shared,
    /// Each room has an instance, which sleeps after this time.
    Rooms { idle: &'static str },
    /// Each connection has an instance, and hibernates after a second.
    Hibernating,
}

/// A host that serves the guest with rooms at `/rooms/ROOM/`.
pub(super) struct RoomHost {
    server: ServerProcess,
    store: PathBuf,
}

impl HostKind {
    fn manifest(self) -> String {
        let keys = match self {
            Self::Shared => "isolation = \"shared\"".to_owned(),
            Self::Rooms { idle } => {
                format!("isolation = \"room\"\nroom = \"{{room}}\"\nroom_idle = \"{idle}\"")
            }
            Self::Hibernating => {
                "isolation = \"connection\"\nhibernate = true\nhibernate_after = \"1s\"".to_owned()
            }
        };
        format!("name = \"rooms\"\n{keys}\n")
    }

    fn name(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Rooms { .. } => "rooms",
            Self::Hibernating => "hibernating",
        }
    }
}

impl RoomHost {
    /// Starts a host with an empty store.
    pub(super) fn start(arguments: &RoomsArgs, kind: HostKind) -> anyhow::Result<Self> {
        let folder = std::path::absolute(arguments.folder.join(kind.name()))?;
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let built = std::fs::read(&arguments.component)
            .with_context(|| arguments.component.display().to_string())?;
        let component = folder.join("rooms.wasm");
        std::fs::write(&component, replace_manifest(&built, &kind.manifest())?)?;
        let store = folder.join("store");
        let most = arguments.hibernated.max(10 * arguments.awake) + 1_000;
        let text = format!(
            "listen = \"127.0.0.1:0\"\n[keyvalue]\npath = {store:?}\nquota = \"4 GiB\"\n\
             [limits]\nmax_connections = {most}\nidle_timeout = \"1h\"\n\
             [plugins.rooms]\ncomponent = {component:?}\ngrants = \"all\"\n\
             [[routes]]\npath = \"/rooms/{{room}}/\"\nplugin = \"rooms\"\n"
        );
        let config = folder.join("narrowboat.toml");
        std::fs::write(&config, text).with_context(|| config.display().to_string())?;
        let program = match &arguments.narrowboat {
            Some(program) => program.clone(),
            None => process::current_program()?.with_file_name("narrowboat"),
        };
        let mut command = Command::new(program);
        command.arg("serve").arg("--config").arg(&config);
        Ok(Self { server: ServerProcess::start(command, &folder.join("log"))?, store })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub(super) fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// The size of the files of the store.
    pub(super) fn stored_bytes(&self) -> anyhow::Result<u64> {
        let mut bytes = 0;
        for entry in std::fs::read_dir(&self.store)? {
            bytes += entry?.metadata()?.len();
        }
        Ok(bytes)
    }
}
