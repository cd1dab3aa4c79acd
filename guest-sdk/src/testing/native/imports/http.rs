use crate::{
    http::{HttpError, Response},
    testing::{
        SentRequest,
        native::current_instance::{OUTSIDE, with_host},
    },
};

/// Finds the response to a request among the rules of the test.
pub(crate) fn send(request: SentRequest) -> Result<Response, HttpError> {
    with_host(|host, _| match host.suppressed {
        Some(reason) => Err(HttpError::Other(format!("no request can be sent {reason}"))),
        None => host.http.send(request),
    })
    .unwrap_or_else(|| Err(HttpError::Other(OUTSIDE.to_owned())))
}
