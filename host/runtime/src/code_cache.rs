//! Compiled code, kept in a folder so that a restart does not compile what was compiled before.
//! It saves time and decides nothing: whatever fails here, the component is compiled.

mod cache_file;
mod entry;
mod eviction;
mod folder;

use std::fmt::Display;
use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use wasmtime::component::Component;

use entry::{CacheEntryError, CodeCacheKey};
use folder::{CacheFolder, FolderError};
use narrowboat_config::CacheConfig;
use narrowboat_core::sha256_digest::Sha256Digest;

/// The compiled code of components, by their digests and the engine that compiled it.
pub struct CodeCache {
    path: PathBuf,
    /// Bytes of all files together.
    max_bytes: u64,
    /// Whether the log has been told that something is wrong with the folder.
    warned: AtomicBool,
}

impl CodeCache {
    /// The cache in a folder, which need not exist yet. What it holds beyond its bound is removed.
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

    /// The code of a component, if this cache has it whole.
    pub(crate) fn load(
        &self,
        engine: &wasmtime::Engine,
        component: Sha256Digest,
    ) -> Option<Component> {
        let key = CodeCacheKey::new(component, engine);
        let folder = match CacheFolder::open(&self.path) {
            Ok(folder) => folder?,
            Err(error) => {
                self.warn_once(&error);
                return None;
            }
        };
        match self.read(&folder, &key, engine) {
            Ok(component) => component,
            Err(damage) => {
                let file = self.path.join(key.file_name());
                tracing::warn!("{} {damage}; removed and compiled again", file.display());
                // One that cannot be removed is found out each time.
                let _ = folder.remove(&key.file_name());
                None
            }
        }
    }

    fn read(
        &self,
        folder: &CacheFolder,
        key: &CodeCacheKey,
        engine: &wasmtime::Engine,
    ) -> Result<Option<Component>, CacheEntryError> {
        let Some(file) = folder.open_file(&key.file_name())? else { return Ok(None) };
        let mut bytes = Vec::new();
        // One that is larger comes out cut off, and is damaged then.
        (&file).take(self.max_bytes).read_to_end(&mut bytes)?;
        let code = key.decode(&bytes)?;
        #[expect(unsafe_code, reason = "the engine cannot tell its own code from another's")]
        // SAFETY: `deserialize` asks for bytes that `Component::serialize` made and nobody changed.
        // `Folder` gives only regular files that belong to this user and that nobody else may
        // write, out of a folder of the same kind, all checked on open descriptors; so this user's
        // hosts alone wrote the file, and they write what `serialize` made. That it is all of that,
        // of this component, this engine's settings and this version of wasmtime, `unseal` has
        // found by its digests. `bytes` is our copy, which no longer changes.
        let component =
            unsafe { Component::deserialize(engine, code) }.map_err(CacheEntryError::Engine)?;
        // A folder that is read-only keeps its order.
        let _ = file.set_modified(SystemTime::now());
        Ok(Some(component))
    }

    /// Keeps the code of a component for the next run.
    pub(crate) fn store(
        &self,
        engine: &wasmtime::Engine,
        digest: Sha256Digest,
        component: &Component,
    ) {
        let code = match component.serialize() {
            Ok(code) => code,
            Err(error) => return self.warn_once(&error),
        };
        let key = CodeCacheKey::new(digest, engine);
        let header = key.encode_header(&code);
        let size = (header.len() + code.len()) as u64;
        let written = CacheFolder::open_or_create(&self.path).and_then(|folder| {
            if self.evict_to_fit(&folder, size) {
                folder.write(&key.file_name(), &[&header, &code])?;
            } else {
                tracing::debug!("{size} bytes of compiled code are not kept: over cache.size");
            }
            Ok(())
        });
        if let Err(error) = written {
            self.warn_once(&error);
        }
    }

    /// Removes what was not used for longest until there is room for `size` bytes more; says
    /// whether there is.
    fn evict_to_fit(&self, folder: &CacheFolder, size: u64) -> bool {
        let Some(room) = self.max_bytes.checked_sub(size) else { return false };
        let files = match folder.list_files() {
            Ok(files) => files,
            Err(error) => {
                self.warn_once(&error);
                return false;
            }
        };
        let plan = eviction::plan_eviction(files, room, SystemTime::now());
        for file in &plan.evict {
            if let Err(error) = folder.remove(&file.name) {
                self.warn_once(&FolderError::from(error));
                return false;
            }
        }
        plan.fits
    }

    /// Says once what is wrong with the folder: it will be the same for the next plugin.
    fn warn_once(&self, problem: &dyn Display) {
        let folder = self.path.display();
        if self.warned.swap(true, Ordering::Relaxed) {
            tracing::debug!("the cache for compiled code, {folder}: {problem}");
        } else {
            tracing::warn!(
                "the cache for compiled code, {folder}: {problem}; serving goes on, but the next \
                 start may have to compile again, unless cache.folder names another folder"
            );
        }
    }
}
