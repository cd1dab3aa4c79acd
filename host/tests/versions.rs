//! The versions of a plugin on disk: whole whoever writes beside whom.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;

use narrowboat::atomic_file::is_temporary;
use narrowboat::name::Tenant;
use narrowboat::plugin::{Build, Hash};
use narrowboat::signature::Unsigned;
use narrowboat::versions::{Shelf, State, VersionStore};

const THREADS: usize = 8;

/// Changes that each thread makes.
const CHANGES: usize = 12;

/// More than all threads keep, so that none is forgotten for want of room.
const KEEP: usize = 1_000;

/// A folder that is removed with this.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("narrowboat-{:x}", rand::random::<u64>()));
        Self(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Bytes of another length for each, so that mixed ones would show.
fn build(thread: usize, change: usize) -> Build {
    let text = format!("{thread} {change} ");
    Build::new(text.repeat(100 + 700 * thread + change).into_bytes(), Err(Unsigned::Uploaded))
}

/// Fails unless the records say what lies on the disk, and nothing else lies there.
fn check(folder: &Path, shelf: &Shelf) {
    let records = shelf.list();
    for record in &records {
        if record.state != State::Refused {
            assert_eq!(shelf.build(record.version).unwrap().digest(), record.version);
        }
    }
    let entries = std::fs::read_dir(folder).unwrap();
    for name in entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
        assert!(!is_temporary(&name), "{name} was left");
        if let Some(version) = name.strip_suffix(".wasm") {
            let version: Hash = version.parse().unwrap();
            assert!(records.iter().any(|record| record.version == version), "{name} is unknown");
        }
    }
}

#[test]
fn what_many_threads_keep_at_once_is_whole() {
    let scratch = Scratch::new();
    let store = VersionStore::open(&scratch.0, KEEP).unwrap();
    let shelf = store.shelf(&Tenant::default(), "chat").unwrap();
    let begin = Barrier::new(THREADS);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (shelf, begin) = (&shelf, &begin);
            scope.spawn(move || {
                begin.wait();
                for change in 0..CHANGES {
                    let build = build(thread, change);
                    match change % 4 {
                        0 => shelf.serve_file(&build).unwrap(),
                        1 => shelf.pend(&build, "ci", Vec::new(), None).unwrap(),
                        2 => shelf.refuse(&build, "ci", "it is no good", None).unwrap(),
                        _ => {
                            shelf.keep(&build, "ci").unwrap();
                            shelf.publish(build.digest(), None).unwrap();
                        }
                    }
                }
            });
        }
    });
    assert!(shelf.live().is_some());
    let live = shelf.list().into_iter().filter(|record| record.state == State::Live);
    assert_eq!(live.count(), 1);
    let kept = shelf.list().into_iter().filter(|record| record.state != State::Refused);
    assert_eq!(kept.count(), THREADS * CHANGES * 3 / 4);
    check(&scratch.0.join("chat"), &shelf);
    // What a host finds that starts now.
    let before = shelf.list();
    drop((shelf, store));
    let store = VersionStore::open(&scratch.0, KEEP).unwrap();
    let shelf = store.shelf(&Tenant::default(), "chat").unwrap();
    assert_eq!(shelf.list(), before);
    check(&scratch.0.join("chat"), &shelf);
}

#[test]
fn whoever_asks_for_the_versions_of_a_plugin_gets_the_same_shelf() {
    let scratch = Scratch::new();
    let store = VersionStore::open(&scratch.0, KEEP).unwrap();
    let shelf = || store.shelf(&Tenant::default(), "chat").unwrap();
    let first = shelf();
    assert!(std::sync::Arc::ptr_eq(&first, &shelf()));
    first.keep(&build(0, 0), "ci").unwrap();
    drop(first);
    assert_eq!(shelf().list().len(), 1);
}

#[test]
fn what_a_crash_left_unfinished_is_removed() {
    let scratch = Scratch::new();
    let store = VersionStore::open(&scratch.0, KEEP).unwrap();
    let folder = scratch.0.join("chat");
    drop(store.shelf(&Tenant::default(), "chat").unwrap());
    let (left, foreign) = (folder.join(".0123456789abcdef.unfinished"), folder.join("notes.txt"));
    std::fs::write(&left, "half").unwrap();
    std::fs::write(&foreign, "whole").unwrap();
    drop(store.shelf(&Tenant::default(), "chat").unwrap());
    assert!(!left.exists() && foreign.exists());
}
