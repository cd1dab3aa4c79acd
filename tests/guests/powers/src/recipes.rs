//! The recipes of the book for the key-value store.

use std::time::Duration;

use narrowboat_guest::keyvalue::{self, KeyValueError, TimeToLive};
use narrowboat_guest::prelude::*;
use narrowboat_guest::random;

/// How many messages a room keeps.
const KEPT_MESSAGES: usize = 20;

/// The life of a session without a request.
const SESSION_TTL: Duration = Duration::from_millis(400);

/// Adds a message to those of a room, which keeps the last ones.
pub(crate) fn add_message(room: &str, text: &str) -> Result<(), Error> {
    let bucket = keyvalue::open("messages")?;
    bucket.try_update(room, |old| -> Result<_, Error> {
        let mut messages: Vec<String> = match old {
            Some(old) => serde_json::from_slice(old)?,
            None => Vec::new(),
        };
        messages.push(text.to_owned());
        let excess = messages.len().saturating_sub(KEPT_MESSAGES);
        messages.drain(..excess);
        Ok(serde_json::to_vec(&messages)?)
    })?;
    Ok(())
}

/// Counts a request of a client, and says whether it is one of the first `most` in `window`.
pub(crate) fn is_allowed(client: &str, most: i64, window: Duration) -> Result<bool, KeyValueError> {
    let bucket = keyvalue::open("requests")?;
    let count = bucket.increment(client, 1)?;
    // The window begins with the first request. If the call before ended here, this one begins it.
    if bucket.ttl(client)? == TimeToLive::Unlimited {
        bucket.set_ttl(client, Some(window))?;
    }
    Ok(count <= most)
}

/// Starts a session, and returns its token.
pub(crate) fn log_in(user: &str) -> Result<String, KeyValueError> {
    let token = format!("{:016x}{:016x}", random::number(), random::number());
    keyvalue::open("sessions")?.set_with_ttl(&token, user, SESSION_TTL)?;
    Ok(token)
}

/// Returns the user of a session, which lives on.
pub(crate) fn user_of(token: &str) -> Result<Option<String>, Error> {
    let bucket = keyvalue::open("sessions")?;
    let Some(user) = bucket.get(token)? else { return Ok(None) };
    bucket.set_ttl(token, Some(SESSION_TTL))?;
    Ok(Some(String::from_utf8(user)?))
}

/// Ends a session.
pub(crate) fn log_out(token: &str) -> Result<(), KeyValueError> {
    keyvalue::open("sessions")?.delete(token)
}

/// Runs a command and returns the reply. `None` if the command is another one.
pub(crate) fn run(command: &str, rest: &str) -> Option<Result<String, Error>> {
    let (word, more) = rest.split_once(' ').unwrap_or((rest, ""));
    Some(match command {
        // say ROOM TEXT
        "say" => add_message(word, more).map(|()| "ok".to_owned()),
        // request CLIENT MOST MILLISECONDS
        "request" => {
            let (most, window) = more.split_once(' ')?;
            let window = Duration::from_millis(window.parse().ok()?);
            is_allowed(word, most.parse().ok()?, window)
                .map(|is_allowed| is_allowed.to_string())
                .map_err(Error::from)
        }
        // login USER, whois TOKEN, logout TOKEN
        "login" => log_in(word).map_err(Error::from),
        "whois" => user_of(word).map(|user| user.unwrap_or_else(|| "nobody".to_owned())),
        "logout" => log_out(word).map(|()| "ok".to_owned()).map_err(Error::from),
        _ => return None,
    })
}
