use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use tempfile::TempDir;

fn source() -> (TempDir, EditableSource) {
    let scratch = TempDir::new().unwrap();
    let folder = scratch.path().join("chat");
    fs::create_dir_all(folder.join("rooms")).unwrap();
    fs::write(folder.join("chat.py"), "old\n").unwrap();
    fs::write(folder.join("rooms/room.py"), "room\n").unwrap();
    (scratch, EditableSource::new(folder))
}

fn path(text: &str) -> SourcePath {
    SourcePath::parse(text).unwrap()
}

fn listed(source: &EditableSource) -> Vec<String> {
    source.list().iter().map(ToString::to_string).collect()
}

#[test]
fn a_file_is_written_if_it_is_as_the_editor_read_it() {
    let (_scratch, source) = source();
    let read = source.read(&path("rooms/room.py")).unwrap();
    assert_eq!(read.text, "room\n");
    let digest = source.write(&path("rooms/room.py"), "new\n", read.digest).unwrap();
    let written = source.read(&path("rooms/room.py")).unwrap();
    assert_eq!(written, SourceText { text: "new\n".to_owned(), digest });
    assert_eq!(listed(&source), ["chat.py", "rooms/room.py"]);
}

#[test]
fn a_file_keeps_its_permissions() {
    let (_scratch, source) = source();
    let file = source.folder().join("chat.py");
    // The umask of most users takes permissions from new files that others have here.
    for mode in [0o700, 0o666, 0o777] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let read = source.read(&path("chat.py")).unwrap();
        source.write(&path("chat.py"), "new\n", read.digest).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, mode);
    }
}

#[test]
fn a_read_only_file_is_not_written() {
    let (_scratch, source) = source();
    let file = source.folder().join("chat.py");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    let read = source.read(&path("chat.py")).unwrap();
    let written = source.write(&path("chat.py"), "new\n", read.digest);
    assert!(matches!(written, Err(EditError::ReadOnly(_))));
    assert_eq!(fs::read(&file).unwrap(), b"old\n");
}

#[test]
fn a_file_that_another_program_has_changed_is_not_written() {
    let (_scratch, source) = source();
    let read = source.read(&path("chat.py")).unwrap();
    fs::write(source.folder().join("chat.py"), "of another program\n").unwrap();
    let error = source.write(&path("chat.py"), "mine\n", read.digest).unwrap_err();
    let now = source.read(&path("chat.py")).unwrap();
    assert!(matches!(error, EditError::Changed { current, .. } if current == now.digest));
    assert_eq!(now.text, "of another program\n");
}

#[test]
fn no_link_is_followed() {
    let (scratch, source) = source();
    let outside = scratch.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret.py"), "secret").unwrap();
    symlink(&outside, source.folder().join("linked")).unwrap();
    symlink(outside.join("secret.py"), source.folder().join("link.py")).unwrap();
    let digest = Sha256Digest::of(b"secret");
    for linked in ["linked/secret.py", "link.py"] {
        assert!(matches!(source.read(&path(linked)), Err(EditError::NotAFile(_))), "{linked}");
        let written = source.write(&path(linked), "x", digest);
        assert!(matches!(written, Err(EditError::NotAFile(_))), "{linked}");
    }
    assert_eq!(fs::read(outside.join("secret.py")).unwrap(), b"secret");
    assert_eq!(listed(&source), ["chat.py", "rooms/room.py"]);
}

#[test]
fn files_that_a_bundle_skips_and_installed_packages_are_not_there() {
    let (_scratch, source) = source();
    for skipped in [".env", "vendor/six.py", "node_modules/x/index.js", "chat.py~"] {
        let file = source.folder().join(skipped);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "x").unwrap();
        let digest = Sha256Digest::of(b"x");
        let written = source.write(&path(skipped), "y", digest);
        assert!(matches!(written, Err(EditError::NotFound(_))), "{skipped}");
        assert_eq!(fs::read(&file).unwrap(), b"x");
    }
    assert_eq!(listed(&source), ["chat.py", "rooms/room.py"]);
}

#[test]
fn a_file_that_does_not_exist_is_not_created() {
    let (_scratch, source) = source();
    let written = source.write(&path("new.py"), "x", Sha256Digest::of(b""));
    assert!(matches!(written, Err(EditError::NotFound(_))));
    assert!(!source.folder().join("new.py").exists());
}

#[test]
fn what_is_not_a_small_text_is_not_opened() {
    let (_scratch, source) = source();
    fs::write(source.folder().join("data.bin"), [0xff, 0xfe]).unwrap();
    fs::write(source.folder().join("large.txt"), "x".repeat(MAX_EDITABLE_BYTES + 1)).unwrap();
    assert!(matches!(source.read(&path("data.bin")), Err(EditError::NotText(_))));
    assert!(matches!(source.read(&path("large.txt")), Err(EditError::TooLarge(_))));
    let digest = source.read(&path("chat.py")).unwrap().digest;
    let large = "x".repeat(MAX_EDITABLE_BYTES + 1);
    let written = source.write(&path("chat.py"), &large, digest);
    assert!(matches!(written, Err(EditError::TooLarge(_))));
    assert_eq!(listed(&source), ["chat.py", "rooms/room.py"]);
}

#[test]
fn a_pipe_does_not_block() {
    let (_scratch, source) = source();
    let pipe = source.folder().join("pipe.py");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    assert!(matches!(source.read(&path("pipe.py")), Err(EditError::NotAFile(_))));
}
