//! Names and contents of the files of signatures and keys.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The longest file of a signature or a key that is read, in bytes.
const MAX_FILE_BYTES: u64 = 4_096;

/// Returns the file of a component's signature: `chat.wasm.sig` for `chat.wasm`.
pub fn signature_path(component: &Path) -> PathBuf {
    with_suffix(component, ".sig")
}

/// Appends a suffix to the name of a file.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Reads at most [`MAX_FILE_BYTES`] of a file.
pub(super) fn read_bounded(file: &Path) -> io::Result<Vec<u8>> {
    read_open_bounded(File::open(file)?)
}

/// Reads at most [`MAX_FILE_BYTES`] of an open file.
pub(super) fn read_open_bounded(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_file_keeps_the_whole_name_of_the_component() {
        assert_eq!(signature_path(Path::new("a/chat.v1.wasm")), Path::new("a/chat.v1.wasm.sig"));
    }
}
