use super::*;
use proptest::prelude::*;

fn files(files: &[(&str, &[u8])]) -> BTreeMap<SourcePath, Vec<u8>> {
    let entry =
        |(path, content): &(&str, &[u8])| (SourcePath::parse(path).unwrap(), content.to_vec());
    files.iter().map(entry).collect()
}

fn sample() -> Vec<u8> {
    let long = format!("vendor/{}/{}.py", "p".repeat(60), "n".repeat(60));
    let files = files(&[
        ("chat.py", &[b'x'; 600]),
        ("plugin.toml", b"name = \"chat\"\nruntime = \"python\"\n"),
        ("rooms/__init__.py", b""),
        (&long, &[b'y'; 512]),
    ]);
    SourceBundle::pack(&files).unwrap()
}

/// The first header of a bundle of one file, changed, with a right checksum.
fn with_header(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = SourceBundle::pack(&files(&[("plugin.toml", b"name")])).unwrap();
    change(&mut bytes[..512]);
    bytes[148..156].fill(b' ');
    let sum: u32 = bytes[..512].iter().map(|byte| u32::from(*byte)).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    bytes
}

fn with_path(path: &[u8]) -> Vec<u8> {
    with_header(|header| {
        header[..100].fill(0);
        header[..path.len()].copy_from_slice(path);
    })
}

fn problem(bytes: &[u8]) -> String {
    SourceBundle::parse(bytes).unwrap_err().to_string()
}

#[test]
fn a_packed_bundle_has_its_files_in_order() {
    let bytes = sample();
    let bundle = SourceBundle::parse(&bytes).unwrap();
    let paths: Vec<_> = bundle.files().iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths[..3], ["chat.py", "plugin.toml", "rooms/__init__.py"]);
    assert_eq!(bundle.file("chat.py"), Some(&[b'x'; 600][..]));
    assert_eq!(bundle.file("nothing.py"), None);
    assert!(bundle.manifest_text().starts_with(b"name"));
}

#[test]
fn a_bundle_is_told_from_a_component() {
    assert!(SourceBundle::is_bundle(&sample()));
    for other in [&b""[..], b"\0asm\x0d\0\x01\0", &[0; 1024]] {
        assert!(!SourceBundle::is_bundle(other));
    }
}

