//! Errors of commands.

use super::cli_exit_code::CliExitCode;

/// An error that ends the program, with its exit code.
pub(super) struct CliError {
    pub(super) code: CliExitCode,
    /// `None` if the error has been printed.
    error: Option<anyhow::Error>,
}

impl CliError {
    pub(super) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self::with_code(CliExitCode::Usage, error)
    }

    pub(super) fn with_code(code: CliExitCode, error: impl Into<anyhow::Error>) -> Self {
        Self { code, error: Some(error.into()) }
    }

    pub(super) fn runtime(error: impl Into<anyhow::Error>) -> Self {
        Self::with_code(CliExitCode::Failure, error)
    }

    /// An error that has been printed already, or that nobody can read.
    pub(super) fn silent(code: CliExitCode) -> Self {
        Self { code, error: None }
    }

    /// Returns the line for standard error, unless the error has been printed.
    pub(super) fn message(&self) -> Option<String> {
        self.error.as_ref().map(|error| format!("narrowboat: {}", format_error_chain(error)))
    }
}

/// Formats an error with its causes, except those that its text already contains.
fn format_error_chain(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text += ": ";
            text += &cause;
        }
    }
    text
}
