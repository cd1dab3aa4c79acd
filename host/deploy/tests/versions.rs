//! The version store: concurrent changes, approvals, and recovery after a crash.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;

use narrowboat_config::signature::MissingSignature;
use narrowboat_core::atomic_file::is_temp_name;
use narrowboat_core::name::Tenant;
use narrowboat_core::source_bundle::{SourceBundle, SourcePath};
use narrowboat_deploy::versions::{PluginVersionStore, VersionState, VersionStore};
use narrowboat_runtime::{Build, Sha256Digest};

const THREADS: usize = 8;

/// The number of changes of each thread.
const CHANGES: usize = 12;

/// More than all threads store, so that no version is pruned.
const KEEP: usize = 1_000;

/// A folder that is removed when this is dropped.
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

/// Bytes of a different length for each change, so that mixed files would be noticed.
fn build(thread: usize, change: usize) -> Build {
    let text = format!("{thread} {change} ");
    Build::new(
        text.repeat(100 + 700 * thread + change).into_bytes(),
        Err(MissingSignature::NotInUpload),
    )
}

/// Fails unless the records and the files on disk correspond.
fn check(folder: &Path, plugin_store: &PluginVersionStore) {
    let records = plugin_store.list();
    for record in &records {
        if record.state != VersionState::Refused {
            assert_eq!(plugin_store.load_build(record.version).unwrap().digest(), record.version);
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
fn a_source_bundle_is_kept_under_its_own_extension() {
    let scratch = Scratch::new();
    let store = VersionStore::open(&scratch.0, KEEP).unwrap();
    let plugin_store = store.plugin_store(&Tenant::default(), "bundles").unwrap();
    let manifest = SourcePath::parse("plugin.toml").unwrap();
    let bundle = SourceBundle::pack(&BTreeMap::from([(manifest, "name = \"chat\"")])).unwrap();
    let build = Build::new(bundle, Err(MissingSignature::NotInUpload));
    plugin_store.store(&build, "test").unwrap();
    plugin_store.record_published(build.digest(), None).unwrap();
    assert_eq!(plugin_store.load_build(build.digest()).unwrap().bytes(), build.bytes());
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(scratch.0.join("bundles")).unwrap() {
        names.insert(entry.unwrap().file_name().into_string().unwrap());
    }
    assert!(names.contains(&format!("{}.narrowboat", build.digest())), "{names:?}");
}

#[test]
fn concurrent_changes_leave_consistent_files() {
    let scratch = Scratch::new();
    let store = VersionStore::open(&scratch.0, KEEP).unwrap();
    let plugin_store = store.plugin_store(&Tenant::default(), "chat").unwrap();
    let begin = Barrier::new(THREADS);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (plugin_store, begin) = (&plugin_store, &begin);
            scope.spawn(move || {
                begin.wait();
                for change in 0..CHANGES {
                    let build = build(thread, change);
                    match change % 4 {
                        0 => plugin_store.publish_file(&build).unwrap(),
                        1 => plugin_store.store_pending(&build, "ci", Vec::new(), None).unwrap(),
                        2 => plugin_store
                            .record_refused(&build, "ci", "it is no good", None)
                            .unwrap(),
                        _ => {
                            plugin_store.store(&build, "ci").unwrap();
                            plugin_store.record_published(build.digest(), None).unwrap();
                        }
                    }
                }
            });
        }
    });
    assert!(plugin_store.live().is_some());
    let live = plugin_store.list().into_iter().filter(|record| record.state == VersionState::Live);
    assert_eq!(live.count(), 1);
    let kept =
        plugin_store.list().into_iter().filter(|record| record.state != VersionState::Refused);
    assert_eq!(kept.count(), THREADS * CHANGES * 3 / 4);
    check(&scratch.0.join("chat"), &plugin_store);
    // A host that starts now reads the same records.
    let before = plugin_store.list();
    drop((plugin_store, store));
    let store = VersionStore::open(&scratch.0, KEEP).unwrap();
    let plugin_store = store.plugin_store(&Tenant::default(), "chat").unwrap();
    assert_eq!(plugin_store.list(), before);
    check(&scratch.0.join("chat"), &plugin_store);
}

#[test]
fn a_plugin_has_one_store_at_a_time() {
    let scratch = Scratch::new();
    let store = VersionStore::open(&scratch.0, KEEP).unwrap();
    let plugin_store = || store.plugin_store(&Tenant::default(), "chat").unwrap();
    let first = plugin_store();
    assert!(std::sync::Arc::ptr_eq(&first, &plugin_store()));
    first.store(&build(0, 0), "ci").unwrap();
    drop(first);
    assert_eq!(plugin_store().list().len(), 1);
}

#[test]
fn a_version_that_was_neither_live_nor_approved_is_not_preapproved() {
    let scratch = Scratch::new();
    let plugin_store = || {
        let store = VersionStore::open(&scratch.0, KEEP).unwrap();
        store.plugin_store(&Tenant::default(), "chat").unwrap()
    };
    let (first, second) = (build(0, 0), build(0, 1));
    let kept = plugin_store();
    kept.publish_file(&first).unwrap();
    kept.store(&second, "ci").unwrap();
    assert!(kept.is_preapproved(first.digest()) && !kept.is_preapproved(second.digest()));
    // Its consumers could not migrate. It stays available for another rollback.
    kept.record_failure(
        second.digest(),
        VersionState::Kept,
        first.digest(),
        "no consumer could move",
    )
    .unwrap();
    assert!(!kept.is_preapproved(second.digest()));
    drop(kept);
    assert!(!plugin_store().is_preapproved(second.digest()));
}

#[test]
fn a_version_that_was_live_or_approved_stays_preapproved() {
    let scratch = Scratch::new();
    let plugin_store = || {
        let store = VersionStore::open(&scratch.0, KEEP).unwrap();
        store.plugin_store(&Tenant::default(), "chat").unwrap()
    };
    let [served, approved, newer, newest] = [0, 1, 2, 3].map(|change| build(0, change));
    let kept = plugin_store();
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
    let kept = plugin_store();
    for build in [&served, &approved, &newer, &newest] {
        assert!(kept.is_preapproved(build.digest()));
    }
}

#[test]
fn without_the_field_served_only_the_live_and_the_previous_version_are_preapproved() {
    let scratch = Scratch::new();
    let plugin_store = || {
        let store = VersionStore::open(&scratch.0, KEEP).unwrap();
        store.plugin_store(&Tenant::default(), "chat").unwrap()
    };
    let builds = [0, 1, 2].map(|change| build(0, change));
    let kept = plugin_store();
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
    let kept = plugin_store();
    assert_eq!(builds.map(|build| kept.is_preapproved(build.digest())), [false, true, true]);
}

#[test]
fn files_that_a_crash_left_unfinished_are_removed() {
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
