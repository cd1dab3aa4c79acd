//! Why the packages of a source plugin are not there.

use std::path::PathBuf;

use thiserror::Error;

/// Why the packages that a source plugin requires are not there.
#[derive(Debug, Error)]
pub enum RequirementsError {
    /// The requirements, or the folder of packages, cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The path of the file or the folder.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A line of the requirements cannot be used.
    #[error("{}:{line}: {problem}", file.display())]
    Line {
        /// The path of the requirements.
        file: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// The problem and what to write instead.
        problem: String,
    },
    /// The folder `vendor` does not have the packages of the requirements.
    #[error(
        "{} {problem}; update the folder with `pip install --target vendor --only-binary :all: -r requirements.txt`, or \
         remove it, so that `narrowboat plugin build` or `narrowboat dev` installs the packages",
        vendor.display()
    )]
    OutdatedVendor {
        /// The folder.
        vendor: PathBuf,
        /// The package that differs.
        problem: String,
    },
    /// The packages have not been installed.
    #[error(
        "the packages of {} are not installed; run `narrowboat plugin build {}`, which installs them, or put them into {}",
        folder.join("requirements.txt").display(),
        folder.display(),
        folder.join("vendor").display()
    )]
    NotInstalled {
        /// The folder of the plugin.
        folder: PathBuf,
    },
    /// There is no program that installs packages.
    #[error(
        "the packages of {} cannot be installed: there is neither `uv` nor `python3 -m pip`; install one of them, or run \
         `pip install --target vendor --only-binary :all: -r requirements.txt` in {} on another machine and copy the \
         folder vendor",
        folder.join("requirements.txt").display(),
        folder.display()
    )]
    NoInstaller {
        /// The folder of the plugin.
        folder: PathBuf,
    },
    /// The installer cannot be run.
    #[error("cannot run {installer}: {source}")]
    Spawn {
        /// The name of the program.
        installer: &'static str,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The installer failed. It has printed the reason.
    #[error(
        "{installer} could not install the packages of {}; its message is above; a source plugin takes only wheels of pure \
         Python",
        file.display()
    )]
    Failed {
        /// The name of the program.
        installer: &'static str,
        /// The path of the requirements.
        file: PathBuf,
    },
}
