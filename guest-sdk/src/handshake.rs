use crate::{
    bindings::{
        exports::narrowboat::consumer::websocket::{self, Refusal},
        narrowboat::consumer::types,
    },
    channel_layer::ChannelLayerError,
    error::Error,
};

/// The consumer's acceptance of a handshake, created by [`accept`]. In Django Channels: `self.accept`.
#[derive(Debug)]
pub struct Accept<C> {
    consumer: C,
    /// `None` if the consumer decides later.
    acceptance: Option<Acceptance>,
}

/// Accepts the connection. `consumer` handles its events.
pub fn accept<C>(consumer: C) -> Accept<C> {
    Accept { consumer, acceptance: Some(Acceptance::default()) }
}

/// Leaves the handshake open. `consumer` decides in [`Consumer::handle`](crate::Consumer::handle) or
/// [`Consumer::timer`](crate::Consumer::timer), with [`Connection::accept`](crate::Connection::accept) or
/// [`Connection::reject`](crate::Connection::reject). The client waits meanwhile, for at most
/// `limits.handshake_timeout`.
pub fn decide_later<C>(consumer: C) -> Accept<C> {
    Accept { consumer, acceptance: None }
}

impl<C> Accept<C> {
    /// Selects one of the subprotocols that the client offers. Has no effect after [`decide_later`].
    #[must_use]
    pub fn subprotocol(mut self, name: impl Into<String>) -> Self {
        self.acceptance = self.acceptance.map(|acceptance| acceptance.subprotocol(name));
        self
    }

    /// Adds a header to the response with status 101. Has no effect after [`decide_later`].
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.acceptance = self.acceptance.map(|acceptance| acceptance.header(name, value));
        self
    }

    pub(crate) fn into_parts(self) -> (C, websocket::Decision) {
        let decision = match self.acceptance {
            Some(acceptance) => websocket::Decision::Accept(acceptance.into()),
            None => websocket::Decision::Later,
        };
        (self.consumer, decision)
    }
}

/// The response with status 101 that accepts a handshake, for [`Connection::accept`](crate::Connection::accept).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acceptance {
    subprotocol: Option<String>,
    headers: Vec<(String, Vec<u8>)>,
}

impl Acceptance {
    /// Creates a response without a subprotocol and further headers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Selects one of the subprotocols that the client offers.
    #[must_use]
    pub fn subprotocol(mut self, name: impl Into<String>) -> Self {
        self.subprotocol = Some(name.into());
        self
    }

    /// Adds a header to the response.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into().to_ascii_lowercase(), value.into()));
        self
    }
}

impl From<Acceptance> for types::Acceptance {
    fn from(Acceptance { subprotocol, headers }: Acceptance) -> Self {
        Self { subprotocol, headers }
    }
}

/// The consumer's denial of a handshake: an HTTP response that replaces the upgrade. In Django Channels: `self.close()`
/// in `connect`, or `DenyConnection`.
///
/// A response created by [`deny`] is a decision and never counts as a fault, whatever its status. `?` converts any
/// error into a response:
///
/// | error | the client gets | counted as |
/// |---|---|---|
/// | [`ClientError`](crate::ClientError), or an [`Error`] that blames the client | 400 and the reason | nothing |
/// | [`ChannelLayerError::InvalidName`], because such names usually come from the request | 400 and the name | nothing |
/// | [`ChannelLayerError::Denied`] | 403 | nothing |
/// | [`ChannelLayerError::Unavailable`], [`ChannelLayerError::ChannelFull`], [`KeyValueError::Unavailable`], [`HttpError::Timeout`], [`HttpError::Other`]: another server, or a limit; also as the source of another error | 503; the text goes to the plugin's log | nothing |
/// | any other: [`Error`], [`SendError`](crate::SendError), `serde_json::Error`, … | 500; the text goes to the host's log | a fault of the plugin |
///
/// [`KeyValueError::Unavailable`]: crate::keyvalue::KeyValueError::Unavailable
/// [`HttpError::Timeout`]: crate::http::HttpError::Timeout
/// [`HttpError::Other`]: crate::http::HttpError::Other
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deny {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    /// Why the plugin failed, if it did.
    failure: Option<String>,
}

/// Denies the connection with an HTTP status from 400 to 599. The response has no body.
pub fn deny(status: u16) -> Deny {
    Deny::new(status)
}

