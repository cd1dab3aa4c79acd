//! The Python packages that a source plugin requires.
//!
//! They are in the folder `vendor` of the plugin, or `narrowboat plugin build` and `narrowboat dev` install them into the hidden folder
//! `.narrowboat/packages/DIGEST`, where DIGEST identifies the requirements.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::package_installer::PackageInstaller;
use super::requirements::Requirements;
use super::requirements_error::RequirementsError;
use super::skipped_files::VENDOR;
use super::vendor_folder::VendorFolder;

/// The hidden folder of a plugin for installed packages.
const INSTALLED: &str = ".narrowboat/packages";

/// The age from which on a folder of an unfinished build is that of an interrupted one.
const MAX_BUILD_TIME: Duration = Duration::from_secs(3_600);

/// Where the packages of a source plugin are.
#[derive(Debug)]
pub(super) enum PythonPackages {
    /// In the folder of the plugin, or nowhere because it requires none.
    InFolder,
    /// In a folder of their own.
    Installed(PathBuf),
    /// Nowhere yet.
    Missing(Requirements),
}

impl PythonPackages {
    /// Finds the packages of the plugin in a folder.
    ///
    /// # Errors
    /// If the requirements or the folder `vendor` cannot be read, or differ.
    pub(super) fn find(folder: &Path) -> Result<Self, RequirementsError> {
        let Some(requirements) = Requirements::read(folder)? else { return Ok(Self::InFolder) };
        if let Some(vendor) = VendorFolder::read(folder.join(VENDOR))? {
            vendor.check(&requirements)?;
            return Ok(Self::InFolder);
        }
        let installed = installed_folder(folder, &requirements);
        Ok(if installed.is_dir() {
            Self::Installed(installed)
        } else {
            Self::Missing(requirements)
        })
    }
}

/// Installs the packages of the plugin in a folder, and returns their folder. Packages of earlier requirements are
/// removed.
///
/// # Errors
/// If there is no installer, it fails, or the folder cannot be written.
pub(super) fn install(
    folder: &Path,
    requirements: &Requirements,
) -> Result<PathBuf, RequirementsError> {
    let no_installer = || RequirementsError::NoInstaller { folder: folder.to_owned() };
    let installer = PackageInstaller::find().ok_or_else(no_installer)?;
    let parent = folder.join(INSTALLED);
    let failed = |source| RequirementsError::File { path: parent.clone(), source };
    std::fs::create_dir_all(&parent).map_err(failed)?;
    std::fs::write(folder.join(INSTALLED).with_file_name(".gitignore"), "*\n").map_err(failed)?;
    // Another build does not see packages that are only partly installed.
    let unfinished = tempfile::Builder::new().prefix(".").tempdir_in(&parent).map_err(failed)?;
    let target = unfinished.path().join(VENDOR);
    std::fs::create_dir(&target).map_err(failed)?;
    tracing::info!(requirements = %requirements.file.display(), "installing packages");
    installer.install(&requirements.file, &target)?;
    let installed = installed_folder(folder, requirements);
    match std::fs::rename(&target, &installed) {
        Ok(()) => {}
        // Another build was faster.
        Err(_) if installed.is_dir() => {}
        Err(source) => return Err(failed(source)),
    }
    remove_others(&parent, &installed).map_err(failed)?;
    // A host that serves the folder watches this file, and packs the folder again.
    let touched = File::options().append(true).open(&requirements.file);
    let _ = touched.and_then(|file| file.set_modified(SystemTime::now()));
    Ok(installed)
}

fn installed_folder(folder: &Path, requirements: &Requirements) -> PathBuf {
    folder.join(INSTALLED).join(requirements.digest.to_string())
}

/// Removes the packages of other requirements, and folders that an interrupted build has left behind.
fn remove_others(parent: &Path, installed: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(parent)? {
        let path = entry?.path();
        if path != installed && !is_of_running_build(&path) {
            std::fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}

/// Whether a build may still be writing to a folder: its name is that of an unfinished one, and it is not old.
fn is_of_running_build(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    let age =
        path.metadata().and_then(|data| data.modified()).ok().and_then(|it| it.elapsed().ok());
    name.as_encoded_bytes().starts_with(b".") && age.is_none_or(|age| age < MAX_BUILD_TIME)
}
