//! Sends the HTTP request that a text describes, such as `GET http://localhost:8000/`. See `run_request` for the
//! others.

mod bindings;
mod stuck;

use std::cell::Cell;
use std::time::Duration;

use narrowboat_guest::http::{HttpError, Request, Response};
use narrowboat_guest::prelude::*;

thread_local!(static RESTORED: Cell<&'static str> = const { Cell::new("fresh") });

#[derive(Serialize, Deserialize)]
struct HttpConsumer {
    /// The server that `snapshot` and `restore` try to call.
    base_url: String,
}

impl Consumer for HttpConsumer {
    type Message = NoMessage;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(accept(HttpConsumer { base_url: String::new() }))
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        let answer = match text.split_once(' ') {
            Some(("home", url)) => {
                self.base_url = url.to_owned();
                "ok".to_owned()
            }
            None if text == "restored" => RESTORED.get().to_owned(),
            _ => run_request(&text).unwrap_or_else(|error| format!("error: {error}")),
        };
        Ok(connection.send(answer)?)
    }

    fn snapshot(&self) -> Result<Snapshot, Error> {
        let _ = Request::get(&format!("{}/snapshot", self.base_url)).send();
        Snapshot::encode(Self::SCHEMA_VERSION, self)
    }

    fn restore(_: &Connection, saved: Snapshot) -> Result<Self, Error> {
        let restored: Self = saved.decode()?;
        let sent = Request::get(&format!("{}/restore", restored.base_url)).send().is_ok();
        RESTORED.set(if sent { "sent" } else { "not sent" });
        Ok(restored)
    }
}

fn run_request(text: &str) -> Result<String, HttpError> {
    let mut words = text.split(' ');
    let mut word = || words.next().unwrap_or_default();
    let (verb, url) = (word(), word());
    let number = |text: &str| text.parse::<usize>().unwrap_or_default();
    Ok(match verb {
        // send URL LEN: a POST with a body of LEN bytes
        "send" => describe_response(&Request::post(url).body(vec![b'x'; number(word())]).send()?),
        // len URL: replies with the length of the response's body
        "len" => Request::get(url).send()?.body.len().to_string(),
        // within URL MILLISECONDS: a GET with this time-out
        "within" => {
            let time = Duration::from_millis(number(word()) as u64);
            describe_response(&Request::get(url).timeout(time).send()?)
        }
        // many URL COUNT: COUNT requests in one call
        "many" => {
            for _ in 0..number(word()) {
                Request::get(url).send()?;
            }
            "ok".to_owned()
        }
        // fields URL COUNT: a GET with COUNT header fields
        "fields" => {
            let fields = 0..number(word());
            describe_response(
                &fields
                    .fold(Request::get(url), |it, at| it.header(&format!("x-{at}"), ""))
                    .send()?,
            )
        }
        // field URL NAME VALUE: a GET with this header field
        "field" => {
            let (name, value) = (word(), word());
            describe_response(&Request::get(url).header(name, value).send()?)
        }
        // follow URL: a GET, and a second one to the `location` of the response
        "follow" => {
            let response = Request::get(url).send()?;
            match response.header("location") {
                Some(location) => describe_response(&Request::get(location).send()?),
                None => "the response has no location".to_owned(),
            }
        }
        // stuck: writes a body that is never read
        "stuck" => stuck::write_until_stopped(),
        method => describe_response(&Request::new(method, url).send()?),
    })
}

fn describe_response(response: &Response) -> String {
    format!("{} {}", response.status, response.text())
}

/// Sends the request that each message describes.
#[derive(Default)]
struct HttpWorker;

#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum Message {
    #[serde(rename = "caller.errand")]
    Errand { text: String },
}

impl Worker for HttpWorker {
    type Message = Message;

    fn handle(&mut self, _: &str, Message::Errand { text }: Message) -> Result<(), Error> {
        run_request(&text).map(drop).map_err(Error::msg)
    }
}

narrowboat_guest::export!(HttpConsumer);
narrowboat_guest::export_worker!(HttpWorker);
