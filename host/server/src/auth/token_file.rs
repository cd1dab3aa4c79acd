//! Files that hold a token.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::token_error::TokenError;
use narrowboat_core::atomic_file;

/// The key of the configuration that names the file of the operator's token.
pub const TOKEN_FILE_KEY: &str = "admin.token_file";

/// The random bytes of a token that the host generates.
const TOKEN_RANDOM_BYTES: usize = 32;

/// The largest file of a token, in bytes.
const MAX_TOKEN_FILE_BYTES: u64 = 4_096;

/// The mode of a token's file: only its owner may read and write it.
const TOKEN_FILE_MODE: u32 = 0o600;

/// Reads a token from a file. `named_by` is the key or option that names the file, for errors.
///
/// # Errors
/// If the file cannot be read, is empty, or can be read by other users.
pub fn read_token(path: &Path, named_by: &str) -> Result<String, TokenError> {
    let (path_buf, named_by) = (|| path.to_owned(), || named_by.to_owned());
    let io_error = |source| TokenError::Io { named_by: named_by(), path: path_buf(), source };
    let file = File::open(path).map_err(io_error)?;
    if file.metadata().map_err(io_error)?.permissions().mode() & 0o077 != 0 {
        return Err(TokenError::ReadableByOthers { named_by: named_by(), path: path_buf() });
    }
    let mut text = String::new();
    file.take(MAX_TOKEN_FILE_BYTES + 1).read_to_string(&mut text).map_err(io_error)?;
    if text.len() as u64 > MAX_TOKEN_FILE_BYTES {
        let problem =
            format!("has more than {MAX_TOKEN_FILE_BYTES} bytes, and a token alone is shorter");
        return Err(io_error(io::Error::other(problem)));
    }
    match text.trim() {
        "" => Err(TokenError::Empty { named_by: named_by(), path: path_buf() }),
        token => Ok(token.to_owned()),
    }
}

/// Reads the operator's token, and generates one if the file does not exist.
pub(super) fn read_or_create_token(path: &Path) -> Result<String, TokenError> {
    match read_token(path, TOKEN_FILE_KEY) {
        Err(TokenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        result => return result,
    }
    match create_token(path) {
        // Another host has created the file meanwhile.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            read_token(path, TOKEN_FILE_KEY)
        }
        created => created.map_err(|source| {
            let (named_by, path) = (TOKEN_FILE_KEY.to_owned(), path.to_owned());
            TokenError::Io { named_by, path, source }
        }),
    }
}

/// Generates a token, and writes it to a new file that only this user can read.
fn create_token(path: &Path) -> io::Result<String> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let token = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; TOKEN_RANDOM_BYTES]>());
    atomic_file::write_new(path, TOKEN_FILE_MODE, format!("{token}\n").as_bytes())?;
    Ok(token)
}
