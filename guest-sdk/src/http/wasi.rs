//! Requests through `wasi:http`.

use std::time::Duration;

use super::{HttpError, Request, Response, split_url};
use crate::bindings::requester_world::wasi::http::{outgoing_handler, types};
use crate::bindings::requester_world::wasi::io::streams::{OutputStream, StreamError};

/// The most bytes that one write to a stream accepts.
const WRITE_CHUNK_BYTES: usize = 4_096;

/// The most bytes that one read returns.
const READ_CHUNK_BYTES: u64 = 65_536;

pub(super) fn send(request: Request) -> Result<Response, HttpError> {
    let outgoing = build_outgoing_request(&request)?;
    let options = request.timeout.map(request_options).transpose()?;
    let body = match request.body.is_empty() {
        true => None,
        false => Some(outgoing.body().map_err(|()| other_error("the request has no body"))?),
    };
    let response = outgoing_handler::handle(outgoing, options)?;
    if let Some(body) = body {
        let stream = body.write().map_err(|()| other_error("the request's body has no stream"))?;
        // A server that does not read the whole body may still respond.
        let written = write_body(&stream, &request.body);
        drop(stream);
        if written {
            types::OutgoingBody::finish(body, None)?;
        }
    }
    response.subscribe().block();
    match response.get() {
        Some(Ok(response)) => read_response(response?),
        _ => Err(other_error("there is no response")),
    }
}

fn build_outgoing_request(request: &Request) -> Result<types::OutgoingRequest, HttpError> {
    let (scheme, authority, path) = split_url(&request.url)?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" => types::Scheme::Http,
        "https" => types::Scheme::Https,
        other => types::Scheme::Other(other.to_owned()),
    };
    let mut headers = request.headers.clone();
    if !request.body.is_empty() {
        headers.push(("content-length".to_owned(), request.body.len().to_string().into_bytes()));
    }
    let headers = types::Fields::from_list(&headers);
    let headers =
        headers.map_err(|error| HttpError::InvalidRequest(format!("invalid header: {error:?}")))?;
    let outgoing = types::OutgoingRequest::new(headers);
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    outgoing
        .set_method(&parse_method(&request.method))
        .and_then(|()| outgoing.set_scheme(Some(&scheme)))
        .and_then(|()| outgoing.set_authority(Some(authority)))
        .and_then(|()| outgoing.set_path_with_query(Some(&path)))
        .map_err(|()| HttpError::InvalidRequest(format!("{} {:?}", request.method, request.url)))?;
    Ok(outgoing)
}

fn parse_method(name: &str) -> types::Method {
    match name {
        "GET" => types::Method::Get,
        "HEAD" => types::Method::Head,
        "POST" => types::Method::Post,
        "PUT" => types::Method::Put,
        "DELETE" => types::Method::Delete,
        "CONNECT" => types::Method::Connect,
        "OPTIONS" => types::Method::Options,
        "TRACE" => types::Method::Trace,
        "PATCH" => types::Method::Patch,
        other => types::Method::Other(other.to_owned()),
    }
}

fn request_options(timeout: Duration) -> Result<types::RequestOptions, HttpError> {
    let options = types::RequestOptions::new();
    let nanoseconds = Some(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
    options
        .set_connect_timeout(nanoseconds)
        .and_then(|()| options.set_first_byte_timeout(nanoseconds))
        .and_then(|()| options.set_between_bytes_timeout(nanoseconds))
        .map_err(|()| other_error("the host does not accept the time-out"))?;
    Ok(options)
}

/// Writes the body. Returns whether all of it was accepted.
fn write_body(stream: &OutputStream, body: &[u8]) -> bool {
    body.chunks(WRITE_CHUNK_BYTES).all(|part| stream.blocking_write_and_flush(part).is_ok())
}

fn read_response(response: types::IncomingResponse) -> Result<Response, HttpError> {
    let status = response.status();
    let headers = response.headers().entries();
    let incoming = response.consume().map_err(|()| other_error("the response has no body"))?;
    let stream =
        incoming.stream().map_err(|()| other_error("the response's body has no stream"))?;
    let mut body = Vec::new();
    loop {
        match stream.blocking_read(READ_CHUNK_BYTES) {
            Ok(part) => body.extend_from_slice(&part),
            Err(StreamError::Closed) => return Ok(Response { status, headers, body }),
            Err(StreamError::LastOperationFailed(error)) => {
                let code = types::http_error_code(&error).map(HttpError::from);
                return Err(code.unwrap_or_else(|| other_error(&error.to_debug_string())));
            }
        }
    }
}

fn other_error(text: &str) -> HttpError {
    HttpError::Other(text.to_owned())
}
