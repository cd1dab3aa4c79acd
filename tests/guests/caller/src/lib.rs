//! Makes requests, as a text asks: `GET http://localhost:8000/`.

mod bindings;
mod stuck;

use std::cell::Cell;
use std::time::Duration;

use narrowboat_guest::http::{HttpError, Request, Response};
use narrowboat_guest::prelude::*;

thread_local!(static RESTORED: Cell<&'static str> = const { Cell::new("fresh") });

/// Where to, when it moves to another version.
#[derive(Serialize, Deserialize)]
struct Caller {
    home: String,
}

impl Consumer for Caller {
    type Message = NoMessage;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(accept(Caller { home: String::new() }))
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        let answer = match text.split_once(' ') {
            Some(("home", url)) => {
                self.home = url.to_owned();
                "ok".to_owned()
            }
            None if text == "restored" => RESTORED.get().to_owned(),
            _ => answer(&text).unwrap_or_else(|error| format!("error: {error}")),
        };
        Ok(connection.send(answer)?)
    }

    fn snapshot(&self) -> Result<Saved, Error> {
        let _ = Request::get(&format!("{}/snapshot", self.home)).send();
        Saved::encode(Self::SCHEMA, self)
    }

    fn restore(_: &Connection, saved: Saved) -> Result<Self, Error> {
        let restored: Self = saved.decode()?;
        let sent = Request::get(&format!("{}/restore", restored.home)).send().is_ok();
        RESTORED.set(if sent { "sent" } else { "not sent" });
        Ok(restored)
    }
}

fn answer(text: &str) -> Result<String, HttpError> {
    let mut words = text.split(' ');
    let mut word = || words.next().unwrap_or_default();
    let (verb, url) = (word(), word());
    let number = |text: &str| text.parse::<usize>().unwrap_or_default();
    Ok(match verb {
        // send URL LEN: so many bytes
        "send" => told(&Request::post(url).body(vec![b'x'; number(word())]).send()?),
        // len URL: of the answer
        "len" => Request::get(url).send()?.body.len().to_string(),
        // within URL MILLISECONDS
        "within" => {
            let time = Duration::from_millis(number(word()) as u64);
            told(&Request::get(url).timeout(time).send()?)
        }
        // many URL COUNT: in one call
        "many" => {
            for _ in 0..number(word()) {
                Request::get(url).send()?;
            }
            "ok".to_owned()
        }
        // fields URL COUNT: header fields
        "fields" => {
            let fields = 0..number(word());
            told(
                &fields
                    .fold(Request::get(url), |it, at| it.header(&format!("x-{at}"), ""))
                    .send()?,
            )
        }
        // field URL NAME VALUE
        "field" => {
            let (name, value) = (word(), word());
            told(&Request::get(url).header(name, value).send()?)
        }
        // follow URL: where it leads, once
        "follow" => {
            let answer = Request::get(url).send()?;
            match answer.header("location") {
                Some(location) => told(&Request::get(location).send()?),
                None => "it leads nowhere".to_owned(),
            }
        }
        // A body that nobody takes
        "stuck" => stuck::write(),
        method => told(&Request::new(method, url).send()?),
    })
}

fn told(answer: &Response) -> String {
    format!("{} {}", answer.status, answer.text())
}

/// Does what messages of its channels say.
#[derive(Default)]
struct Errands;

#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum Message {
    #[serde(rename = "caller.errand")]
    Errand { text: String },
}

impl Worker for Errands {
    type Message = Message;

    fn handle(&mut self, _: &str, Message::Errand { text }: Message) -> Result<(), Error> {
        answer(&text).map(drop).map_err(Error::msg)
    }
}

narrowboat_guest::export!(Caller);
narrowboat_guest::export_worker!(Errands);
