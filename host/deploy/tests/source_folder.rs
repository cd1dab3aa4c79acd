//! The folder of a source plugin becomes the same bundle everywhere, or an error that names the file.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use narrowboat_core::source_bundle::SourceBundle;
use narrowboat_core::units::ByteSize;
use narrowboat_deploy::packaging::{MissingPackages, PackedSource};
use tempfile::TempDir;

const MANIFEST: &str = "name = \"chat\"\nruntime = \"python\"\n";

const LIMIT: ByteSize = ByteSize::mib(1);

/// The folder of a source plugin with a manifest and one module.
fn plugin() -> TempDir {
    let folder = TempDir::new().unwrap();
    write(&folder, "plugin.toml", MANIFEST);
    write(&folder, "chat.py", "class Chat: pass\n");
    folder
}

fn write(folder: &TempDir, name: &str, text: &str) {
    let file = folder.path().join(name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

fn pack(folder: &TempDir) -> Result<Vec<u8>, String> {
    let packed = PackedSource::from_folder(folder.path(), LIMIT, MissingPackages::Refuse);
    packed.map(|packed| packed.bytes).map_err(|error| error.to_string())
}

/// The paths of the files in the bundle of a folder.
fn packed_paths(folder: &TempDir) -> Vec<String> {
    let bytes = pack(folder).unwrap();
    let bundle = SourceBundle::parse(&bytes).unwrap();
    bundle.files().iter().map(|file| file.path.to_string()).collect()
}

/// Asserts that a folder cannot be packed, and that the error has these words.
#[track_caller]
fn assert_refused(folder: &TempDir, words: &[&str]) {
    let error = pack(folder).unwrap_err();
    for word in words {
        assert!(error.contains(word), "{error:?} lacks {word:?}");
    }
}

#[test]
fn the_same_files_make_the_same_bundle_in_another_folder() {
    let (first, second) = (plugin(), TempDir::new().unwrap());
    write(&first, "rooms/__init__.py", "");
    for name in ["rooms/__init__.py", "chat.py", "plugin.toml"] {
        write(&second, name, &fs::read_to_string(first.path().join(name)).unwrap());
    }
    assert_eq!(pack(&first).unwrap(), pack(&second).unwrap());
}

#[test]
fn files_of_tools_and_editors_are_not_packed() {
    let folder = plugin();
    for name in [
        ".git/config",
        "__pycache__/chat.cpython-314.pyc",
        "rooms/chat.pyc",
        "node_modules/x.js",
        "target/x",
        "chat.py~",
        "narrowboat/chat.narrowboat",
        "vendor/six-1.16.0.dist-info/RECORD",
        "vendor/bin/tool",
    ] {
        write(&folder, name, "x");
    }
    write(&folder, "vendor/six.py", "");
    assert_eq!(packed_paths(&folder), ["chat.py", "plugin.toml", "vendor/six.py"]);
}

#[test]
fn a_link_is_refused_with_its_path() {
    for target in ["chat.py", ".", "/nowhere"] {
        let folder = plugin();
        symlink(target, folder.path().join("linked")).unwrap();
        assert_refused(&folder, &["linked is a symbolic link"]);
    }
}

#[test]
fn a_socket_is_refused_with_its_path() {
    let folder = plugin();
    let _socket = UnixListener::bind(folder.path().join("socket")).unwrap();
    assert_refused(&folder, &["socket is neither a regular file nor a folder"]);
}

#[test]
fn a_name_that_is_not_printable_ascii_is_refused() {
    let folder = plugin();
    write(&folder, "räume.py", "");
    assert_refused(&folder, &["räume.py", "'ä'"]);
    let folder = plugin();
    fs::write(folder.path().join(OsStr::from_bytes(b"a\xff.py")), "").unwrap();
    assert_refused(&folder, &["not UTF-8"]);
}

#[test]
fn names_that_differ_in_case_only_are_refused() {
    let folder = plugin();
    write(&folder, "Chat.py", "");
    assert_refused(&folder, &["\"Chat.py\" and \"chat.py\"", "ignores case"]);
}

#[test]
fn files_beyond_the_limit_are_refused_with_the_largest() {
    let folder = plugin();
    // Without content on the disk, so that only its size is looked at.
    let large = fs::File::create(folder.path().join("model.bin")).unwrap();
    large.set_len(1 << 40).unwrap();
    assert_refused(
        &folder,
        &["more than 1.0 MiB", "limits.max_component", "model.bin with 1.0 TiB"],
    );
}

#[test]
fn a_folder_without_a_manifest_for_a_runtime_is_refused() {
    let folder = TempDir::new().unwrap();
    assert_refused(&folder, &["plugin.toml", "a plugin has a plugin.toml"]);
    write(&folder, "plugin.toml", "name = \"chat\"\n");
    assert_refused(&folder, &["plugin.toml: `runtime` is missing"]);
    write(&folder, "plugin.toml", "name = \"chat\"\nruntime = \"ruby\"\n");
    assert_refused(&folder, &["plugin.toml: ", "line 2", "`python`"]);
    let missing = Path::new("/nowhere/chat");
    let error = PackedSource::from_folder(missing, LIMIT, MissingPackages::Refuse).unwrap_err();
    assert_eq!(error.to_string(), "there is no folder /nowhere/chat");
}

#[test]
fn a_native_extension_is_refused_with_its_path() {
    let folder = plugin();
    write(&folder, "vendor/fast/_speedups.cpython-314-x86_64-linux-gnu.so", "\x7fELF");
    assert_refused(&folder, &["_speedups.cpython-314-x86_64-linux-gnu.so", "pure Python"]);
}

#[test]
fn required_packages_have_to_be_in_the_folder_vendor() {
    let folder = plugin();
    write(&folder, "requirements.txt", "six == 1.16.0\n");
    assert_refused(
        &folder,
        &["requirements.txt are not installed", "run `narrowboat plugin build"],
    );
    write(&folder, "vendor/six.py", "");
    assert!(packed_paths(&folder).contains(&"vendor/six.py".to_owned()));
}

#[test]
fn a_folder_vendor_of_other_requirements_is_refused() {
    let folder = plugin();
    write(&folder, "requirements.txt", "six == 1.16.0\n");
    write(&folder, "vendor/six-1.16.0.dist-info/METADATA", "");
    assert!(pack(&folder).is_ok());
    write(&folder, "requirements.txt", "six == 1.17\n");
    assert_refused(&folder, &["vendor has six 1.16, and requirements.txt names 1.17"]);
    write(&folder, "requirements.txt", "six\nidna\n");
    assert_refused(&folder, &["vendor lacks the package idna"]);
}

#[test]
fn an_empty_folder_vendor_lacks_the_required_packages() {
    let folder = plugin();
    write(&folder, "requirements.txt", "six\n");
    write(&folder, "vendor/.gitkeep", "");
    assert_refused(&folder, &["vendor lacks the package six", "remove it"]);
}

#[test]
fn a_line_of_the_requirements_that_names_a_file_is_refused() {
    let folder = plugin();
    write(&folder, "requirements.txt", "# packages\n-r other.txt\n");
    assert_refused(&folder, &["requirements.txt:2: `-r` names another file"]);
}
