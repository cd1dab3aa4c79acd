use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn two_writers_of_one_name_do_not_mix_their_bytes() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    let (mut first, mut second) = (
        AtomicFile::create(folder.path(), 0o600).unwrap(),
        AtomicFile::create(folder.path(), 0o600).unwrap(),
    );
    first.write_all(b"fir").unwrap();
    second.write_all(b"second").unwrap();
    first.write_all(b"st").unwrap();
    first.replace("file", Durability::Synced).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"first");
    second.replace("file", Durability::Synced).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"second");
    assert_eq!(names(folder.path()), ["file"]);
}

#[test]
fn a_dropped_file_changes_nothing() {
    let folder = TempDir::new().unwrap();
    write(&folder.path().join("file"), 0o600, b"old").unwrap();
    let mut dropped = AtomicFile::create(folder.path(), 0o600).unwrap();
    dropped.write_all(b"new").unwrap();
    assert!(names(folder.path()).iter().any(|name| is_temp_name(name)));
    drop(dropped);
    assert_eq!(names(folder.path()), ["file"]);
    assert_eq!(std::fs::read(folder.path().join("file")).unwrap(), b"old");
}

#[test]
fn a_new_file_does_not_replace_another() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    write_new(&path, 0o600, b"old").unwrap();
    let error = write_new(&path, 0o600, b"new").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(names(folder.path()), ["file"]);
}

#[test]
fn only_names_of_atomic_files_are_temporary() {
    assert!(is_temp_name(".0123456789abcdef.unfinished"));
    for name in ["", ".unfinished", "0123456789abcdef.unfinished", ".thesis.unfinished", "a.wasm"] {
        assert!(!is_temp_name(name), "{name}");
    }
}

#[test]
fn a_file_has_the_permissions_that_were_requested() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    write(&path, 0o600, b"").unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_file_at_a_descriptor_stays_in_its_folder_when_the_path_leads_elsewhere() {
    let root = TempDir::new().unwrap();
    let (path, moved) = (root.path().join("folder"), root.path().join("moved"));
    std::fs::create_dir(&path).unwrap();
    let open = || File::open(&moved).unwrap().into();
    let folder = File::open(&path).unwrap();
    std::fs::rename(&path, &moved).unwrap();
    std::fs::create_dir(&path).unwrap();
    let mut file = AtomicFileAt::create(folder.into(), 0o600).unwrap();
    file.write_all(b"bytes").unwrap();
    file.replace("file", Durability::Synced).unwrap();
    assert!(names(&path).is_empty());
    assert_eq!(std::fs::read(moved.join("file")).unwrap(), b"bytes");
    drop(AtomicFileAt::create(open(), 0o600).unwrap());
    assert_eq!(names(&moved), ["file"]);
}
