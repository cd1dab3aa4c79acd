//! The servers that the HTTP requests of a plugin reach in a test.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;

use crate::reply::{ReplyData, SentRequest};
use crate::request::{RequestFailure, RespondRequest};
use narrowboat_config::RequestsConfig;
use narrowboat_egress::{Egress, EgressError, RequestHead};

/// The bytes that a plugin and a server may be ahead of each other.
const STREAM_BUFFER_BYTES: usize = 64 * 1024;

/// The servers that the HTTP requests of a plugin reach in a test. A clone is the same.
#[derive(Clone, Default)]
pub(crate) struct FakeWeb(Arc<Mutex<WebState>>);

#[derive(Default)]
struct WebState {
    /// The newest rule comes last.
    rules: Vec<WebRule>,
    requests: Vec<SentRequest>,
}

/// The answer to the requests that match.
struct WebRule {
    /// `None`: any method.
    method: Option<String>,
    /// The URL, or its beginning and `*`.
    url: String,
    /// The number of requests that still get the answer; `None`: all.
    times_left: Option<u32>,
    answer: WebAnswer,
}

#[derive(Clone)]
enum WebAnswer {
    Response(Box<Response<Full<Bytes>>>),
    Failure(RequestFailure),
}

impl FakeWeb {
    /// The sender of requests that reaches these servers.
    pub(crate) fn egress(&self, config: RequestsConfig) -> Egress {
        let web = self.clone();
        Egress::in_memory(config, Box::new(move |head| web.connect(head)))
    }

    /// Sets the response to requests.
    ///
    /// # Errors
    /// If the response is not valid.
    pub(crate) fn respond(&self, respond: RespondRequest) -> Result<(), String> {
        let RespondRequest { method, url, status, headers, body, times } = respond;
        let mut response = Response::new(Full::new(Bytes::from(body.into_bytes())));
        *response.status_mut() = StatusCode::from_u16(status)
            .map_err(|_| format!("{status} is not a status of HTTP"))?;
        for (name, value) in headers {
            let value = HeaderValue::from_bytes(&value.into_bytes());
            let value =
                value.map_err(|_| format!("the value of the header {name:?} is not valid"))?;
            let name = HeaderName::try_from(name);
            let name = name.map_err(|error| format!("a header has no valid name: {error}"))?;
            response.headers_mut().append(name, value);
        }
        self.add_rule(method, url, times, WebAnswer::Response(Box::new(response)));
        Ok(())
    }

    /// Makes requests fail.
    pub(crate) fn fail(
        &self,
        method: Option<String>,
        url: String,
        times: Option<u32>,
        failure: RequestFailure,
    ) {
        self.add_rule(method, url, times, WebAnswer::Failure(failure));
    }

    /// The requests that the plugin has sent.
    pub(crate) fn requests(&self) -> Vec<SentRequest> {
        self.lock().requests.clone()
    }

    fn add_rule(
        &self,
        method: Option<String>,
        url: String,
        times_left: Option<u32>,
        answer: WebAnswer,
    ) {
        self.lock().rules.push(WebRule { method, url, times_left, answer });
    }

    /// Connects for a request. Records it without its body if it gets no server.
    fn connect(&self, head: RequestHead<'_>) -> Result<DuplexStream, EgressError> {
        let RequestHead { method, uri, .. } = head;
        let answer = self.lock().take_answer(method, uri);
        let connected = self.answer(answer, head);
        if connected.is_err() {
            self.record(method, uri.to_string(), head.headers, Vec::new());
        }
        connected
    }

    /// Starts the server of a request, or returns the error that the request fails with.
    fn answer(
        &self,
        answer: Option<WebAnswer>,
        RequestHead { method, uri, .. }: RequestHead<'_>,
    ) -> Result<DuplexStream, EgressError> {
        let Some(answer) = answer else {
            tracing::warn!(
                %method,
                %uri,
                "the test sets no response for a request, so it fails as if the server refused the connection"
            );
            return Err(refused());
        };
        match answer {
            WebAnswer::Failure(RequestFailure::Refused) => Err(refused()),
            WebAnswer::Failure(RequestFailure::Timeout) => Err(EgressError::FirstByteTimeout),
            WebAnswer::Failure(RequestFailure::Dns) => {
                Err(EgressError::NameResolution(io::ErrorKind::NotFound.into()))
            }
            WebAnswer::Failure(RequestFailure::Closed) => Ok(self.serve(uri, None)),
            WebAnswer::Response(response) => Ok(self.serve(uri, Some(*response))),
        }
    }

    /// Starts a server for one request. Without a response, it closes the connection.
    fn serve(&self, uri: &Uri, response: Option<Response<Full<Bytes>>>) -> DuplexStream {
        let (client, server) = tokio::io::duplex(STREAM_BUFFER_BYTES);
        let (web, url) = (self.clone(), uri.to_string());
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let (web, url, response) = (web.clone(), url.clone(), response.clone());
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await.map(|body| body.to_bytes().to_vec());
                    web.record(&head.method, url, &head.headers, body.unwrap_or_default());
                    response.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted))
                }
            });
            // An error is one that the plugin sees too.
            let _ = http1::Builder::new()
                .keep_alive(false)
                .serve_connection(TokioIo::new(server), service)
                .await;
        });
        client
    }

    /// Records a request.
    fn record(&self, method: &Method, url: String, headers: &HeaderMap, body: Vec<u8>) {
        let headers = headers.iter().map(|(name, value)| {
            (name.as_str().to_owned(), ReplyData::from_bytes(value.as_bytes().to_vec()))
        });
        self.lock().requests.push(SentRequest {
            method: method.to_string(),
            url,
            headers: headers.collect(),
            body: ReplyData::Binary(body),
        });
    }

    fn lock(&self) -> MutexGuard<'_, WebState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WebState {
    /// Takes the answer of the newest rule that matches.
    fn take_answer(&mut self, method: &Method, uri: &Uri) -> Option<WebAnswer> {
        let url = uri.to_string();
        let rule = self.rules.iter_mut().rev().find(|rule| rule.matches(method, &url))?;
        if let Some(left) = &mut rule.times_left {
            *left -= 1;
        }
        Some(rule.answer.clone())
    }
}

impl WebRule {
    fn matches(&self, method: &Method, url: &str) -> bool {
        let is_method =
            self.method.as_deref().is_none_or(|own| own.eq_ignore_ascii_case(method.as_str()));
        let is_url = match self.url.strip_suffix('*') {
            Some(prefix) => url.starts_with(prefix),
            None => url == self.url,
        };
        is_method && is_url && self.times_left != Some(0)
    }
}

fn refused() -> EgressError {
    EgressError::Connect(io::ErrorKind::ConnectionRefused.into())
}
