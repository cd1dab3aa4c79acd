//! Source bundles: the files of a source plugin in one canonical archive.
//!
//! A bundle is an uncompressed ustar archive that `tar` can list. The same files give the same bytes everywhere, so the
//! SHA-256 of a bundle names its files, and each file has one place in it.

mod path_collision;
mod source_bundle_error;
mod source_path;
mod ustar;

use std::collections::BTreeMap;

use crate::manifest;
use path_collision::find_collision;
pub use source_bundle_error::SourceBundleError;
pub use source_path::{InvalidSourcePath, SourcePath, SourcePathProblem};
use ustar::{ArchiveReader, ArchiveWriter};

/// The most files of a bundle.
pub const MAX_FILES: usize = 10_000;

/// A parsed source bundle. Its files are sorted by path, and no two paths are the same on a file system that ignores
/// case.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceBundle<'a> {
    files: Vec<SourceFile<'a>>,
    manifest: &'a [u8],
}

/// A file of a source bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile<'a> {
    /// The path in the bundle.
    pub path: SourcePath,
    /// The content.
    pub content: &'a [u8],
}

impl<'a> SourceBundle<'a> {
    /// Whether bytes are meant to be a bundle, and not a component: they begin with a header of a tar archive.
    pub fn is_bundle(bytes: &[u8]) -> bool {
        ustar::has_magic(bytes)
    }

    /// Packs files into the bytes of a bundle.
    ///
    /// # Errors
    /// If the files are too many or too large, if there is no manifest, or if two paths collide.
    pub fn pack<T: AsRef<[u8]>>(
        files: &BTreeMap<SourcePath, T>,
    ) -> Result<Vec<u8>, SourceBundleError> {
        if files.len() > MAX_FILES {
            return Err(SourceBundleError::TooManyFiles(MAX_FILES));
        }
        if !files.keys().any(|path| path.as_str() == manifest::FILE_NAME) {
            return Err(SourceBundleError::NoManifest);
        }
        check_collisions(files.keys())?;
        let mut archive = ArchiveWriter::default();
        for (path, content) in files {
            archive.append(path, content.as_ref())?;
        }
        Ok(archive.finish())
    }

    /// Parses the bytes of a bundle. Refuses bytes that [`SourceBundle::pack`] would not make of the same files.
    ///
    /// # Errors
    /// The first problem, with the path of its file.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, SourceBundleError> {
        let mut archive = ArchiveReader::new(bytes);
        let mut files: Vec<SourceFile<'a>> = Vec::new();
        while let Some((path, content)) = archive.next_file()? {
            if files.len() == MAX_FILES {
                return Err(SourceBundleError::TooManyFiles(MAX_FILES));
            }
            if let Some(last) = files.last() {
                check_order(&last.path, &path)?;
            }
            files.push(SourceFile { path, content });
        }
        check_collisions(files.iter().map(|file| &file.path))?;
        let manifest = find_file(&files, manifest::FILE_NAME);
        Ok(Self { manifest: manifest.ok_or(SourceBundleError::NoManifest)?, files })
    }

    /// The files, sorted by path.
    pub fn files(&self) -> &[SourceFile<'a>] {
        &self.files
    }

    /// The content of a file, if the bundle has it.
    pub fn file(&self, path: &str) -> Option<&'a [u8]> {
        find_file(&self.files, path)
    }

    /// The text of the manifest.
    pub fn manifest_text(&self) -> &'a [u8] {
        self.manifest
    }
}

fn find_file<'a>(files: &[SourceFile<'a>], path: &str) -> Option<&'a [u8]> {
    let index = files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
    Some(files[index].content)
}

fn check_order(last: &SourcePath, path: &SourcePath) -> Result<(), SourceBundleError> {
    match last.cmp(path) {
        std::cmp::Ordering::Less => Ok(()),
        std::cmp::Ordering::Equal => Err(SourceBundleError::DuplicatePath(path.clone())),
        std::cmp::Ordering::Greater => Err(SourceBundleError::UnsortedPath(path.clone())),
    }
}

fn check_collisions<'p>(
    paths: impl Iterator<Item = &'p SourcePath>,
) -> Result<(), SourceBundleError> {
    match find_collision(paths) {
        None => Ok(()),
        Some((first, second)) => {
            Err(SourceBundleError::CollidingPaths(first.clone(), second.clone()))
        }
    }
}

#[cfg(test)]
mod tests;
