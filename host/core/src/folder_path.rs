//! Paths of folders that are to be created.

use std::path::Path;

/// Returns the part of a path that is not a folder, if something else stands there: the path itself, or a folder above it.
/// The system would only say that something exists. Blocks on the disk.
pub fn find_non_folder(path: &Path) -> Option<&Path> {
    path.ancestors().find(|part| part.exists() && !part.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_the_place_of_a_folder_or_of_one_above_it_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        assert_eq!(find_non_folder(&file), None);
        assert_eq!(find_non_folder(folder.path()), None);
        std::fs::write(&file, "").unwrap();
        assert_eq!(find_non_folder(&file), Some(file.as_path()));
        assert_eq!(find_non_folder(&file.join("below/it")), Some(file.as_path()));
    }
}
