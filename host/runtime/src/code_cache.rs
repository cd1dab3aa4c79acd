//! Keeps compiled code in a folder, so that a restart does not compile it again. If anything fails here, the component
//! is compiled.

mod cache_file;
mod code_kind;
mod entry;
mod eviction;
mod folder;

use std::fmt::Display;
use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use wasmtime::component::Component;

use crate::compilation::MachineCode;
pub(crate) use code_kind::CodeKind;
use entry::{CacheEntryError, CodeCacheKey};
use folder::{CacheFolder, FolderError};
use narrowboat_config::CacheConfig;
use narrowboat_core::sha256_digest::Sha256Digest;

/// A cache of compiled code, by the digest of the component and the engine.
pub struct CodeCache {
    path: PathBuf,
    /// The largest size of all files together, in bytes.
    max_bytes: u64,
    /// Whether the log has a warning about the folder.
    warned: AtomicBool,
}

impl CodeCache {
    /// Opens the cache in a folder, which need not exist. Removes files beyond the size limit.
    pub fn open(config: &CacheConfig) -> Self {
        let cache = Self {
            path: config.folder.clone(),
            max_bytes: config.size.bytes() as u64,
            warned: AtomicBool::new(false),
        };
        match CacheFolder::open(&cache.path) {
            Ok(Some(folder)) => {
                cache.evict_to_fit(&folder, 0);
            }
            Ok(None) => {}
            Err(error) => cache.warn_once(&error),
        }
        cache
    }

    /// Loads machine code, if the cache has it.
    pub(crate) fn load_code(
        &self,
        engine: &wasmtime::Engine,
        kind: CodeKind,
        component: Sha256Digest,
    ) -> Option<Component> {
        let key = CodeCacheKey::for_machine_code(kind, component, engine);
        self.load(&key, |code| {
            MachineCode::from_cache(code).load(engine).map_err(CacheEntryError::Engine)
        })
    }

    /// Loads the program that a runtime has compiled from a bundle, if the cache has it.
    pub(crate) fn load_program(
        &self,
        bundle: Sha256Digest,
        runtime: Sha256Digest,
    ) -> Option<Vec<u8>> {
        self.load(&CodeCacheKey::for_program(bundle, runtime), |code| Ok(code.to_vec()))
    }

    fn load<T>(
        &self,
        key: &CodeCacheKey,
        decode: impl FnOnce(&[u8]) -> Result<T, CacheEntryError>,
    ) -> Option<T> {
        let folder = match CacheFolder::open(&self.path) {
            Ok(folder) => folder?,
            Err(error) => {
                self.warn_once(&error);
                return None;
            }
        };
        match self.read(&folder, key, decode) {
            Ok(code) => code,
            Err(error) => {
                let file = self.path.join(key.file_name());
                tracing::warn!(
                    file = %file.display(),
                    %error,
                    "removed a file of the code cache, and compiled the component again"
                );
                // If it cannot be removed, the next load warns again.
                let _ = folder.remove(&key.file_name());
                None
            }
        }
    }

    fn read<T>(
        &self,
        folder: &CacheFolder,
        key: &CodeCacheKey,
        decode: impl FnOnce(&[u8]) -> Result<T, CacheEntryError>,
    ) -> Result<Option<T>, CacheEntryError> {
        let Some(file) = folder.open_file(&key.file_name())? else { return Ok(None) };
        let mut bytes = Vec::new();
        // A file that is larger is cut off here, and fails the digest check.
        (&file).take(self.max_bytes).read_to_end(&mut bytes)?;
        let decoded = decode(key.decode(&bytes)?)?;
        // In a read-only folder the order of eviction does not change.
        let _ = file.set_modified(SystemTime::now());
        Ok(Some(decoded))
    }

    /// Stores the machine code of a component.
    pub(crate) fn store_code(
        &self,
        engine: &wasmtime::Engine,
        kind: CodeKind,
        digest: Sha256Digest,
        code: &MachineCode<'_>,
    ) {
        self.store(&CodeCacheKey::for_machine_code(kind, digest, engine), code.bytes());
    }

    /// Stores the program that a runtime has compiled from a bundle.
    pub(crate) fn store_program(
        &self,
        bundle: Sha256Digest,
        runtime: Sha256Digest,
        program: &[u8],
    ) {
        self.store(&CodeCacheKey::for_program(bundle, runtime), program);
    }

    fn store(&self, key: &CodeCacheKey, code: &[u8]) {
        let header = key.encode_header(code);
        let size = (header.len() + code.len()) as u64;
        let written = CacheFolder::open_or_create(&self.path).and_then(|folder| {
            if self.evict_to_fit(&folder, size) {
                folder.write(&key.file_name(), &[&header, code])?;
            } else {
                tracing::debug!(size, "compiled code not cached: larger than cache.size allows");
            }
            Ok(())
        });
        if let Err(error) = written {
            self.warn_once(&error);
        }
    }

    /// Removes the least recently used files until `size` more bytes fit, and returns whether they do.
    fn evict_to_fit(&self, folder: &CacheFolder, size: u64) -> bool {
        let Some(max_bytes) = self.max_bytes.checked_sub(size) else { return false };
        let files = match folder.list_files() {
            Ok(files) => files,
            Err(error) => {
                self.warn_once(&error);
                return false;
            }
        };
        let plan = eviction::plan_eviction(files, max_bytes, SystemTime::now());
        for file in &plan.evict {
            if let Err(error) = folder.remove(&file.name) {
                self.warn_once(&FolderError::from(error));
                return false;
            }
        }
        plan.fits
    }

    /// Logs a problem of the folder: the first one as a warning, later ones at debug, because they are usually the
    /// same.
    fn warn_once(&self, problem: &dyn Display) {
        let folder = self.path.display();
        if self.warned.swap(true, Ordering::Relaxed) {
            tracing::debug!(%folder, %problem, "cannot use the code cache");
        } else {
            tracing::warn!(
                %folder,
                %problem,
                "cannot use the code cache, so the next start may compile again; set cache.folder to a folder that the host \
                 can use"
            );
        }
    }
}
