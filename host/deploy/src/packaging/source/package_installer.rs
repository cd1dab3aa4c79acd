//! Installs Python packages with the tools of the machine.

use std::path::Path;
use std::process::{Command, Stdio};

use super::requirements_error::RequirementsError;

/// The version of Python that the runtime of source plugins has.
pub(super) const PYTHON_VERSION: &str = "3.14";

/// A platform of uv for which indexes have hardly any wheels but those of pure Python.
const UV_PLATFORM: &str = "wasm32-pyodide2024";

/// A program that installs Python packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PackageInstaller {
    /// `uv`.
    Uv,
    /// `python3 -m pip`.
    Pip,
}

impl PackageInstaller {
    const ALL: [Self; 2] = [Self::Uv, Self::Pip];

    /// Returns the first installer that this machine has.
    pub(super) fn find() -> Option<Self> {
        Self::ALL.into_iter().find(|installer| installer.is_present())
    }

    fn name(self) -> &'static str {
        match self {
            Self::Uv => "uv",
            Self::Pip => "pip",
        }
    }

    fn command(self) -> Command {
        match self {
            Self::Uv => {
                let mut uv = Command::new("uv");
                uv.arg("pip");
                uv
            }
            Self::Pip => {
                let mut python = Command::new("python3");
                python.args(["-m", "pip", "--disable-pip-version-check"]);
                python
            }
        }
    }

    /// Whether the machine has the program in a version that knows the required options.
    fn is_present(self) -> bool {
        let required = match self {
            Self::Uv => UV_PLATFORM,
            Self::Pip => "--platform",
        };
        let mut command = self.command();
        let help = command.args(["install", "--help"]).stdin(Stdio::null()).output();
        help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains(required))
    }

    /// Installs the packages of a file with requirements into a folder: wheels of pure Python. The messages of the
    /// installer go to standard error.
    ///
    /// # Errors
    /// If the installer cannot be run, or fails.
    pub(super) fn install(
        self,
        requirements: &Path,
        folder: &Path,
    ) -> Result<(), RequirementsError> {
        let mut command = self.command();
        command
            .args([
                "install",
                "--quiet",
                "--only-binary",
                ":all:",
                "--python-version",
                PYTHON_VERSION,
            ])
            .arg("--target")
            .arg(folder)
            .arg("--requirement")
            .arg(requirements);
        match self {
            Self::Uv => command.args(["--python-platform", UV_PLATFORM]),
            // Only wheels for every implementation, ABI and platform.
            Self::Pip => command
                .args(["--no-compile", "--implementation", "py", "--abi", "none"])
                .args(["--platform", "any"]),
        };
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let installer = self.name();
        match command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(RequirementsError::Failed { installer, file: requirements.to_owned() }),
            Err(source) => Err(RequirementsError::Spawn { installer, source }),
        }
    }
}
