use std::fmt;

/// Why a consumer gave up on an event. It closes the connection with 1011 and goes to the plugin's
/// log.
///
/// Any [`std::error::Error`] becomes one with `?`, its sources included; for a text of your own
/// there is [`Error::msg`]. As with other such catch-alls it is no `std::error::Error` itself,
/// which is what makes `?` possible.
pub struct Error(String);

impl Error {
    /// An error that says `message`.
    pub fn msg(message: impl fmt::Display) -> Self {
        Self(message.to_string())
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        Self(text)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
