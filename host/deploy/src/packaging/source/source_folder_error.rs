//! Why the folder of a source plugin cannot be packed.

use std::path::PathBuf;

use thiserror::Error;

use narrowboat_core::source_bundle::{InvalidSourcePath, SourceBundleError};
use narrowboat_core::units::ByteSize;

/// Why the folder of a source plugin cannot be packed.
#[derive(Debug, Error)]
pub enum SourceFolderError {
    /// A file or a folder cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The path of the file or the folder.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// There is a symbolic link.
    #[error("{} is a symbolic link; a source bundle has regular files only, so put the file in its place", .0.display())]
    Link(PathBuf),
    /// There is a pipe, a socket or a device.
    #[error("{} is neither a regular file nor a folder; a source bundle has regular files only", .0.display())]
    NotAFile(PathBuf),
    /// The name of a file is not UTF-8.
    #[error("{} has a name that is not UTF-8; rename it with printable ASCII characters", .0.display())]
    NameNotUtf8(PathBuf),
    /// The path of a file is not allowed in a bundle.
    #[error("{}: {source}", folder.display())]
    Path {
        /// The folder of the plugin.
        folder: PathBuf,
        /// The path and the problem with it.
        source: InvalidSourcePath,
    },
    /// There is a native extension, which no runtime can load.
    #[error(
        "{} is a native extension, and the runtime of a source plugin cannot load it; use packages of pure Python",
        .0.display()
    )]
    NativeExtension(PathBuf),
    /// The files are too large.
    #[error(
        "{} makes a bundle of more than {limit}, the limit of limits.max_component; its largest file is {} with {}; \
         remove files that the plugin does not need",
        folder.display(),
        largest.display(),
        ByteSize::from(*largest_size)
    )]
    TooLarge {
        /// The folder of the plugin.
        folder: PathBuf,
        /// The largest bundle.
        limit: ByteSize,
        /// The largest file that was found.
        largest: PathBuf,
        /// Its size in bytes.
        largest_size: usize,
    },
    /// The files are too large with the packages of npm.
    #[error(
        "{} makes a bundle of more than {limit}, the limit of limits.max_component; its largest package is {} with {} of \
         code; use a smaller one, or bundle what the plugin needs of it",
        folder.display(),
        largest.display(),
        ByteSize::from(*largest_size)
    )]
    PackagesTooLarge {
        /// The folder of the plugin.
        folder: PathBuf,
        /// The largest bundle.
        limit: ByteSize,
        /// The folder of the largest package that was found.
        largest: PathBuf,
        /// The size of its code, in bytes.
        largest_size: usize,
    },
    /// There are too many files and folders.
    #[error("{} has more than {most} files and folders; remove those that the plugin does not need", folder.display())]
    TooManyEntries {
        /// The folder of the plugin.
        folder: PathBuf,
        /// The limit.
        most: usize,
    },
    /// The files do not make a bundle.
    #[error("{} {source}", folder.display())]
    Bundle {
        /// The folder of the plugin.
        folder: PathBuf,
        /// The problem with the files.
        source: SourceBundleError,
    },
}
