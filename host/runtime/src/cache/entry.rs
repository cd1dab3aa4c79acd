//! The file that one component's compiled code is kept in: a header, then the code.

use std::hash::{Hash as _, Hasher};
use std::io;

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::folder::FolderError;
use narrowboat_core::atomic_file;
use narrowboat_core::hash::Hash;

/// How a file begins; the last byte is the version of the format.
const MAGIC: [u8; 16] = *b"narrowboat code\x01";

/// The magic, then the digests of the component, of the engine and of the code.
const HEADER: usize = MAGIC.len() + 3 * DIGEST;

/// Bytes of a SHA-256.
const DIGEST: usize = 32;

/// Hex digits of a SHA-256.
const DIGITS: usize = 2 * DIGEST;

/// Which code a file holds.
pub(super) struct Key {
    component: Hash,
    engine: Hash,
}

/// What a file of the cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Code under its key's name.
    Entry,
    /// One that is being written, or was when its host ended.
    Unfinished,
}

/// Why a file is not used.
#[derive(Debug, Error)]
pub(super) enum Damage {
    /// Someone else may have written it, or it cannot be opened.
    #[error("{0}")]
    Untrusted(#[from] FolderError),
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It does not begin as such a file does.
    #[error("is no compiled code, or of another format")]
    Foreign,
    /// It lies under a name that is not its own.
    #[error("holds the code of another component or engine")]
    Misplaced,
    /// Some of it is missing or different.
    #[error("is cut off or damaged")]
    Changed,
    /// The engine refused it.
    #[error("is refused by the engine: {0:#}")]
    Engine(wasmtime::Error),
}

impl Key {
    /// The key of what this engine makes of a component.
    pub(super) fn new(component: Hash, engine: &wasmtime::Engine) -> Self {
        let mut digest = Collector(Sha256::new());
        // Wasmtime's version, the target and all settings that code depends on.
        engine.precompile_compatibility_hash().hash(&mut digest);
        Self { component, engine: Hash::from(digest.0) }
    }

    /// The name of its file.
    pub(super) fn file_name(&self) -> String {
        format!("{}-{}.code", self.component, self.engine)
    }

    /// What stands before the code in its file.
    pub(super) fn seal(&self, code: &[u8]) -> Vec<u8> {
        let code = Hash::of(code);
        [&MAGIC[..], self.component.bytes(), self.engine.bytes(), code.bytes()].concat()
    }

    /// The code in a file's bytes.
    pub(super) fn unseal<'a>(&self, file: &'a [u8]) -> Result<&'a [u8], Damage> {
        let rest = file.strip_prefix(&MAGIC).ok_or(Damage::Foreign)?;
        let (header, code) = rest.split_at_checked(HEADER - MAGIC.len()).ok_or(Damage::Changed)?;
        let (keys, digest) = header.split_at(2 * DIGEST);
        if keys != [*self.component.bytes(), *self.engine.bytes()].as_flattened() {
            return Err(Damage::Misplaced);
        }
        if digest != Hash::of(code).bytes() {
            return Err(Damage::Changed);
        }
        Ok(code)
    }
}

impl Kind {
    /// What the file of this name is; `None` if it is none of the cache's, which is left alone.
    pub(super) fn of(name: &str) -> Option<Self> {
        if atomic_file::is_temporary(name) {
            return Some(Self::Unfinished);
        }
        let (component, engine) = name.strip_suffix(".code")?.split_once('-')?;
        (is_hex(component, DIGITS) && is_hex(engine, DIGITS)).then_some(Self::Entry)
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Takes up what is hashed into a SHA-256: the standard library's hashes are too short for a name,
/// and may be others tomorrow.
struct Collector(Sha256);

impl Hasher for Collector {
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

    fn key(component: &[u8]) -> Key {
        Key { component: Hash::of(component), engine: Hash::of(b"engine") }
    }

    fn file(component: &[u8], code: &[u8]) -> Vec<u8> {
        [&key(component).seal(code), code].concat()
    }

    #[test]
    fn code_comes_out_as_it_went_in() {
        assert_eq!(key(b"echo").unseal(&file(b"echo", b"code")).unwrap(), b"code");
    }

    #[test]
    fn no_part_of_a_file_is_taken_for_the_whole() {
        let whole = file(b"echo", b"code");
        for length in 0..whole.len() {
            assert!(key(b"echo").unseal(&whole[..length]).is_err(), "{length} bytes");
        }
        assert!(key(b"echo").unseal(&[&whole[..], b"x"].concat()).is_err());
    }

    #[test]
    fn no_flipped_bit_goes_unnoticed() {
        let whole = file(b"echo", b"code");
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(key(b"echo").unseal(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn code_of_another_component_or_engine_is_not_taken() {
        let other = file(b"other", b"code");
        assert!(matches!(key(b"echo").unseal(&other), Err(Damage::Misplaced)));
        let engine = Key { engine: Hash::of(b"other engine"), ..key(b"echo") };
        assert!(matches!(engine.unseal(&file(b"echo", b"code")), Err(Damage::Misplaced)));
    }

    #[test]
    fn the_engines_settings_are_in_the_key() {
        let name = |reserved| {
            let mut config = wasmtime::Config::new();
            config.memory_reservation(reserved);
            let engine = wasmtime::Engine::new(&config).unwrap();
            Key::new(Hash::of(b"echo"), &engine).file_name()
        };
        assert_eq!(name(1 << 20), name(1 << 20));
        assert_ne!(name(1 << 20), name(1 << 21));
    }

    #[test]
    fn only_the_caches_own_files_are_known() {
        assert_eq!(Kind::of(&key(b"echo").file_name()), Some(Kind::Entry));
        assert_eq!(Kind::of(".0123456789abcdef.unfinished"), Some(Kind::Unfinished));
        for name in ["", "main.code", "a-b.code", "thesis.unfinished", ".ssh", ".code"] {
            assert_eq!(Kind::of(name), None, "{name:?}");
        }
    }
}