impl Deny {
    /// Creates a response with an HTTP status from 400 to 599 and no body.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), failure: None }
    }

    /// Adds a header to the response.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into().to_ascii_lowercase(), value.into()));
        self
    }

    /// Sets the body of the response.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn plain_text(status: u16, text: String) -> Self {
        Self::new(status).header("content-type", "text/plain; charset=utf-8").body(text)
    }
}

/// The client gets the text of an error only if the client is to blame.
impl<E: std::error::Error + 'static> From<E> for Deny {
    fn from(error: E) -> Self {
        match (&error as &dyn std::error::Error).downcast_ref::<ChannelLayerError>() {
            Some(ChannelLayerError::InvalidName(_)) => Self::plain_text(400, format!("{error}\n")),
            Some(ChannelLayerError::Denied(_)) => Self::plain_text(403, "denied\n".to_owned()),
            _ => Error::from(error).into(),
        }
    }
}

impl From<Error> for Deny {
    fn from(error: Error) -> Self {
        match error.client_error() {
            Some(error) => Self::plain_text(400, format!("{}\n", error.reason())),
            None if error.is_external() => {
                crate::error!("a handshake was answered 503: {error}");
                Self::plain_text(503, "not available now\n".to_owned())
            }
            None => Self { failure: Some(error.to_string()), ..Self::new(500) },
        }
    }
}

/// A failure of the plugin becomes a response with status 500.
impl From<Deny> for types::Rejection {
    fn from(Deny { status, headers, body, failure }: Deny) -> Self {
        if let Some(text) = failure {
            crate::error!("a handshake was answered {status}: {text}");
        }
        Self { status, headers, body }
    }
}

impl From<Deny> for Refusal {
    fn from(deny: Deny) -> Self {
        let Deny { status, headers, body, failure } = deny;
        match failure {
            Some(text) => Self::Plugin(text),
            None => Self::Rejection(types::Rejection { status, headers, body }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{connection::SendError, http::HttpError, keyvalue::KeyValueError};

    #[test]
    fn header_names_become_lower_case() {
        let (_, decision) = accept(()).subprotocol("chat").header("X-Room", "One").into_parts();
        let websocket::Decision::Accept(acceptance) = decision else { panic!("not accepted") };
        assert_eq!(acceptance.subprotocol.as_deref(), Some("chat"));
        assert_eq!(acceptance.headers, [("x-room".to_owned(), b"One".to_vec())]);
    }

    #[test]
    fn an_invalid_group_name_blames_the_client() {
        assert_eq!(Deny::from(ChannelLayerError::InvalidName("chat_a b".into())).status, 400);
        let deny = Deny::from(Error::client(4400, "which room?"));
        assert_eq!((deny.status, deny.body.as_slice()), (400, &b"which room?\n"[..]));
        assert_eq!(Deny::from(Error::client(4400, "")).failure, None);
    }

    #[test]
    fn an_unavailable_server_is_not_a_fault() {
        for deny in [
            Deny::from(ChannelLayerError::Unavailable("no Redis at 10.0.0.5".into())),
            Deny::from(KeyValueError::Unavailable("the quota".into())),
            Deny::from(Error::from(KeyValueError::Unavailable("no answer in time".into()))),
            Deny::from(HttpError::Timeout),
        ] {
            assert_eq!((deny.status, deny.failure), (503, None));
            assert_eq!(deny.body, b"not available now\n");
        }
    }

    #[test]
    fn an_operation_that_is_not_valid_is_a_failure_of_the_plugin() {
        let deny = Deny::from(KeyValueError::Other("the key is empty".into()));
        assert_eq!((deny.status, deny.failure.as_deref()), (500, Some("the key is empty")));
    }

    #[test]
    fn any_other_error_is_a_failure_of_the_plugin_with_its_text() {
        fn connect() -> Result<(), Deny> {
            Err(KeyValueError::AccessDenied)?;
            Ok(())
        }
        assert_eq!(connect().unwrap_err().failure.as_deref(), Some("access denied"));
        assert_eq!(Deny::from(Error::msg("no")).failure.as_deref(), Some("no"));
        assert_eq!(Deny::from(SendError::Closed).status, 500);
        assert!(Deny::from("x".parse::<u8>().unwrap_err()).failure.is_some());
        assert!(Deny::from(serde_json::from_str::<u8>("{").unwrap_err()).failure.is_some());
    }

    #[test]
    fn a_denial_by_the_channel_layer_does_not_show_its_reason_to_the_client() {
        let deny =
            Deny::from(ChannelLayerError::Denied("no pattern of groups matches \"x\"".into()));
        assert_eq!((deny.status, deny.body.as_slice()), (403, &b"denied\n"[..]));
    }
}
