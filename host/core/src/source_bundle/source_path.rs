//! The paths of the files in a source bundle.

use std::fmt;

use thiserror::Error;

/// The longest part of a path that a header has in its field `name`, in bytes.
pub(super) const MAX_NAME: usize = 100;

/// The longest part of a path that a header has in its field `prefix`, in bytes.
pub(super) const MAX_PREFIX: usize = 155;

/// The path of a file in a source bundle, relative to the folder of the plugin. Its parts are separated by `/`. It has
/// only printable ASCII characters, so it has one form on every file system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourcePath(String);

/// The error of a path that a source bundle cannot have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("path {path:?} {problem}")]
pub struct InvalidSourcePath {
    /// The path.
    pub path: String,
    /// The problem with it.
    pub problem: SourcePathProblem,
}

/// The reason why a source bundle cannot have a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SourcePathProblem {
    /// The path is empty.
    #[error("is empty; give the file a name")]
    Empty,
    /// The path begins with `/`.
    #[error("is absolute; paths are relative to the folder of the plugin")]
    Absolute,
    /// The path has two separators in a row, or ends with one.
    #[error("has an empty part; write one `/` between two names and none at the end")]
    EmptyPart,
    /// A part of the path is `.` or `..`.
    #[error("has a part `.` or `..`; write the path from the folder of the plugin without them")]
    DotPart,
    /// The path has a character that is not allowed.
    #[error(
        "has the character {0:?}; rename the file with printable ASCII characters other than `\\`"
    )]
    Character(char),
    /// The path does not fit into a header.
    #[error(
        "is too long; its last names may have {MAX_NAME} bytes together, and the folders before them {MAX_PREFIX} bytes"
    )]
    TooLong,
}

impl SourcePath {
    /// Checks a path.
    ///
    /// # Errors
    /// The first problem with the path.
    pub fn parse(path: &str) -> Result<Self, InvalidSourcePath> {
        match find_problem(path) {
            None => Ok(Self(path.to_owned())),
            Some(problem) => Err(InvalidSourcePath { path: path.to_owned(), problem }),
        }
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The fields `prefix` and `name` of the header of the file. The prefix is empty or as short as possible.
    pub(super) fn header_fields(&self) -> (&str, &str) {
        split(&self.0).unwrap_or(("", &self.0))
    }
}

impl fmt::Display for SourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn find_problem(path: &str) -> Option<SourcePathProblem> {
    let is_refused = |character: &char| !matches!(character, ' '..='~') || *character == '\\';
    if path.is_empty() {
        Some(SourcePathProblem::Empty)
    } else if let Some(character) = path.chars().find(is_refused) {
        Some(SourcePathProblem::Character(character))
    } else if path.starts_with('/') {
        Some(SourcePathProblem::Absolute)
    } else if path.split('/').any(str::is_empty) {
        Some(SourcePathProblem::EmptyPart)
    } else if path.split('/').any(|part| matches!(part, "." | "..")) {
        Some(SourcePathProblem::DotPart)
    } else if split(path).is_none() {
        Some(SourcePathProblem::TooLong)
    } else {
        None
    }
}

/// Splits a path into the fields `prefix` and `name` of a header, with the shortest prefix. `None` if it does not fit.
fn split(path: &str) -> Option<(&str, &str)> {
    if path.len() <= MAX_NAME {
        return Some(("", path));
    }
    let from = path.len() - MAX_NAME - 1;
    let separator = from + path.as_bytes().get(from..)?.iter().position(|byte| *byte == b'/')?;
    (separator <= MAX_PREFIX).then(|| (&path[..separator], &path[separator + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_has_another_form_elsewhere_is_refused() {
        use SourcePathProblem as P;
        let cases = [
            ("", P::Empty),
            ("/a", P::Absolute),
            ("a//b", P::EmptyPart),
            ("a/", P::EmptyPart),
            (".", P::DotPart),
            ("a/./b", P::DotPart),
            ("../a", P::DotPart),
            ("a/..", P::DotPart),
            ("a\\b", P::Character('\\')),
            ("a\0b", P::Character('\0')),
            ("a\nb", P::Character('\n')),
            ("a\x7f", P::Character('\x7f')),
            ("é", P::Character('é')),
            ("e\u{301}", P::Character('\u{301}')),
        ];
        for (path, problem) in cases {
            let expected = InvalidSourcePath { path: path.to_owned(), problem };
            assert_eq!(SourcePath::parse(path), Err(expected));
        }
    }

    #[test]
    fn ordinary_names_are_accepted() {
        for path in
            ["a", "a.b", "a/b.py", "...", "a b", ".x", "..x/y~", "vendor/x-1.0.dist-info/METADATA"]
        {
            assert_eq!(SourcePath::parse(path).unwrap().as_str(), path);
        }
    }

    #[test]
    fn a_path_is_as_long_as_a_header_allows() {
        let fits = |path: &str| SourcePath::parse(path).is_ok();
        let (name, prefix) = ("n".repeat(MAX_NAME), "p".repeat(MAX_PREFIX));
        assert!(fits(&name) && !fits(&format!("{name}n")));
        assert!(fits(&format!("{prefix}/{name}")));
        assert!(!fits(&format!("{prefix}p/{name}")) && !fits(&format!("{prefix}/{name}n")));
    }

    #[test]
    fn the_prefix_of_a_long_path_is_as_short_as_possible() {
        let path = format!("a/b/{}/{}", "c".repeat(49), "d".repeat(50));
        let path = SourcePath::parse(&path).unwrap();
        let (prefix, name) = path.header_fields();
        assert_eq!((prefix, name.len()), ("a/b", 100));
    }
}
