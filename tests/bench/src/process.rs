//! The processes of a run: servers, which live until they are dropped, and clients, which print one result.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::de::DeserializeOwned;

use crate::output::LISTENING_PREFIX;

/// The time limit for a server to listen. It compiles its components first, and a host with a thousand tenants their
/// sources.
const START_TIMEOUT: Duration = Duration::from_secs(180);

/// The process of a server. Dropping it kills the process.
pub(crate) struct ServerProcess {
    child: Child,
    address: SocketAddr,
}

impl ServerProcess {
    /// Starts a server and waits until it listens. Its log goes to the file `log`.
    pub(crate) fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let log_file = File::create(log).with_context(|| log.display().to_string())?;
        let name = Path::new(command.get_program()).display().to_string();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log_file);
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let lines = child.stdout.take().map(read_lines);
        // From here on, dropping the value kills the process.
        let mut server = Self { child, address: SocketAddr::from(([0, 0, 0, 0], 0)) };
        let lines = lines.context("a server without output")?;
        loop {
            let Ok(line) = lines.recv_timeout(START_TIMEOUT) else {
                bail!("{name} does not listen; its log is {}", log.display());
            };
            if let Some(address) = line.strip_prefix(LISTENING_PREFIX) {
                server.address = address.parse().with_context(|| line.clone())?;
                return Ok(server);
            }
        }
    }

    /// The address of the server.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process id of the server.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The options of a client that uses this server.
    pub(crate) fn client_options(&self) -> [String; 4] {
        let (address, pid) = (self.address.to_string(), self.child.id().to_string());
        ["--server".into(), address, "--pid".into(), pid]
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Killing fails if the server has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads the output of a server to its end, so the server never blocks on a full pipe.
fn read_lines(output: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (send, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = send.send(line);
        }
    });
    lines
}

/// Runs a client and parses its result.
pub(crate) fn run_client<T: DeserializeOwned>(mut command: Command) -> anyhow::Result<T> {
    let output = command.stdin(Stdio::null()).output().context("cannot start a client")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the client failed: {}", stderr.trim());
    serde_json::from_slice(&output.stdout).context("the client printed no result")
}

/// Creates a command that runs this program in another role.
pub(crate) fn role_command(name: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(current_program()?);
    command.arg(name);
    Ok(command)
}

/// The path of this program.
pub(crate) fn current_program() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("cannot find the path of this program")
}
