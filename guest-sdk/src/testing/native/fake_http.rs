use crate::{
    bindings::requester_world::wasi::http::types::{DnsErrorPayload, ErrorCode},
    http::{HttpError, Response},
    testing::{FakeResponse, RequestFailure, RequestRule, SentRequest},
};

/// The servers of a test: its rules, and the requests that the plugin has sent.
#[derive(Debug, Default)]
pub(crate) struct FakeHttp {
    rules: Vec<(RequestRule, Result<FakeResponse, RequestFailure>)>,
    pub(super) requests: Vec<SentRequest>,
}

impl FakeHttp {
    /// Adds a rule, which wins over the earlier ones.
    pub(super) fn add_rule(
        &mut self,
        rule: RequestRule,
        result: Result<FakeResponse, RequestFailure>,
    ) {
        self.rules.push((rule, result));
    }

    /// Records a request, and returns the result of the newest rule that matches it.
    pub(crate) fn send(&mut self, request: SentRequest) -> Result<Response, HttpError> {
        let SentRequest { method, url, .. } = &request;
        let mut rules = self.rules.iter_mut().rev();
        let result = match rules.find(|(rule, _)| rule.matches(method, url)) {
            Some((rule, result)) => {
                rule.times = rule.times.map(|times| times.saturating_sub(1));
                result.clone().map(Response::from).map_err(HttpError::from)
            }
            None => Err(HttpError::Other(format!(
                "the test has no response for {method} {url}: set one with Host::respond or Host::fail_request"
            ))),
        };
        self.requests.push(request);
        result
    }
}

impl From<FakeResponse> for Response {
    fn from(FakeResponse { status, headers, body }: FakeResponse) -> Self {
        Self { status, headers, body }
    }
}

/// The errors are those that the sandbox returns.
impl From<RequestFailure> for HttpError {
    fn from(failure: RequestFailure) -> Self {
        match failure {
            RequestFailure::Refused => ErrorCode::ConnectionRefused,
            RequestFailure::Timeout => ErrorCode::ConnectionTimeout,
            RequestFailure::Dns => {
                ErrorCode::DnsError(DnsErrorPayload { rcode: None, info_code: None })
            }
            RequestFailure::Closed => ErrorCode::ConnectionTerminated,
        }
        .into()
    }
}
