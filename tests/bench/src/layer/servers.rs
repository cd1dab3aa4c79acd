//! The Redis server, and the servers of both kinds.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::process::ServerProcess;

/// The time limit for Redis to listen.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// The kind of the servers.
#[derive(Clone, Copy, Debug)]
pub(super) enum LayerServerKind {
    Narrowboat,
    Channels,
}

/// A Redis server without persistence. Dropping it kills the process.
pub(super) struct RedisProcess {
    child: Child,
    port: u16,
}

impl RedisProcess {
    pub(super) fn start() -> anyhow::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let start = |program| {
            Command::new(program)
                .args(["--port", &port.to_string(), "--save", "", "--appendonly", "no"])
                .stdout(Stdio::null())
                .spawn()
        };
        let child = start("redis-server").or_else(|_| start("valkey-server"));
        let redis =
            Self { child: child.context("no redis-server; .ci/redis.sh installs it")?, port };
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_err() {
            ensure!(Instant::now() < deadline, "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(redis)
    }

    fn address(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }
}

impl Drop for RedisProcess {
    fn drop(&mut self) {
        // Killing fails if the server has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The files that the servers need.
pub(super) struct LayerServerFiles {
    pub(super) narrowboat: PathBuf,
    pub(super) component: PathBuf,
    pub(super) python: PathBuf,
    pub(super) django: PathBuf,
    pub(super) folder: PathBuf,
}

impl LayerServerFiles {
    pub(super) fn start(
        &self,
        kind: LayerServerKind,
        name: &str,
        redis: &RedisProcess,
    ) -> anyhow::Result<ServerProcess> {
        let folder = self.folder.join(format!("{kind:?}-{name}").to_lowercase());
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let command = match kind {
            LayerServerKind::Narrowboat => {
                let config = folder.join("narrowboat.toml");
                let component = std::path::absolute(&self.component)?;
                if !component.is_file() {
                    bail!(
                        "there is no {}; `narrowboat plugin build` makes it",
                        component.display()
                    );
                }
                let text = format!(
                    "listen = \"127.0.0.1:0\"\n[layer]\nbackend = \"redis\"\nhosts = [{:?}]\n\
                     [plugins.group]\ncomponent = {:?}\ngrants = \"all\"\n\
                     [[routes]]\npath = \"/chat/{{room}}/\"\nplugin = \"group\"\n",
                    redis.address(),
                    component.display().to_string(),
                );
                std::fs::write(&config, text).with_context(|| config.display().to_string())?;
                let mut command = Command::new(&self.narrowboat);
                command.arg("serve").arg("--config").arg(config);
                command
            }
            LayerServerKind::Channels => {
                let layers = serde_json::json!({"default": {
                    "BACKEND": "channels_redis.core.RedisChannelLayer",
                    "CONFIG": {"hosts": [redis.address()]},
                }});
                let mut command = Command::new(std::path::absolute(&self.python)?);
                command.arg("serve.py").current_dir(&self.django);
                command.env("CHANNEL_LAYERS", layers.to_string());
                command
            }
        };
        ServerProcess::start(command, &folder.join("log")).with_context(|| format!("{kind:?}"))
    }
}
