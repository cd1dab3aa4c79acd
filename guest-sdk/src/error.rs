use std::fmt;

use crate::{
    bindings::narrowboat::consumer::types, channel_layer::ChannelLayerError,
    client_error::ClientError, http::HttpError, keyvalue::KeyValueError,
};

/// Why a consumer could not handle an event. It blames the client if a [`ClientError`] caused it, and the plugin
/// otherwise.
///
/// | cause | the client is closed with | the log | counted as |
/// |---|---|---|---|
/// | the plugin: `?` on a [`ChannelLayerError`](crate::ChannelLayerError), [`Error::msg`] | 1011 | a warning with the text | a fault; too many faults roll a new version back |
/// | the client: `?` on [`Frame::json`](crate::Frame::json), [`Error::client`] | 1007, or a code from 4000 to 4999 that the plugin chooses, and the reason | a line at debug | a client error, never a fault |
///
/// `?` converts any [`std::error::Error`] into an `Error`, with the text of its sources. The result blames the client
/// if the error is a [`ClientError`] or has one among its sources. So an error type of your own can blame the client:
/// return a [`ClientError`] from its [`source`](std::error::Error::source), or write `impl From<MyError> for Error` if
/// the type does not implement `std::error::Error`. `Error` does not implement `std::error::Error` itself, because only
/// then can `?` convert every type that does.
pub struct Error(Cause);

#[derive(Debug, PartialEq)]
enum Cause {
    Plugin(String),
    /// Another server or a limit of the operator.
    External(String),
    Client(ClientError),
}

impl Error {
    /// Creates an error that blames the plugin, with this text. `map_err(Error::msg)` makes a [`ClientError`] blame the
    /// plugin.
    pub fn msg(message: impl fmt::Display) -> Self {
        Self(Cause::Plugin(message.to_string()))
    }

    /// Creates an error that blames the client and closes its connection with this code and reason; see
    /// [`ClientError::new`].
    pub fn client(code: u16, reason: impl fmt::Display) -> Self {
        ClientError::new(code, reason).into()
    }

    /// The [`ClientError`], if the error blames the client.
    pub fn client_error(&self) -> Option<&ClientError> {
        match &self.0 {
            Cause::Plugin(_) | Cause::External(_) => None,
            Cause::Client(error) => Some(error),
        }
    }

    /// Whether the cause is neither the plugin's code nor the client: another server did not respond, or a limit of the
    /// operator was reached.
    pub(crate) fn is_external(&self) -> bool {
        matches!(self.0, Cause::External(_))
    }
}

fn is_external_failure(error: &(dyn std::error::Error + 'static)) -> bool {
    matches!(
        error.downcast_ref(),
        Some(ChannelLayerError::Unavailable(_) | ChannelLayerError::ChannelFull(_))
    ) || matches!(error.downcast_ref(), Some(KeyValueError::Unavailable(_)))
        || matches!(error.downcast_ref(), Some(HttpError::Timeout | HttpError::Other(_)))
}

impl<E: std::error::Error + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut is_external = false;
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(cause) = next {
            if let Some(client) = cause.downcast_ref::<ClientError>() {
                return Self(Cause::Client(client.clone()));
            }
            is_external = is_external || is_external_failure(cause);
            next = cause.source();
            if let Some(source) = next {
                text.push_str(": ");
                text.push_str(&source.to_string());
            }
        }
        Self(if is_external { Cause::External(text) } else { Cause::Plugin(text) })
    }
}

impl From<Error> for types::Error {
    fn from(error: Error) -> Self {
        match error.0 {
            Cause::Plugin(text) | Cause::External(text) => Self::Plugin(text),
            Cause::Client(error) => Self::Client(error.into()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Plugin(text) | Cause::External(text) => formatter.write_str(text),
            Cause::Client(error) => error.fmt(formatter),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frame;

    fn client_code(error: impl Into<Error>) -> Option<u16> {
        error.into().client_error().map(ClientError::code)
    }

    /// An error type that a plugin defines, with its source.
    #[derive(Debug)]
    struct PluginError(Box<dyn std::error::Error>);

    impl fmt::Display for PluginError {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("the order failed")
        }
    }

    impl std::error::Error for PluginError {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&*self.0)
        }
    }

    #[test]
    fn an_unreadable_frame_blames_the_client_with_1007() {
        assert_eq!(client_code(Frame::from("{").json::<u8>().unwrap_err()), Some(1007));
        assert_eq!(client_code(Frame::from(vec![1]).text().unwrap_err()), Some(1007));
        assert_eq!(client_code(Frame::from("x").binary().unwrap_err()), Some(1007));
    }

    #[test]
    fn all_other_errors_blame_the_plugin() {
        assert_eq!(client_code(ChannelLayerError::InvalidName("a b".into())), None);
        assert_eq!(client_code(KeyValueError::AccessDenied), None);
        assert_eq!(client_code(HttpError::Timeout), None);
        assert_eq!(client_code(serde_json::from_str::<u8>("{").unwrap_err()), None);
        assert_eq!(client_code("x".parse::<u8>().unwrap_err()), None);
        assert_eq!(client_code(Error::msg("anything")), None);
        assert_eq!(client_code(Error::msg(Frame::from("{").json::<u8>().unwrap_err())), None);
    }

    #[test]
    fn a_plugin_can_choose_the_close_code() {
        assert_eq!(client_code(Error::client(4003, "no")), Some(4003));
        let error = Frame::from("{").json::<u8>().map_err(|error| error.with_code(4400));
        assert_eq!(client_code(error.unwrap_err()), Some(4400));
    }

    #[test]
    fn an_error_type_of_a_plugin_blames_the_client_if_its_source_does() {
        let client = PluginError(Box::new(ClientError::new(4009, "too late")));
        let plugin = PluginError(Box::new(ChannelLayerError::Other("away".into())));
        assert_eq!(client_code(client), Some(4009));
        let error = Error::from(plugin);
        assert_eq!(
            (error.client_error(), error.to_string()),
            (None, "the order failed: away".into())
        );
    }
}
