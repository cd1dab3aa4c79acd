//! Problems in the source of a plugin.

use crate::failure::Failure;

pub use crate::bindings::exports::narrowboat::consumer::runtime::Problem;

/// The problems that keep a plugin from running.
pub type Problems = Vec<Problem>;

/// A problem that is in no single file.
pub fn general(message: impl Into<String>) -> Problem {
    Problem { path: None, line: None, column: None, message: message.into(), source: None }
}

/// The problem that a module has failed. `text_of` returns the text of a file, if it is known.
pub fn of_failure(failure: &Failure, text_of: impl FnOnce(&str) -> Option<String>) -> Problem {
    let Some(place) = failure.place() else { return general(&failure.line) };
    let text = text_of(&place.path).unwrap_or_default();
    at(&place.path, &text, place.line, place.column, failure.message())
}

/// A problem in a file.
pub fn in_file(path: &str, message: impl Into<String>) -> Problem {
    Problem { path: Some(path.to_owned()), ..general(message) }
}

/// A problem at a line and a column of a text, from 1.
pub fn at(
    path: &str,
    text: &str,
    line: u32,
    column: Option<u32>,
    message: impl Into<String>,
) -> Problem {
    let index = usize::try_from(line).unwrap_or(0).saturating_sub(1);
    let source = text.lines().nth(index).map(str::to_owned);
    Problem { line: Some(line), column, source, ..in_file(path, message) }
}
