//! Why a component has no signature.

use std::path::PathBuf;

use thiserror::Error;

use super::SignatureFormatError;

/// Why a component has no signature.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MissingSignature {
    /// No signature file lies beside the component.
    #[error("there is no {}; `narrowboat plugin sign` makes it", .0.display())]
    FileNotFound(PathBuf),
    /// The signature file cannot be read.
    #[error("{}: {problem}", file.display())]
    Unreadable {
        /// The signature file.
        file: PathBuf,
        /// The error of the system.
        problem: String,
    },
    /// The signature file does not hold a signature.
    #[error("{} {source}", file.display())]
    Malformed {
        /// The signature file.
        file: PathBuf,
        /// Why its content is not a signature.
        source: SignatureFormatError,
    },
    /// The upload had no signature header.
    #[error(
        "the upload has no header Narrowboat-Signature; `narrowboat deploy` sends the signature that `narrowboat \
         plugin sign` wrote beside the file; it cannot sign a folder: build the bundle with `narrowboat plugin build \
         DIR`, sign the bundle, and deploy it"
    )]
    NotInUpload,
    /// The version store keeps the component without a signature.
    #[error("the version was kept without a signature; deploy it again with one")]
    NotInStore,
}
