//! The watch of certificates, keys and tokens.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The pause between two looks at the files. A change counts once two looks in a row find it, so that a writer has this
/// time between two parts of a file, and a new value is used within two seconds.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The longest time by which the time of a change in a file system may be behind the clock.
const CLOCK_TICK: Duration = Duration::from_secs(1);

/// The watch of some files, which tells once a change is complete.
pub(super) struct FileWatch {
    /// The files as the host has read them.
    applied: SecretFileStamps,
    /// The files at the last look.
    seen: SecretFileStamps,
}

/// The state of some files, which differs after one of them has changed.
type SecretFileStamps = BTreeMap<PathBuf, Option<SecretFileStamp>>;

/// The state of a file that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SecretFileStamp {
    device: u64,
    inode: u64,
    len: u64,
    /// Each write changes it, and `chmod` too, which may be the remedy for a file that was refused. Seconds and nanoseconds.
    changed_at: (i64, i64),
}

/// Calls `on_change` each time that one of the files has changed since `read_at`, for ever. The files may become others.
pub(crate) async fn poll_files(
    read_at: SystemTime,
    files: impl Fn() -> Vec<PathBuf>,
    on_change: impl Fn(),
) {
    let mut watch = FileWatch::since(read_at, files());
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        if watch.has_changed(files()) {
            on_change();
        }
    }
}

impl FileWatch {
    /// A watch of files that the host has read after `read_at`. A file that has changed since then counts as not read.
    fn since(read_at: SystemTime, files: Vec<PathBuf>) -> Self {
        // The times of files are behind the clock by a tick of the system.
        let read_at = read_at - CLOCK_TICK;
        let seen = stamps_of(files);
        let is_read =
            |stamp: &Option<SecretFileStamp>| stamp.as_ref().is_none_or(|it| it.is_before(read_at));
        let applied = seen.clone().into_iter().filter(|(_, stamp)| is_read(stamp)).collect();
        Self { applied, seen }
    }

    /// A watch of no files yet, for which each file counts as changed.
    pub(super) fn empty() -> Self {
        Self { applied: SecretFileStamps::new(), seen: SecretFileStamps::new() }
    }

    /// Looks at these files. Returns whether one has changed, or was not watched before: it may have changed since the host
    /// read it. A change counts if the look before found the same.
    pub(super) fn has_changed(&mut self, files: Vec<PathBuf>) -> bool {
        let before = std::mem::replace(&mut self.seen, stamps_of(files));
        let differs = |(file, stamp): (&PathBuf, _)| self.applied.get(file) != Some(stamp);
        let has_changed = before == self.seen && self.seen.iter().any(differs);
        if has_changed {
            self.applied.clone_from(&self.seen);
        }
        has_changed
    }
}

fn stamps_of(files: Vec<PathBuf>) -> SecretFileStamps {
    let stamp = |file: PathBuf| {
        let stamp = SecretFileStamp::of(&file);
        (file, stamp)
    };
    files.into_iter().map(stamp).collect()
}

impl SecretFileStamp {
    /// Symbolic links are followed, because some tools renew a certificate by changing a link.
    fn of(file: &Path) -> Option<Self> {
        let metadata = file.metadata().ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            len: metadata.len(),
            changed_at: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    fn is_before(&self, time: SystemTime) -> bool {
        let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.changed_at.0 < i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions, Permissions};
    use std::io::Write;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// A folder with a file that is watched.
    struct Watched {
        folder: tempfile::TempDir,
        file: PathBuf,
        watch: FileWatch,
    }

    impl Watched {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("token");
            fs::write(&file, "first").unwrap();
            let watch = FileWatch::since(later(), vec![file.clone()]);
            Self { folder, file, watch }
        }

        fn has_changed(&mut self) -> bool {
            self.watch.has_changed(vec![self.file.clone()])
        }
    }

    /// A time at which all files of the test are there.
    fn later() -> SystemTime {
        SystemTime::now() + 3 * CLOCK_TICK
    }

    #[test]
    fn a_file_that_changed_after_the_host_read_it_counts() {
        let mut watched = Watched::new();
        let read_at = SystemTime::now() - CLOCK_TICK;
        watched.watch = FileWatch::since(read_at, vec![watched.file.clone()]);
        let looks: Vec<_> = (0..3).map(|_| watched.has_changed()).collect();
        assert_eq!(looks, [true, false, false]);
    }

    #[test]
    fn a_change_counts_once_at_the_second_look_that_finds_it() {
        let mut watched = Watched::new();
        assert!(!watched.has_changed());
        fs::write(&watched.file, "second").unwrap();
        let looks: Vec<_> = (0..4).map(|_| watched.has_changed()).collect();
        assert_eq!(looks, [false, true, false, false]);
    }

    #[test]
    fn a_file_that_is_written_slowly_does_not_count_before_its_end() {
        let mut watched = Watched::new();
        let mut writer = OpenOptions::new().write(true).truncate(true).open(&watched.file).unwrap();
        for part in ["sec", "ond", " of", " it"] {
            assert!(!watched.has_changed());
            writer.write_all(part.as_bytes()).unwrap();
        }
        let looks: Vec<_> = (0..2).map(|_| watched.has_changed()).collect();
        assert_eq!(looks, [false, true]);
    }

    #[test]
    fn other_permissions_are_a_change() {
        let mut watched = Watched::new();
        fs::set_permissions(&watched.file, Permissions::from_mode(0o600)).unwrap();
        assert!(!watched.has_changed() && watched.has_changed());
    }

    #[test]
    fn a_link_to_another_folder_is_a_change() {
        let mut watched = Watched::new();
        let folder = |name: &str| watched.folder.path().join(name);
        for name in ["one", "two"] {
            fs::create_dir(folder(name)).unwrap();
            fs::write(folder(name).join("token"), "equal").unwrap();
        }
        symlink("one", folder("..data")).unwrap();
        let file = folder("..data").join("token");
        watched.watch = FileWatch::since(later(), vec![file.clone()]);
        symlink("two", folder("..new")).unwrap();
        fs::rename(folder("..new"), folder("..data")).unwrap();
        watched.file = file;
        assert!(!watched.has_changed() && watched.has_changed());
    }
}
