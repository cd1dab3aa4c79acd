//! The target of a request.

use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Uri};

use crate::EgressError;
use narrowboat_core::origin::HttpTarget;

/// Returns the target of a URI. Returns `None` if the URI has no scheme or host, or a user name before the host, which
/// must not be sent to a server.
pub(crate) fn parse_target(uri: &Uri) -> Option<HttpTarget> {
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    if authority.as_str().contains('@') {
        return None;
    }
    HttpTarget::new(scheme, authority.as_str())
}

/// Returns the request in origin form (RFC 9112, section 3.2.1): with the path alone, and the host in its header.
pub(crate) fn to_origin_form<B>(
    mut request: Request<B>,
    target: &HttpTarget,
) -> Result<Request<B>, EgressError> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let host =
        HeaderValue::from_str(&target.authority()).map_err(|_| EgressError::InvalidTarget)?;
    *request.uri_mut() = path.parse().map_err(|_| EgressError::InvalidTarget)?;
    request.headers_mut().insert(HOST, host);
    Ok(request)
}
