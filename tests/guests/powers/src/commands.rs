//! The commands by their first word.

use std::time::Duration;

use narrowboat_guest::prelude::*;
use narrowboat_guest::{clock, random};
use serde_json::json;

use crate::{Powers, layer, network, recipes, settings, store};

/// Runs the command in a text and returns the reply, if there is one.
pub(crate) fn run(
    consumer: &mut Powers,
    connection: &Connection,
    text: &str,
) -> Result<Option<String>, Error> {
    let (command, rest) = text.split_once(' ').unwrap_or((text, ""));
    let (word, more) = rest.split_once(' ').unwrap_or((rest, ""));
    let reply = match command {
        // scope
        "scope" => describe_scope(connection),
        // random: a number that differs
        "random" => random::number().to_string(),
        // time: in milliseconds since 1970
        "time" => clock::now().duration_since(std::time::UNIX_EPOCH)?.as_millis().to_string(),
        // timer MILLISECONDS TEXT
        "timer" => {
            let timer = connection.set_timer(Duration::from_millis(word.parse()?))?;
            consumer.timers.push((timer, more.to_owned()));
            "ok".to_owned()
        }
        // clear: clears the timer that was set last
        "clear" => {
            if let Some((timer, _)) = consumer.timers.pop() {
                connection.clear_timer(timer);
            }
            "ok".to_owned()
        }
        // told: how often the configuration has changed
        "told" => consumer.config_changes.to_string(),
        // log LEVEL TEXT
        "log" => log(word, more),
        // close CODE REASON
        "close" => {
            connection.close(word.parse()?, more);
            return Ok(None);
        }
        // blame CODE REASON
        "blame" => return Err(Error::client(word.parse()?, more)),
        // fail TEXT
        "fail" => return Err(Error::msg(rest)),
        _ => match recipes::run(command, rest) {
            Some(reply) => reply?,
            None => layer::run(connection, command, rest)
                .or_else(|| store::run(command, rest))
                .or_else(|| network::run(command, rest))
                .or_else(|| settings::run(command, rest))
                .ok_or_else(|| Error::msg(format_args!("no command {command:?}")))?,
        },
    };
    Ok(Some(reply))
}

fn describe_scope(connection: &Connection) -> String {
    let scope = connection.scope().unwrap_or_default();
    let user = scope.user.as_deref().and_then(|user| serde_json::from_str(user).ok());
    json!({
        "path": scope.path,
        "query": String::from_utf8_lossy(&scope.query_string),
        "room": scope.path_param("room"),
        "header": scope.header("x-test"),
        "client": scope.client.as_ref().map(|(host, _)| host),
        "subprotocols": scope.subprotocols,
        "user": user.unwrap_or(serde_json::Value::Null),
    })
    .to_string()
}

fn log(level: &str, text: &str) -> String {
    match level {
        "debug" => debug!("{text}"),
        "info" => info!("{text}"),
        "warning" => warn!("{text}"),
        "error" => error!("{text}"),
        _ => critical!("{text}"),
    }
    "ok".to_owned()
}
