//! The versions of a plugin on disk: whole whoever writes beside whom.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;

use narrowboat_config::signature::MissingSignature;
use narrowboat_core::atomic_file::is_temp_name;
use narrowboat_core::name::Tenant;
use narrowboat_deploy::versions::{PluginVersionStore, VersionState, VersionStore};
use narrowboat_runtime::{Build, Sha256Digest};

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
    Build::new(
        text.repeat(100 + 700 * thread + change).into_bytes(),
        Err(MissingSignature::NotInUpload),
    )
}

/// Fails unless the records say what lies on the disk, and nothing else lies there.
fn check(folder: &Path, shelf: &PluginVersionStore) {
    let records = shelf.list();
    for record in &records {
        if record.state != VersionState::Refused {
            assert_eq!(shelf.load_build(record.version).unwrap().digest(), record.version);
        }
    }
    let entries = std::fs::read_dir(folder).unwrap();
    for name in entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
        assert!(!is_temp_name(&name), "{name} was left");
        if let Some(version) = name.strip_suffix(".wasm") {
            let version: Sha256Digest = version.parse().unwrap();
            assert!(records.iter().any(|record| record.version == version), "{name} is unknown");
        }
    }
}

#[test]
fn what_many_threads_keep_at_once_is_whole() {
    let scratch = Scratch::new();
    let store = VersionStore::open(&scratch.0, KEEP).unwrap();
    let shelf = store.plugin_store(&Tenant::default(), "chat").unwrap();
    let begin = Barrier::new(THREADS);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (shelf, begin) = (&shelf, &begin);
            scope.spawn(move || {
                begin.wait();
                for change in 0..CHANGES {
                    let build = build(thread, change);
                    match change % 4 {
                        0 => shelf.publish_file(&build).unwrap(),
                        1 => shelf.store_pending(&build, "ci", Vec::new(), None).unwrap(),
                        2 => shelf.record_refused(&build, "ci", "it is no good", None).unwrap(),
                        _ => {
                            shelf.store(&build, "ci").unwrap();
                            shelf.record_published(build.digest(), None).unwrap();
                        }
                    }
                }
            });
        }
    });
    assert!(shelf.live().is_some());
    let live = shelf.list().into_iter().filter(|record| record.state == VersionState::Live);
    assert_eq!(live.count(), 1);
    let kept = shelf.list().into_iter().filter(|record| record.state != VersionState::Refused);
    assert_eq!(kept.count(), THREADS * CHANGES * 3 / 4);
    check(&scratch.0.join("chat"), &shelf);
    // What a host finds that starts now.
    let before = shelf.list();
    drop((shelf, store));
    let store = VersionStore::open(&scratch.0, KEEP).unwrap();
    let shelf = store.plugin_store(&Tenant::default(), "chat").unwrap();
    assert_eq!(shelf.list(), before);
    check(&scratch.0.join("chat"), &shelf);
}

#[test]
fn whoever_asks_for_the_versions_of_a_plugin_gets_the_same_shelf() {
    let scratch = Scratch::new();
    let store = VersionStore::open(&scratch.0, KEEP).unwrap();
    let shelf = || store.plugin_store(&Tenant::default(), "chat").unwrap();
    let first = shelf();
    assert!(std::sync::Arc::ptr_eq(&first, &shelf()));
    first.store(&build(0, 0), "ci").unwrap();
    drop(first);
    assert_eq!(shelf().list().len(), 1);
}

#[test]
fn a_version_that_was_kept_and_neither_served_nor_was_approved_is_not_cleared() {
    let scratch = Scratch::new();
    let shelf = || {
        let store = VersionStore::open(&scratch.0, KEEP).unwrap();
        store.plugin_store(&Tenant::default(), "chat").unwrap()
    };
    let (first, second) = (build(0, 0), build(0, 1));
    let kept = shelf();
    kept.publish_file(&first).unwrap();
    kept.store(&second, "ci").unwrap();
    assert!(kept.is_preapproved(first.digest()) && !kept.is_preapproved(second.digest()));
    // Its consumers could not move, and it may be wanted once more.
    kept.record_failure(
        second.digest(),
        VersionState::Kept,
        first.digest(),
        "no consumer could move",
    )
    .unwrap();
    assert!(!kept.is_preapproved(second.digest()));
    drop(kept);
    assert!(!shelf().is_preapproved(second.digest()));
}

#[test]
fn a_version_that_has_served_or_was_approved_stays_cleared() {
    let scratch = Scratch::new();
    let shelf = || {
        let store = VersionStore::open(&scratch.0, KEEP).unwrap();
        store.plugin_store(&Tenant::default(), "chat").unwrap()
    };
    let [served, approved, newer, newest] = [0, 1, 2, 3].map(|change| build(0, change));
    let kept = shelf();
    for build in [&served, &newer, &newest] {
        kept.store(build, "ci").unwrap();
        kept.record_published(build.digest(), None).unwrap();
    }
    kept.store(&served, "ci").unwrap();
    kept.store_pending(&approved, "ci", vec!["random".to_owned()], None).unwrap();
    assert!(!kept.is_preapproved(approved.digest()));
    kept.store_approved(&approved, "chief").unwrap();
    kept.store(&approved, "ci").unwrap();
    assert_eq!(kept.state(served.digest()), Some(VersionState::Kept));
    drop(kept);
    let kept = shelf();
    for build in [&served, &approved, &newer, &newest] {
        assert!(kept.is_preapproved(build.digest()));
    }
}

#[test]
fn of_records_that_do_not_say_who_served_only_the_last_two_that_did_are_cleared() {
    let scratch = Scratch::new();
    let shelf = || {
        let store = VersionStore::open(&scratch.0, KEEP).unwrap();
        store.plugin_store(&Tenant::default(), "chat").unwrap()
    };
    let builds = [0, 1, 2].map(|change| build(0, change));
    let kept = shelf();
    for build in &builds {
        kept.store(build, "ci").unwrap();
        kept.record_published(build.digest(), None).unwrap();
    }
    drop(kept);
    let file = scratch.0.join("chat/versions.json");
    let mut records: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    for record in records["versions"].as_array_mut().unwrap() {
        assert_eq!(record.as_object_mut().unwrap().remove("served"), Some(true.into()));
    }
    std::fs::write(&file, records.to_string()).unwrap();
    let kept = shelf();
    assert_eq!(builds.map(|build| kept.is_preapproved(build.digest())), [false, true, true]);
}

#[test]
fn what_a_crash_left_unfinished_is_removed() {
    let scratch = Scratch::new();
    let store = VersionStore::open(&scratch.0, KEEP).unwrap();
    let folder = scratch.0.join("chat");
    drop(store.plugin_store(&Tenant::default(), "chat").unwrap());
    let (left, foreign) = (folder.join(".0123456789abcdef.unfinished"), folder.join("notes.txt"));
    std::fs::write(&left, "half").unwrap();
    std::fs::write(&foreign, "whole").unwrap();
    drop(store.plugin_store(&Tenant::default(), "chat").unwrap());
    assert!(!left.exists() && foreign.exists());
}
