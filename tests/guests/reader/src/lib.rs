//! Reads its settings, and sends one of them with an HTTP request. See `run` for the commands.

use narrowboat_guest::config;
use narrowboat_guest::http::Request;
use narrowboat_guest::prelude::*;

#[derive(Serialize, Deserialize)]
struct Reader {}

impl Consumer for Reader {
    type Message = NoMessage;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(accept(Reader {}))
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        Ok(connection.send(run(&text))?)
    }
}

fn run(command: &str) -> String {
    match command.split_once(' ') {
        // get KEY: the value of a setting
        Some(("get", key)) => config::get(key).unwrap_or_else(|| "(none)".to_owned()),
        // call URL: the body of the response to a request with the setting `api.key`
        Some(("call", url)) => {
            let key = config::get("api.key").unwrap_or_default();
            match Request::get(url).header("x-api-key", &key).send() {
                Ok(response) => String::from_utf8_lossy(&response.body).into_owned(),
                Err(error) => format!("error: {error}"),
            }
        }
        // all: each setting in a line
        _ => {
            let lines = config::all().into_iter().map(|(key, value)| format!("{key}={value}"));
            lines.collect::<Vec<_>>().join("\n")
        }
    }
}

narrowboat_guest::export!(Reader);
