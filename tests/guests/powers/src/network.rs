//! The commands of HTTP.

use std::time::Duration;

use narrowboat_guest::http::{HttpError, Request, Response};

/// Runs a command and returns the reply. `None` if the command is another one.
pub(crate) fn run(command: &str, rest: &str) -> Option<String> {
    let (url, more) = rest.split_once(' ').unwrap_or((rest, ""));
    let result = match command {
        // fetch URL [MILLISECONDS]: a GET, with a time-out
        "fetch" => {
            let request = Request::get(url).header("x-test", "powers");
            match more.parse() {
                Ok(milliseconds) => request.timeout(Duration::from_millis(milliseconds)),
                Err(_) => request,
            }
            .send()
        }
        // post URL TEXT
        "post" => Request::post(url).body(more).send(),
        _ => return None,
    };
    Some(match result {
        Ok(response) => describe_response(&response),
        Err(error) => format!("error: {}", kind_of(&error)),
    })
}

fn describe_response(response: &Response) -> String {
    let length = response.header("content-length").unwrap_or_default();
    format!("{} {length} {}", response.status, response.text())
}

fn kind_of(error: &HttpError) -> &'static str {
    match error {
        HttpError::InvalidRequest(_) => "invalid request",
        HttpError::Denied | HttpError::PrivateAddress => "denied",
        HttpError::Timeout => "timed out",
        HttpError::TooLarge => "too large",
        HttpError::Other(_) => "other",
    }
}
