//! The record of the version that a plugin starts with.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use narrowboat_core::capabilities::{Capabilities, format_missing};
use narrowboat_core::name::Tenant;
use narrowboat_deploy::versions::PluginVersionStore;
use narrowboat_runtime::Build;

/// The record of the version that a plugin starts with. It is persisted when the plugin is served, and not when it is
/// loaded, so that a configuration that is refused changes nothing on the disk.
pub(crate) struct DeferredVersionRecord {
    pub(super) store: Arc<PluginVersionStore>,
    pub(super) tenant: Tenant,
    pub(super) plugin: String,
    pub(super) file: PathBuf,
    pub(super) build: Arc<Build>,
    /// The capabilities that the file's version requests beyond those of the live version. If there are any, the version
    /// waits for approval; `None` if the version is served.
    pub(super) extra_capabilities: Option<Capabilities>,
}

/// The records that are written at a time. A file system that has a journal commits them together.
const MAX_WRITERS: usize = 16;

/// Writes records to their stores, several at a time, because each waits for the disk. Blocks.
pub(crate) fn persist_all(records: Vec<DeferredVersionRecord>) {
    let writers = records.len().min(MAX_WRITERS);
    let records = Mutex::new(records.into_iter());
    let next = || records.lock().unwrap_or_else(PoisonError::into_inner).next();
    let persist = || {
        while let Some(record) = next() {
            record.persist();
        }
    };
    thread::scope(|scope| {
        for _ in 1..writers {
            // Without another thread, the others and this one write all records.
            let _ = thread::Builder::new().spawn_scoped(scope, persist);
        }
        persist();
    });
}

impl DeferredVersionRecord {
    /// Writes the record to the store. Blocks on the disk. A failure does not affect what is served, so it is logged.
    fn persist(self) {
        let label = self.tenant.plugin_label(&self.plugin);
        let digest = self.build.digest();
        let result = match &self.extra_capabilities {
            None => self.store.publish_file(&self.build),
            Some(extra) => {
                self.log_pending(&label, extra);
                self.store.store_pending(&self.build, "file", extra.descriptions(), Some(digest))
            }
        };
        if let Err(error) = result {
            let version = digest.short_hex();
            tracing::warn!(plugin = &*label, version, %error, "cannot store the version");
        }
    }

    fn log_pending(&self, label: &str, extra: &Capabilities) {
        let (file, version) = (self.file.display(), self.build.digest().short_hex());
        let extra = format_missing(&extra.descriptions());
        let plugin_arguments = self.tenant.arguments(&self.plugin);
        tracing::warn!(
            plugin = label,
            version,
            requested_by = "file",
            %file,
            extra_capabilities = %extra,
            command = format_args!("narrowboat approve {plugin_arguments} {version}"),
            "version waits for an approval"
        );
    }
}
