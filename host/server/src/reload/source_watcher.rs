//! The watcher of component files and source folders.

use std::path::PathBuf;

use narrowboat_config::WatchMode;
use narrowboat_deploy::packaging::is_skipped;
use narrowboat_deploy::watch::{WatchError, Watcher};

/// Reports changes of single files, and of folders in which a file changed.
pub(super) struct SourceWatcher {
    files: Watcher,
    folders: Option<FolderWatcher>,
}

struct FolderWatcher {
    folders: Vec<PathBuf>,
    watcher: Watcher,
}

impl SourceWatcher {
    /// Watches files, and source folders with all files below them. They need not exist yet. Blocks on the disk.
    ///
    /// # Errors
    /// As [`Watcher::files`].
    pub(super) fn start(
        files: Vec<PathBuf>,
        folders: Vec<PathBuf>,
        mode: WatchMode,
    ) -> Result<Self, WatchError> {
        let files = Watcher::files(files, mode)?;
        let folders = (!folders.is_empty()).then(|| FolderWatcher::start(folders, mode));
        Ok(Self { files, folders: folders.transpose()? })
    }

    /// Waits for a change. Returns the files that changed and the folders in which a file changed, as they were given.
    /// Cancel-safe.
    pub(super) async fn changed(&mut self) -> Vec<PathBuf> {
        let Some(folders) = &mut self.folders else { return self.files.changed().await };
        tokio::select! {
            files = self.files.changed() => files,
            changed = folders.changed() => changed,
        }
    }
}

impl FolderWatcher {
    fn start(folders: Vec<PathBuf>, mode: WatchMode) -> Result<Self, WatchError> {
        let watcher = Watcher::trees(folders.clone(), Vec::new(), mode)?;
        Ok(Self { folders, watcher })
    }

    async fn changed(&mut self) -> Vec<PathBuf> {
        let changed = self.watcher.changed().await;
        // Changed paths have their links resolved, and the folder may have been replaced by another one meanwhile.
        let has_change = |folder: &&PathBuf| {
            let folder = folder.canonicalize().unwrap_or_else(|_| (*folder).clone());
            let mut paths = changed.iter().filter_map(|path| path.strip_prefix(&folder).ok());
            paths.any(|path| !is_skipped(path))
        };
        self.folders.iter().filter(has_change).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use tempfile::TempDir;

    const DEADLINE: Duration = Duration::from_secs(10);

    fn watch(file: &Path, folder: &Path) -> SourceWatcher {
        let (files, folders) = (vec![file.to_owned()], vec![folder.to_owned()]);
        SourceWatcher::start(files, folders, WatchMode::Events).unwrap()
    }

    async fn changed(watcher: &mut SourceWatcher, path: &Path) {
        let seen = async { while !watcher.changed().await.iter().any(|it| it == path) {} };
        tokio::time::timeout(DEADLINE, seen).await.unwrap();
    }

    #[tokio::test]
    async fn a_change_below_a_folder_is_a_change_of_the_folder() {
        let scratch = TempDir::new().unwrap();
        let (file, folder) = (scratch.path().join("echo.wasm"), scratch.path().join("chat"));
        fs::create_dir_all(folder.join("rooms")).unwrap();
        let mut watcher = watch(&file, &folder);
        fs::write(folder.join("rooms/chat.py"), "new").unwrap();
        changed(&mut watcher, &folder).await;
        fs::remove_file(folder.join("rooms/chat.py")).unwrap();
        changed(&mut watcher, &folder).await;
        fs::write(&file, "new").unwrap();
        changed(&mut watcher, &file).await;
    }

    #[tokio::test]
    async fn a_change_of_a_skipped_file_is_not_a_change_of_the_folder() {
        let scratch = TempDir::new().unwrap();
        let (file, folder) = (scratch.path().join("echo.wasm"), scratch.path().join("chat"));
        fs::create_dir_all(folder.join("__pycache__")).unwrap();
        let mut watcher = watch(&file, &folder);
        fs::write(folder.join("__pycache__/chat.pyc"), "new").unwrap();
        fs::write(folder.join("chat.narrowboat"), "new").unwrap();
        let skipped = watcher.folders.as_mut().unwrap().changed();
        assert!(tokio::time::timeout(DEADLINE, skipped).await.unwrap().is_empty());
    }
}
