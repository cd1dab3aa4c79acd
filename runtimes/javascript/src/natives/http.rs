//! HTTP requests to other servers.

use std::time::Duration;

use narrowboat_guest::http::{HttpError, Request, Response};
use rquickjs::prelude::{Func, Opt};
use rquickjs::{Array, Ctx, IntoJs, Object, Result};

use super::thrown::throw_with_code;
use super::values::Bytes;

pub fn add_to<'js>(natives: &Object<'js>) -> Result<()> {
    natives.set("httpSend", Func::from(send))
}

/// Sends a request, and returns an object with the status, the headers and the body of the response.
fn send<'js>(
    ctx: Ctx<'js>,
    method: String,
    url: String,
    headers: Vec<Vec<String>>,
    body: Bytes,
    timeout_ms: Opt<Option<f64>>,
) -> Result<Object<'js>> {
    let mut request = Request::new(&method, &url).body(body.0);
    for pair in &headers {
        let [name, value] = pair.as_slice() else { continue };
        let Some(value) = latin1_bytes(value) else {
            let message = format!("the value of the header {name:?} has a character beyond U+00FF");
            return Err(throw_with_code(&ctx, "invalid-request", &message));
        };
        request = request.header(name, value);
    }
    if let Some(timeout) = timeout_ms.0.flatten() {
        request = request
            .timeout(Duration::from_secs_f64(timeout.clamp(0.0, f64::from(u32::MAX)) / 1_000.0));
    }
    match request.send() {
        Ok(response) => response_object(&ctx, response),
        Err(error) => Err(exception_of(&ctx, &error, &url)),
    }
}

fn latin1_bytes(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|it| u8::try_from(u32::from(it)).ok()).collect()
}

fn response_object<'js>(ctx: &Ctx<'js>, response: Response) -> Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    object.set("status", response.status)?;
    let headers = Array::new(ctx.clone())?;
    for (index, (name, value)) in response.headers.into_iter().enumerate() {
        let value: String = value.into_iter().map(char::from).collect();
        headers.set(index, [name, value].into_js(ctx)?)?;
    }
    object.set("headers", headers)?;
    object.set("body", Bytes(response.body))?;
    Ok(object)
}

fn exception_of(ctx: &Ctx<'_>, error: &HttpError, url: &str) -> rquickjs::Error {
    let origin: String = url.split('/').take(3).collect::<Vec<_>>().join("/");
    let (code, message) = match error {
        HttpError::InvalidRequest(text) => ("invalid-request", text.clone()),
        HttpError::Denied => (
            "denied",
            format!(
                "the plugin may not send requests to {origin}: add http = [\"{origin}\"] under [capabilities] in plugin.toml"
            ),
        ),
        HttpError::PrivateAddress => (
            "denied",
            format!(
                "{origin} has no address on the public internet: add private_addresses = true under [capabilities] in \
                 plugin.toml"
            ),
        ),
        HttpError::Timeout => ("timed-out", format!("the request to {origin} timed out")),
        HttpError::TooLarge => ("too-large", "the body is larger than the host allows".to_owned()),
        HttpError::Other(text) => ("other", text.clone()),
    };
    throw_with_code(ctx, code, &message)
}
