//! A source plugin that the editor of the demo page edits.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::sync::oneshot::Receiver;
use tokio::time::timeout;

use super::editor_error::EditorError;
use super::save_outcome::SaveOutcome;
use crate::tenants::FollowedPlugin;
use narrowboat_core::sha256_digest::Sha256Digest;
use narrowboat_core::source_bundle::SourcePath;
use narrowboat_core::units::ByteSize;
use narrowboat_deploy::packaging::{
    BuildSource, EditError, EditableSource, MissingPackages, ReadBuildError, SourceText,
};
use narrowboat_deploy::rollout::{DeployOutcome, DeploySource};
use narrowboat_runtime::{Build, run_on_dedicated_thread};

/// How long a save waits while the follower of the folder reads it.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// A source plugin that the editor of the demo page edits.
pub(crate) struct EditedPlugin {
    pub(super) source: EditableSource,
    /// The deploys of the plugin; `None` if it could not be loaded, so that the host loads it at the next change.
    followed: Option<FollowedPlugin>,
    /// The largest bundle.
    size_limit: ByteSize,
}

/// A text that was saved.
struct Saved {
    digest: Sha256Digest,
    build: Result<Build, ReadBuildError>,
}

impl EditedPlugin {
    /// A plugin with this source folder.
    pub(crate) fn new(
        folder: PathBuf,
        followed: Option<FollowedPlugin>,
        size_limit: ByteSize,
    ) -> Self {
        Self { source: EditableSource::new(folder), followed, size_limit }
    }

    /// Whether the plugin is served.
    pub(super) fn is_served(&self) -> bool {
        self.followed.is_some()
    }

    /// The text files.
    pub(super) async fn list(&self) -> Result<Vec<SourcePath>, EditorError> {
        let source = self.source.clone();
        run_on_dedicated_thread(move || source.list()).await.ok_or_else(EditorError::no_thread)
    }

    /// Reads a file.
    pub(super) async fn read(&self, path: &SourcePath) -> Result<SourceText, EditorError> {
        let (source, path) = (self.source.clone(), path.clone());
        let read = run_on_dedicated_thread(move || source.read(&path)).await;
        Ok(read.ok_or_else(EditorError::no_thread)??)
    }

    /// Writes a file whose digest is `expected`, deploys the folder, and waits for the outcome of these bytes, but not
    /// longer than `limit`. Holds `save_lock` until the version is in the queue. Returns the digest of the text and the
    /// outcome.
    pub(super) async fn save(
        &self,
        path: SourcePath,
        text: String,
        expected: Sha256Digest,
        save_guard: OwnedMutexGuard<()>,
        limit: Duration,
    ) -> Result<(Sha256Digest, SaveOutcome), EditorError> {
        let lock = match &self.followed {
            // The follower keeps the lock while it installs packages, and a save need not wait for that.
            Some(followed) => timeout(LOCK_TIMEOUT, followed.saved_build.lock_source()).await.ok(),
            None => None,
        };
        let (source, size_limit) = (self.source.clone(), self.size_limit);
        // The thread holds the lock, because it continues if the client disconnects.
        let work =
            move || (write_and_pack(&source, &path, &text, expected, size_limit), save_guard);
        let done = run_on_dedicated_thread(work).await;
        let (saved, save_guard) = done.ok_or_else(EditorError::no_thread)?;
        let Saved { digest, build } = saved?;
        let build = build.map(Arc::new);
        if let (Some(followed), Ok(build)) = (&self.followed, &build)
            && !followed.needs_reload(build)
        {
            followed.saved_build.record(build.digest());
        }
        let deploy = build.map_err(SaveOutcome::from).and_then(|build| self.enqueue(build));
        drop((lock, save_guard));
        let outcome = match deploy {
            Ok(outcome) => wait_for_outcome(outcome, limit).await,
            Err(outcome) => outcome,
        };
        Ok((digest, outcome))
    }

    /// Puts a version into the queue of deploys. The watcher reports the change too, and leaves this version to the
    /// editor; a version that needs a reload is left to the watcher.
    fn enqueue(&self, build: Arc<Build>) -> Result<Receiver<DeployOutcome>, SaveOutcome> {
        let followed = self.followed.as_ref().ok_or(SaveOutcome::Working)?;
        if followed.needs_reload(&build) {
            return Err(SaveOutcome::Reloading);
        }
        let source = DeploySource::ChangedFile(self.source.folder().to_owned());
        Ok(followed.rollout.enqueue(build, source))
    }
}

async fn wait_for_outcome(outcome: Receiver<DeployOutcome>, limit: Duration) -> SaveOutcome {
    match timeout(limit, outcome).await {
        Ok(Ok(outcome)) => outcome.into(),
        Ok(Err(_)) | Err(_) => SaveOutcome::Working,
    }
}

fn write_and_pack(
    source: &EditableSource,
    path: &SourcePath,
    text: &str,
    expected: Sha256Digest,
    size_limit: ByteSize,
) -> Result<Saved, EditError> {
    let digest = source.write(path, text, expected)?;
    // The follower of the folder installs packages; two installations at a time would disturb each other.
    let missing_packages = MissingPackages::Refuse;
    let folder = BuildSource::Folder { path: source.folder().to_owned(), missing_packages };
    Ok(Saved { digest, build: folder.read(size_limit) })
}
