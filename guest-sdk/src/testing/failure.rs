//! The end of a test whose operation failed.

use std::fmt;

/// Returns the value of a result, and fails the test with the error otherwise. The panic names the line of the test.
#[track_caller]
pub(super) fn expect<T, E: fmt::Display>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}
