//! The file format of compiled code and programs: a header, then the code.

use std::hash::{Hash as _, Hasher};
use std::io;

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::code_kind::CodeKind;
use super::folder::FolderError;
use narrowboat_core::sha256_digest::Sha256Digest;

/// The first bytes of a file. The last of them is the version of the format.
const MAGIC: [u8; 16] = *b"narrowboat code\x01";

/// The length of the header: the magic, then the digests of the subject, of the compiler and of the code.
const HEADER_BYTES: usize = MAGIC.len() + 3 * DIGEST_BYTES;

/// The length of a SHA-256, in bytes.
const DIGEST_BYTES: usize = 32;

/// The subject of compiled code, a component or a source bundle, and its compiler, the engine or a runtime.
pub(super) struct CodeCacheKey {
    kind: CodeKind,
    subject: Sha256Digest,
    compiler: Sha256Digest,
}

/// Why a file of the cache is not used.
#[derive(Debug, Error)]
pub(super) enum CacheEntryError {
    /// Another user may have written it, or it cannot be opened.
    #[error("{0}")]
    Untrusted(#[from] FolderError),
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It does not start with the magic.
    #[error("is not compiled code, or has another format")]
    UnknownFormat,
    /// Its digests do not match its name.
    #[error("holds the code of another plugin or engine")]
    KeyMismatch,
    /// Its code does not match its digest.
    #[error("is cut off or damaged")]
    Corrupt,
    /// The engine refuses it.
    #[error("is refused by the engine: {0:#}")]
    Engine(wasmtime::Error),
}

impl CodeCacheKey {
    /// The key of the machine code that this engine compiles from a component.
    pub(super) fn for_machine_code(
        kind: CodeKind,
        component: Sha256Digest,
        engine: &wasmtime::Engine,
    ) -> Self {
        let mut digest = Sha256Hasher(Sha256::new());
        // Includes the version of wasmtime, the target and all settings that affect the code.
        engine.precompile_compatibility_hash().hash(&mut digest);
        Self { kind, subject: component, compiler: Sha256Digest::from(digest.0) }
    }

    /// The key of the program that a runtime compiles from a source bundle.
    pub(super) fn for_program(bundle: Sha256Digest, runtime: Sha256Digest) -> Self {
        Self { kind: CodeKind::Program, subject: bundle, compiler: runtime }
    }

    /// The name of its file.
    pub(super) fn file_name(&self) -> String {
        format!("{}-{}{}", self.subject, self.compiler, self.kind.suffix())
    }

    /// The header of the file.
    pub(super) fn encode_header(&self, code: &[u8]) -> Vec<u8> {
        let code = Sha256Digest::of(code);
        [&MAGIC[..], self.subject.as_bytes(), self.compiler.as_bytes(), code.as_bytes()].concat()
    }

    /// Checks the header of a file and returns the code.
    pub(super) fn decode<'a>(&self, file: &'a [u8]) -> Result<&'a [u8], CacheEntryError> {
        let rest = file.strip_prefix(&MAGIC).ok_or(CacheEntryError::UnknownFormat)?;
        let (header, code) =
            rest.split_at_checked(HEADER_BYTES - MAGIC.len()).ok_or(CacheEntryError::Corrupt)?;
        let (keys, digest) = header.split_at(2 * DIGEST_BYTES);
        if keys != [*self.subject.as_bytes(), *self.compiler.as_bytes()].as_flattened() {
            return Err(CacheEntryError::KeyMismatch);
        }
        if digest != Sha256Digest::of(code).as_bytes() {
            return Err(CacheEntryError::Corrupt);
        }
        Ok(code)
    }
}

/// Feeds hashed values into a SHA-256. The hashes of the standard library are too short for a name, and may change
/// between versions.
struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(component: &[u8]) -> CodeCacheKey {
        CodeCacheKey {
            kind: CodeKind::Component,
            subject: Sha256Digest::of(component),
            compiler: Sha256Digest::of(b"engine"),
        }
    }

    fn file(component: &[u8], code: &[u8]) -> Vec<u8> {
        [&key(component).encode_header(code), code].concat()
    }

    #[test]
    fn decoding_returns_the_encoded_code() {
        assert_eq!(key(b"echo").decode(&file(b"echo", b"code")).unwrap(), b"code");
    }

    #[test]
    fn a_truncated_or_extended_file_is_refused() {
        let whole = file(b"echo", b"code");
        for length in 0..whole.len() {
            assert!(key(b"echo").decode(&whole[..length]).is_err(), "{length} bytes");
        }
        assert!(key(b"echo").decode(&[&whole[..], b"x"].concat()).is_err());
    }

    #[test]
    fn each_flipped_bit_is_detected() {
        let whole = file(b"echo", b"code");
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(key(b"echo").decode(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn code_of_another_component_or_engine_is_refused() {
        let other = file(b"other", b"code");
        assert!(matches!(key(b"echo").decode(&other), Err(CacheEntryError::KeyMismatch)));
        let engine = CodeCacheKey { compiler: Sha256Digest::of(b"other engine"), ..key(b"echo") };
        assert!(matches!(
            engine.decode(&file(b"echo", b"code")),
            Err(CacheEntryError::KeyMismatch)
        ));
    }

    #[test]
    fn the_key_depends_on_the_settings_of_the_engine() {
        let name = |reserved| {
            let mut config = wasmtime::Config::new();
            config.memory_reservation(reserved);
            let engine = wasmtime::Engine::new(&config).unwrap();
            let digest = Sha256Digest::of(b"echo");
            CodeCacheKey::for_machine_code(CodeKind::Component, digest, &engine).file_name()
        };
        assert_eq!(name(1 << 20), name(1 << 20));
        assert_ne!(name(1 << 20), name(1 << 21));
    }
}
