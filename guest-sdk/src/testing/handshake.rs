use std::fmt;

/// A handshake as the client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// The consumer has accepted the connection.
    Accepted {
        /// The subprotocol that the consumer chose.
        subprotocol: Option<String>,
        /// The headers of the response: names in lower case, values as raw bytes. Under `narrowboat test` they include
        /// the headers that the host adds.
        headers: Vec<(String, Vec<u8>)>,
    },
    /// The consumer decides later.
    Undecided,
    /// The client got an HTTP response instead of the upgrade.
    Rejected(Rejection),
}

/// The HTTP response that rejects a handshake.
#[derive(Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The HTTP status.
    pub status: u16,
    /// The headers of the response: names in lower case, values as raw bytes.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body of the response.
    pub body: Vec<u8>,
}

impl Rejection {
    /// A rejection that the host decides.
    pub(super) fn of_host(status: u16, text: &str) -> Self {
        let content_type = b"text/plain; charset=utf-8".to_vec();
        Self {
            status,
            headers: vec![("content-type".to_owned(), content_type)],
            body: format!("{text}\n").into_bytes(),
        }
    }

    /// The body as text. Bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The value of the first header with this name, which is in lower case. `None` if the value is not UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(own, _)| own == name)?;
        str::from_utf8(value).ok()
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "status {} {:?}", self.status, self.text().trim_end())
    }
}

/// `unwrap` of a connect prints this.
impl fmt::Debug for Rejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Rejection({self})")
    }
}

impl std::error::Error for Rejection {}
