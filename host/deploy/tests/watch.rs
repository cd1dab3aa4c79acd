//! The watcher notices changes, in whatever way a file is written.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test it is the assertion")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use narrowboat_deploy::watch::{DEBOUNCE, POLL_INTERVAL, WatchMode, Watcher};

const DEADLINE: Duration = Duration::from_secs(10);

/// A folder for one test, which is removed after it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("watch-{name}"));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        // Paths of a tree are reported with their links resolved.
        Self(path.canonicalize().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.file(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        file
    }

    /// Writes beside a file and renames, as a careful program does.
    fn replace(&self, name: &str, text: &str) {
        let beside = self.write(&format!("{name}.new"), text);
        fs::rename(beside, self.file(name)).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn files(files: &[&PathBuf], mode: WatchMode) -> Watcher {
    Watcher::files(files.iter().map(|file| (*file).clone()), mode).unwrap()
}

fn tree(folder: &Folder) -> Watcher {
    Watcher::trees([folder.0.clone()], vec![folder.file("out")], WatchMode::Events).unwrap()
}

async fn changed(watcher: &mut Watcher) -> Vec<PathBuf> {
    tokio::time::timeout(DEADLINE, watcher.changed()).await.expect("no change is reported")
}

/// Waits until a path has been reported: what came before may be reported once more.
async fn until_reported(watcher: &mut Watcher, path: &PathBuf) {
    let seen = async { while !watcher.changed().await.contains(path) {} };
    tokio::time::timeout(DEADLINE, seen).await.expect("the change is not reported");
}

/// Waits until a file has been reported whose text is `text`: a watcher may report what came before.
async fn until_it_reads(watcher: &mut Watcher, file: &PathBuf, text: &str) {
    let seen = async {
        while !(watcher.changed().await.contains(file)
            && fs::read_to_string(file).is_ok_and(|now| now == text))
        {}
    };
    tokio::time::timeout(DEADLINE, seen).await.expect("the change is not reported");
}

/// Replaces a file ten times and waits for each change. Polls alone would take ten times [`POLL_INTERVAL`]; half of that
/// leaves room for a busy machine.
async fn is_noticed_by_events(watcher: &mut Watcher, folder: &Folder, name: &str, file: &PathBuf) {
    let start = Instant::now();
    for number in 0..10 {
        let text = format!("new {number}");
        folder.replace(name, &text);
        until_it_reads(watcher, file, &text).await;
    }
    assert!(start.elapsed() < 5 * POLL_INTERVAL, "{:?}: only polls noticed", start.elapsed());
}

#[tokio::test]
async fn a_file_that_is_renamed_into_place_is_noticed_by_events() {
    let folder = Folder::new("rename");
    let file = folder.write("echo.wasm", "old");
    let mut watcher = files(&[&file], WatchMode::Events);
    folder.replace("echo.wasm", "new");
    assert_eq!(changed(&mut watcher).await, std::slice::from_ref(&file));
    is_noticed_by_events(&mut watcher, &folder, "echo.wasm", &file).await;
}

#[tokio::test]
async fn a_file_that_is_written_in_place_is_noticed() {
    let folder = Folder::new("in-place");
    let file = folder.write("echo.wasm", "old");
    let mut watcher = files(&[&file], WatchMode::Events);
    folder.write("echo.wasm", "new");
    assert_eq!(changed(&mut watcher).await, [file]);
}

#[tokio::test]
async fn a_file_that_is_written_with_the_same_text_is_noticed() {
    let folder = Folder::new("same");
    let file = folder.write("echo.wasm", "same");
    let mut watcher = files(&[&file], WatchMode::Events);
    folder.write("echo.wasm", "same");
    assert_eq!(changed(&mut watcher).await, [file]);
}

#[tokio::test]
async fn a_deleted_file_is_noticed_when_it_exists_again() {
    let folder = Folder::new("delete");
    let (file, other) = (folder.write("echo.wasm", "old"), folder.write("other.wasm", "old"));
    let mut watcher = files(&[&file, &other], WatchMode::Events);
    fs::remove_file(&file).unwrap();
    folder.write("other.wasm", "new");
    assert_eq!(changed(&mut watcher).await, [other]);
    folder.write("echo.wasm", "new");
    until_reported(&mut watcher, &file).await;
}

#[tokio::test]
async fn a_file_that_is_created_later_is_noticed() {
    let folder = Folder::new("later");
    let file = folder.file("not/yet/echo.wasm");
    let mut watcher = files(&[&file], WatchMode::Events);
    folder.write("not/yet/echo.wasm", "new");
    assert_eq!(changed(&mut watcher).await, [file]);
}

#[tokio::test]
async fn a_folder_may_be_removed_and_created_again() {
    let folder = Folder::new("folder");
    let file = folder.write("built/echo.wasm", "old");
    let mut watcher = files(&[&file], WatchMode::Events);
    for text in ["once", "twice"] {
        fs::remove_dir_all(folder.file("built")).unwrap();
        folder.write("built/echo.wasm", text);
        until_it_reads(&mut watcher, &file, text).await;
    }
    is_noticed_by_events(&mut watcher, &folder, "built/echo.wasm", &file).await;
}

#[tokio::test]
async fn a_folder_may_be_renamed_away_and_another_take_its_place() {
    let folder = Folder::new("folder-renamed");
    let file = folder.write("built/echo.wasm", "old");
    folder.write("next/echo.wasm", "new");
    let mut watcher = files(&[&file], WatchMode::Events);
    fs::rename(folder.file("built"), folder.file("before")).unwrap();
    fs::rename(folder.file("next"), folder.file("built")).unwrap();
    until_it_reads(&mut watcher, &file, "new").await;
}

/// The way Kubernetes mounts a ConfigMap.
#[tokio::test]
async fn a_link_in_the_path_of_a_file_may_change_its_target() {
    let folder = Folder::new("links");
    folder.write("..one/echo.wasm", "old");
    folder.write("..two/echo.wasm", "new");
    symlink("..one", folder.file("..data")).unwrap();
    symlink("..data/echo.wasm", folder.file("echo.wasm")).unwrap();
    let file = folder.file("echo.wasm");
    let mut watcher = files(&[&file], WatchMode::Events);
    symlink("..two", folder.file("..data_tmp")).unwrap();
    fs::rename(folder.file("..data_tmp"), folder.file("..data")).unwrap();
    fs::remove_dir_all(folder.file("..one")).unwrap();
    until_it_reads(&mut watcher, &file, "new").await;
    is_noticed_by_events(&mut watcher, &folder, "..two/echo.wasm", &file).await;
}

#[tokio::test]
async fn the_target_of_a_link_may_be_written() {
    let folder = Folder::new("link-target");
    folder.write("elsewhere/echo.wasm", "old");
    symlink("elsewhere/echo.wasm", folder.file("echo.wasm")).unwrap();
    let file = folder.file("echo.wasm");
    let mut watcher = files(&[&file], WatchMode::Events);
    folder.replace("elsewhere/echo.wasm", "new");
    assert_eq!(changed(&mut watcher).await, std::slice::from_ref(&file));
    is_noticed_by_events(&mut watcher, &folder, "elsewhere/echo.wasm", &file).await;
}

#[tokio::test]
async fn polling_notices_the_same_changes() {
    let folder = Folder::new("poll");
    let file = folder.write("built/echo.wasm", "old");
    let mut watcher = files(&[&file], WatchMode::Poll);
    folder.replace("built/echo.wasm", "renamed");
    until_it_reads(&mut watcher, &file, "renamed").await;
    folder.write("built/echo.wasm", "written");
    until_it_reads(&mut watcher, &file, "written").await;
    fs::remove_dir_all(folder.file("built")).unwrap();
    folder.write("built/echo.wasm", "back");
    until_it_reads(&mut watcher, &file, "back").await;
}

#[tokio::test]
async fn a_file_that_is_never_still_is_reported_again_and_again() {
    let folder = Arc::new(Folder::new("busy"));
    let file = folder.write("echo.wasm", "0");
    let mut watcher = files(&[&file], WatchMode::Events);
    for pause in [Duration::from_millis(100), DEBOUNCE / 6] {
        let done = Arc::new(AtomicBool::new(false));
        let (writing, until) = (Arc::clone(&folder), Arc::clone(&done));
        let writer = std::thread::spawn(move || {
            for number in 0.. {
                if until.load(Ordering::Relaxed) {
                    return;
                }
                writing.write("echo.wasm", &number.to_string());
                std::thread::sleep(pause);
            }
        });
        for _ in 0..3 {
            assert_eq!(changed(&mut watcher).await, std::slice::from_ref(&file));
        }
        done.store(true, Ordering::Relaxed);
        writer.join().unwrap();
    }
}

#[tokio::test]
async fn a_burst_of_writes_is_few_changes() {
    const WRITES: usize = 100;
    let folder = Folder::new("burst");
    let (file, other) = (folder.write("echo.wasm", ""), folder.write("other.wasm", ""));
    let mut watcher = files(&[&file, &other], WatchMode::Events);
    for number in 0..WRITES {
        folder.write("echo.wasm", &number.to_string());
        folder.replace("other.wasm", &number.to_string());
    }
    // One on a quiet machine: only a pause of more than the debounce between two writes makes another.
    let mut reports = 0;
    let mut reported = BTreeSet::new();
    while !(reported.contains(&file) && reported.contains(&other)) {
        reported.extend(changed(&mut watcher).await);
        reports += 1;
    }
    while let Ok(more) = tokio::time::timeout(4 * DEBOUNCE, watcher.changed()).await {
        reported.extend(more);
        reports += 1;
    }
    assert_eq!(reported, BTreeSet::from([file, other]));
    assert!(reports < WRITES / 4, "{reports} reports of {WRITES} writes");
}

#[tokio::test]
async fn other_files_are_not_reported() {
    for mode in [WatchMode::Events, WatchMode::Poll] {
        let folder = Folder::new("unrelated");
        let file = folder.write("echo.wasm", "old");
        let mut watcher = files(&[&file], mode);
        folder.write("unrelated.wasm", "new");
        folder.write("echo.wasm.new", "new");
        fs::read(&file).unwrap();
        let quiet = tokio::time::timeout(POLL_INTERVAL + 4 * DEBOUNCE, watcher.changed()).await;
        assert!(quiet.is_err(), "{quiet:?}");
    }
}

#[tokio::test]
async fn a_change_is_reported_after_a_cancelled_wait() {
    let folder = Folder::new("cancelled");
    let file = folder.write("echo.wasm", "old");
    let mut watcher = files(&[&file], WatchMode::Events);
    assert!(tokio::time::timeout(DEBOUNCE, watcher.changed()).await.is_err());
    folder.replace("echo.wasm", "new");
    std::thread::sleep(10 * DEBOUNCE);
    assert_eq!(changed(&mut watcher).await, [file]);
}

#[tokio::test]
async fn new_changed_and_removed_files_are_reported_in_a_tree() {
    let folder = Folder::new("tree");
    let lib = folder.write("src/lib.rs", "old");
    let mut watcher = tree(&folder);
    folder.write("src/lib.rs", "new");
    assert_eq!(changed(&mut watcher).await, std::slice::from_ref(&lib));
    let deep = folder.write("src/new/deep/mod.rs", "new");
    until_reported(&mut watcher, &deep).await;
    is_noticed_by_events(&mut watcher, &folder, "src/new/deep/mod.rs", &deep).await;
    fs::remove_file(&lib).unwrap();
    until_reported(&mut watcher, &lib).await;
}

#[tokio::test]
async fn files_that_are_not_sources_are_ignored_in_a_tree() {
    let folder = Folder::new("no-source");
    folder.write("target/lib.rs", "old");
    folder.write("out/lib.rs", "old");
    folder.write(".git/index", "old");
    let lib = folder.write("src/lib.rs", "old");
    let mut watcher = tree(&folder);
    for name in ["target/lib.rs", "out/lib.rs", ".git/index", ".lib.rs.swp", "src/lib.rs~"] {
        folder.write(name, "new");
    }
    for name in ["src/4913", "src/#lib.rs#", "src/.#lib.rs", "src/___jb_tmp___"] {
        folder.write(name, "new");
    }
    let quiet = tokio::time::timeout(POLL_INTERVAL + 4 * DEBOUNCE, watcher.changed()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    folder.write("src/lib.rs", "new");
    assert_eq!(changed(&mut watcher).await, [lib]);
}

#[tokio::test]
async fn a_tree_may_be_a_single_file() {
    let folder = Folder::new("single");
    let lock = folder.file("Cargo.lock");
    let mut watcher = Watcher::trees([lock.clone()], Vec::new(), WatchMode::Events).unwrap();
    folder.write("Cargo.toml", "not watched");
    folder.write("Cargo.lock", "new");
    assert_eq!(changed(&mut watcher).await, [lock]);
}

#[test]
fn a_path_that_is_not_of_a_file_is_refused() {
    let error = Watcher::files(["/".into()], WatchMode::Events).unwrap_err().to_string();
    assert!(error.contains("/ cannot be watched"), "{error}");
    let error = Watcher::files([PathBuf::new()], WatchMode::Events).unwrap_err().to_string();
    assert!(error.contains("cannot be watched"), "{error}");
}
