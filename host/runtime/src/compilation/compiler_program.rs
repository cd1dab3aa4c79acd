//! The program that compiles components in a process of its own.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The link to the program of a process. It leads to the running program even if its file was replaced.
const RUNNING_PROGRAM: &str = "/proc/self/exe";

/// The name of the process in lists of processes.
const PROCESS_NAME: &str = "narrowboat";

/// The program that compiles components in a process of its own, with the arguments that make it do so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompilerProgram {
    path: PathBuf,
    command: &'static str,
}

impl CompilerProgram {
    /// The program of this process. Its command `command` has to call [`run_compile_worker`](crate::run_compile_worker).
    ///
    /// # Errors
    /// If the system does not tell the file of the program.
    pub fn of_this_process(command: &'static str) -> io::Result<Self> {
        let running = Path::new(RUNNING_PROGRAM);
        let path = if running.exists() { running.to_owned() } else { program_file()? };
        Ok(Self { path, command })
    }

    /// The file of the program.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The command that starts the compiler. It inherits nothing from the host but the three pipes.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command
            .arg0(PROCESS_NAME)
            .arg(self.command)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A signal from the terminal is for the host, which ends its processes itself.
            .process_group(0);
        command
    }
}

/// The file from which this process was started.
fn program_file() -> io::Result<PathBuf> {
    std::env::current_exe().or_else(|error| match started_file() {
        Some(file) => std::path::absolute(file),
        None => Err(error),
    })
}

/// The file that the kernel was told to start, which a process knows without /proc.
#[cfg(target_os = "linux")]
fn started_file() -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;

    let file = rustix::param::linux_execfn().to_bytes();
    (!file.is_empty()).then(|| Path::new(std::ffi::OsStr::from_bytes(file)).to_owned())
}

#[cfg(not(target_os = "linux"))]
fn started_file() -> Option<PathBuf> {
    None
}
