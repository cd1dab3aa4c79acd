//! Detached signatures of components, made with Ed25519 (RFC 8032), and the keys that make and verify them.

mod detached_signature;
mod key_error;
mod missing_signature;
mod private_key;
mod public_key;
mod signature_file;
mod signature_format_error;
mod trusted_keys;

pub use detached_signature::Signature;
pub use key_error::KeyError;
pub use missing_signature::MissingSignature;
pub use private_key::PrivateKey;
pub use public_key::PublicKey;
pub use signature_file::signature_path;
pub use signature_format_error::SignatureFormatError;
pub use trusted_keys::{SignatureError, TrustedKeys};
