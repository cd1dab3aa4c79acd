use crate::{bindings::narrowboat::consumer::types, connection::SendError, layer::LayerError};

/// A consumer's yes to a handshake. Made by [`accept`].
#[derive(Debug)]
pub struct Accept<C> {
    pub(crate) consumer: C,
    subprotocol: Option<String>,
    headers: Vec<(String, Vec<u8>)>,
}

/// Accepts the connection; `consumer` has its events from now on.
pub fn accept<C>(consumer: C) -> Accept<C> {
    Accept { consumer, subprotocol: None, headers: Vec::new() }
}

impl<C> Accept<C> {
    /// Picks one of the subprotocols the client offered.
    #[must_use]
    pub fn subprotocol(mut self, name: impl Into<String>) -> Self {
        self.subprotocol = Some(name.into());
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into().to_ascii_lowercase(), value.into()));
        self
    }

    pub(crate) fn into_parts(self) -> (C, types::Acceptance) {
        (self.consumer, types::Acceptance { subprotocol: self.subprotocol, headers: self.headers })
    }
}

/// A consumer's no to a handshake: an HTTP answer in place of the upgrade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deny {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// Denies the connection with an HTTP status from 400 to 599 and nothing else.
pub fn deny(status: u16) -> Deny {
    Deny::new(status)
}

impl Deny {
    /// An answer with an HTTP status from 400 to 599 and no body.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into().to_ascii_lowercase(), value.into()));
        self
    }

    /// Sets the answer's body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn plain_text(status: u16, text: String) -> Self {
        Self::new(status).header("content-type", "text/plain; charset=utf-8").body(text)
    }
}

/// A name that came with the request is the client's fault, 400. One that the plugin may not reach is 403, and what it may
/// reach no client's business; anything else is ours, 503.
impl From<LayerError> for Deny {
    fn from(error: LayerError) -> Self {
        match error {
            LayerError::InvalidName(_) => Self::plain_text(400, error.to_string()),
            LayerError::Denied(_) => Self::plain_text(403, "denied\n".to_owned()),
            _ => Self::plain_text(503, error.to_string()),
        }
    }
}

impl From<SendError> for Deny {
    fn from(error: SendError) -> Self {
        Self::plain_text(503, error.to_string())
    }
}

impl From<Deny> for types::Rejection {
    fn from(deny: Deny) -> Self {
        Self { status: deny.status, headers: deny.headers, body: deny.body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_names_become_lower_case() {
        let (_, acceptance) = accept(()).subprotocol("chat").header("X-Room", "One").into_parts();
        assert_eq!(acceptance.subprotocol.as_deref(), Some("chat"));
        assert_eq!(acceptance.headers, [("x-room".to_owned(), b"One".to_vec())]);
    }

    #[test]
    fn a_bad_group_name_is_the_clients_fault() {
        assert_eq!(Deny::from(LayerError::InvalidName("chat_a b".into())).status, 400);
        assert_eq!(Deny::from(LayerError::Unavailable("no Redis".into())).status, 503);
    }

    #[test]
    fn a_client_does_not_hear_what_a_plugin_may() {
        let deny = Deny::from(LayerError::Denied("no pattern of groups matches \"x\"".into()));
        assert_eq!((deny.status, deny.body.as_slice()), (403, &b"denied\n"[..]));
    }
}
