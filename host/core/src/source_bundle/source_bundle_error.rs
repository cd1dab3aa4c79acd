//! The errors of source bundles.

use thiserror::Error;

use super::source_path::{InvalidSourcePath, SourcePath};

/// The hint of errors in the form of a bundle.
const REPACK: &str = "`narrowboat plugin build` writes canonical bundles";

/// The reason why bytes are not a source bundle, or why files cannot be packed into one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SourceBundleError {
    /// The bytes end before the archive does.
    #[error("is cut off at byte {0}; {REPACK}")]
    Truncated(usize),
    /// There are bytes after the end of the archive.
    #[error("has bytes after its end, from byte {0} on; {REPACK}")]
    TrailingBytes(usize),
    /// An entry is not a regular file.
    #[error("has {kind} at {path:?}; a source bundle has regular files only")]
    NotAFile {
        /// The path of the entry, as its header has it.
        path: String,
        /// The kind of the entry, with an article.
        kind: &'static str,
    },
    /// A field of a header has another value than in the canonical form.
    #[error("has another {field} in the header of {path:?} than a canonical bundle; {REPACK}")]
    NotCanonical {
        /// The path of the entry, as its header has it.
        path: String,
        /// The field.
        field: &'static str,
    },
    /// The bytes between a file and the next header are not zero.
    #[error("has bytes other than zero after the content of \"{0}\"; {REPACK}")]
    Padding(SourcePath),
    /// A path is not allowed.
    #[error("has a file whose {0}")]
    Path(#[from] InvalidSourcePath),
    /// Two files have the same path.
    #[error("has two files with the path \"{0}\"; {REPACK}")]
    DuplicatePath(SourcePath),
    /// A file comes after another one that has a greater path.
    #[error("has \"{0}\" after a greater path; {REPACK}")]
    UnsortedPath(SourcePath),
    /// Two paths would be one on some file systems.
    #[error(
        "has the paths \"{0}\" and \"{1}\", which are the same on a file system that ignores case, or a file and a \
         folder of the same name; rename one of them"
    )]
    CollidingPaths(SourcePath, SourcePath),
    /// There are more files than this number.
    #[error("has more than {0} files; remove files that the plugin does not need")]
    TooManyFiles(usize),
    /// A file is too large for the archive.
    #[error("has a file \"{0}\" of 8 GiB or more; remove it")]
    FileTooLarge(SourcePath),
    /// There is no manifest.
    #[error("has no plugin.toml at its top; a source plugin needs one with `name` and `runtime`")]
    NoManifest,
}
