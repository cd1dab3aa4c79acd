//! Errors of commands, and their exit codes.

/// A failure at run time.
pub(super) const EXIT_FAILURE: u8 = 1;

/// Wrong usage or configuration. Clap uses the same code.
pub(super) const EXIT_USAGE: u8 = 2;

/// The host refused a version.
pub(super) const EXIT_REFUSED: u8 = 3;

/// A version was live and has been rolled back.
pub(super) const EXIT_ROLLED_BACK: u8 = 4;

/// The plugin, version, connection, layer or tenant does not exist.
pub(super) const EXIT_NOT_FOUND: u8 = 5;

/// The token is missing, or does not allow the command.
pub(super) const EXIT_NOT_ALLOWED: u8 = 6;

/// A version waits for an approval, because it requests more capabilities than the live one.
pub(super) const EXIT_PENDING: u8 = 7;

/// An error that ends the program, with its exit code.
pub(super) struct CliError {
    pub(super) code: u8,
    /// `None` if the error has been printed.
    error: Option<anyhow::Error>,
}

impl CliError {
    pub(super) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self::with_code(EXIT_USAGE, error)
    }

    pub(super) fn with_code(code: u8, error: impl Into<anyhow::Error>) -> Self {
        Self { code, error: Some(error.into()) }
    }

    pub(super) fn runtime(error: impl Into<anyhow::Error>) -> Self {
        Self::with_code(EXIT_FAILURE, error)
    }

    /// An error that has been printed already, or that nobody can read.
    pub(super) fn silent(code: u8) -> Self {
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
