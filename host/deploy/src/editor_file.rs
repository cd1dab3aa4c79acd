//! Temporary files of editors.

/// Whether a file of this name is an editor's temporary file or backup.
pub(crate) fn is_editor_file(name: &str) -> bool {
    // Vim creates a file of this name to find out whether it may write to a folder.
    name == "4913"
        || name.ends_with('~')
        || name.starts_with('#')
        || name.starts_with("___jb_")
        || [".swp", ".swx", ".tmp", ".bak"].iter().any(|end| name.ends_with(end))
}
