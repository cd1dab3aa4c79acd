//! Warnings about files of secrets that other users can read.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::Config;
use super::tls::TlsConfig;
use super::users::JwtKeyFile;

/// The permissions of other users than the owner and the group.
const OTHERS: u32 = 0o007;

impl Config {
    /// Returns a line for each file of a secret or private key that other users can read or change. Files of tokens are not
    /// among them: the host refuses those. Blocks on the disk.
    pub fn exposed_files(&self) -> Vec<String> {
        let warning = |path: &PathBuf| {
            format!(
                "the file {} has a secret, and other users can read or change it; run `chmod o=` on it",
                path.display()
            )
        };
        self.private_files().iter().filter(|path| is_open_to_others(path)).map(warning).collect()
    }

    /// The files of secrets and private keys.
    fn private_files(&self) -> BTreeSet<PathBuf> {
        let of_tenants = self.tenants.values().filter_map(|tenant| tenant.tls.as_ref());
        let pairs = self.tls.iter().chain(of_tenants.map(|tls| &tls.certificate));
        let keys = pairs.filter_map(|pair: &TlsConfig| pair.key.file().map(Path::to_owned));
        let jwt = self.users.iter().filter_map(|users| users.jwt.as_ref());
        let jwt = jwt.filter_map(|jwt| match &jwt.key_file {
            JwtKeyFile::Secret(file) => Some(file.clone()),
            _ => None,
        });
        self.secrets.files().into_iter().chain(keys).chain(jwt).collect()
    }
}

/// Whether users other than the owner and the group may read or write the file.
fn is_open_to_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & OTHERS != 0)
}