#[test]
fn every_truncation_is_refused() {
    let bytes = sample();
    for end in 0..bytes.len() {
        assert!(SourceBundle::parse(&bytes[..end]).is_err(), "{end}");
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    let bytes = sample();
    let end = bytes.len();
    for trailing in [&b"x"[..], &[0; 512]] {
        let bytes = [&bytes, trailing].concat();
        assert_eq!(SourceBundle::parse(&bytes), Err(SourceBundleError::TrailingBytes(end)));
    }
    let mut bytes = bytes;
    bytes[end - 1] = 1;
    assert_eq!(SourceBundle::parse(&bytes), Err(SourceBundleError::TrailingBytes(end - 512)));
}

#[test]
fn a_path_that_is_not_canonical_is_refused() {
    for path in [
        &b"../plugin.toml"[..],
        b"/plugin.toml",
        b"./plugin.toml",
        b"a//b",
        b"a/",
        b"a\\b",
        b"a\nb",
        b"\xff",
        "é".as_bytes(),
        b"",
    ] {
        let refused = SourceBundle::parse(&with_path(path)).unwrap_err();
        assert!(matches!(refused, SourceBundleError::Path(_)), "{refused}");
    }
}

#[test]
fn an_entry_that_is_not_a_file_is_refused() {
    for (kind, name) in [
        (b'1', "a hard link"),
        (b'2', "a symbolic link"),
        (b'3', "a device"),
        (b'5', "a folder"),
        (b'6', "a pipe"),
        (b'x', "an extended header"),
        (b'L', "a long name"),
        (b'S', "an entry"),
    ] {
        let text = problem(&with_header(|header| header[156] = kind));
        assert!(text.contains(name) && text.contains("plugin.toml"), "{text}");
    }
}

#[test]
fn a_header_with_other_metadata_is_refused_with_its_field() {
    for (position, byte, field) in [
        (50, b'x', "name"),
        (105, b'7', "mode"),
        (112, b'1', "owner"),
        (120, b'1', "group"),
        (130, b'8', "size"),
        (135, b' ', "size"),
        (140, b'1', "modification time"),
        (156, 0, "kind of entry"),
        (160, b'a', "link target"),
        (264, b' ', "format"),
        (270, b'a', "owner name"),
        (300, b'a', "group name"),
        (340, b'1', "device number"),
        (400, b'a', "prefix of the name"),
        (511, 1, "padding"),
    ] {
        let text = problem(&with_header(|header| header[position] = byte));
        assert!(
            text.contains(&format!("another {field} in the header of \"plugin.toml\"")),
            "{text}"
        );
    }
    let mut bytes = with_header(|_| {});
    bytes[148] = b'7';
    assert!(problem(&bytes).contains("another checksum"));
}

#[test]
fn a_path_in_the_wrong_fields_is_refused() {
    let bytes = with_header(|header| {
        header[..100].fill(0);
        header[..4].copy_from_slice(b"b.py");
        header[345] = b'a';
    });
    assert!(problem(&bytes).contains("in the header of \"a/b.py\""), "{}", problem(&bytes));
}

#[test]
fn a_size_beyond_the_input_is_refused() {
    let bytes = with_header(|header| header[124..135].copy_from_slice(b"77777777777"));
    assert_eq!(SourceBundle::parse(&bytes), Err(SourceBundleError::Truncated(bytes.len())));
}

#[test]
fn bytes_between_files_are_refused() {
    let mut bytes = with_header(|_| {});
    bytes[1_000] = b'x';
    assert!(matches!(SourceBundle::parse(&bytes), Err(SourceBundleError::Padding(_))));
}

#[test]
fn duplicate_and_unsorted_files_are_refused() {
    let one = |path| SourceBundle::pack(&files(&[("plugin.toml", b""), (path, b"")])).unwrap();
    let (first, second) = (one("a"), one("b"));
    let join = |first: &[u8], second: &[u8]| [&first[..512], &second[..512], &[0; 1024]].concat();
    let duplicate = SourceBundle::parse(&join(&first, &first)).map(drop);
    assert!(matches!(duplicate, Err(SourceBundleError::DuplicatePath(_))), "{duplicate:?}");
    let unsorted = SourceBundle::parse(&join(&second, &first)).map(drop);
    assert!(matches!(unsorted, Err(SourceBundleError::UnsortedPath(_))), "{unsorted:?}");
}

#[test]
fn colliding_paths_are_not_packed() {
    let colliding = files(&[("plugin.toml", b""), ("Rooms/a.py", b""), ("rooms/b.py", b"")]);
    let text = SourceBundle::pack(&colliding).unwrap_err().to_string();
    assert!(text.contains("Rooms/a.py") && text.contains("rooms/b.py"), "{text}");
}

#[test]
fn a_bundle_without_a_manifest_is_refused() {
    let files = files(&[("Plugin.toml", b""), ("a/plugin.toml", b"")]);
    assert_eq!(SourceBundle::pack(&files), Err(SourceBundleError::NoManifest));
    let empty = [0; 1024];
    assert_eq!(SourceBundle::parse(&empty), Err(SourceBundleError::NoManifest));
}

#[test]
fn too_many_files_are_refused() {
    let mut files = files(&[("plugin.toml", b"")]);
    files
        .extend((1..MAX_FILES).map(|i| (SourcePath::parse(&format!("a{i}")).unwrap(), Vec::new())));
    let mut bytes = SourceBundle::pack(&files).unwrap();
    assert_eq!(SourceBundle::parse(&bytes).unwrap().files().len(), MAX_FILES);
    bytes.truncate(bytes.len() - 1024);
    let one_more = SourceBundle::pack(&BTreeMap::from([
        (SourcePath::parse("plugin.toml").unwrap(), ""),
        (SourcePath::parse("z").unwrap(), ""),
    ]));
    bytes.extend_from_slice(&one_more.unwrap()[512..]);
    assert_eq!(SourceBundle::parse(&bytes), Err(SourceBundleError::TooManyFiles(MAX_FILES)));
}

fn repacked(bundle: &SourceBundle<'_>) -> Vec<u8> {
    let files = bundle.files().iter().map(|file| (file.path.clone(), file.content));
    SourceBundle::pack(&files.collect()).unwrap()
}

proptest! {
    #[test]
    fn a_changed_bundle_is_refused_or_canonical(at in 0..4096_usize, byte: u8, cut in 0..4096_usize) {
        let mut bytes = sample();
        let len = bytes.len();
        bytes[at % len] = byte;
        if cut % 4 == 0 {
            bytes.drain((cut % len) / 512 * 512..len.min((cut % len) / 512 * 512 + 512));
        }
        if let Ok(bundle) = SourceBundle::parse(&bytes) {
            prop_assert_eq!(repacked(&bundle), bytes);
        }
    }

    #[test]
    fn any_bytes_are_refused_or_canonical(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        if let Ok(bundle) = SourceBundle::parse(&bytes) {
            prop_assert_eq!(repacked(&bundle), bytes);
        }
    }

    #[test]
    fn packed_files_are_the_parsed_ones(
        contents in proptest::collection::btree_map(
            "[a-c]{1,3}(/[a-c ]{1,40}){0,5}", proptest::collection::vec(any::<u8>(), 0..1100), 0..8),
    ) {
        let mut files = files(&[("plugin.toml", b"name")]);
        files.extend(contents.into_iter().map(|(path, content)| (SourcePath::parse(&path).unwrap(), content)));
        // Paths of which one is a folder of another are not packed.
        let Ok(bytes) = SourceBundle::pack(&files) else { return Ok(()) };
        let bundle = SourceBundle::parse(&bytes).unwrap();
        prop_assert_eq!(repacked(&bundle), bytes.clone());
        let parsed: BTreeMap<_, _> =
            bundle.files().iter().map(|file| (file.path.clone(), file.content.to_vec())).collect();
        prop_assert_eq!(parsed, files);
    }
}
