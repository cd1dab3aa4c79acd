//! Replies with the time or with random numbers, as a text asks.

mod bindings;

use std::fmt::Write;
use std::time::SystemTime;

use bindings::wasi::clocks::{monotonic_clock, wall_clock};
use bindings::wasi::random as wasi;
use narrowboat_guest::prelude::*;
use narrowboat_guest::{clock, random};

#[derive(Serialize, Deserialize)]
struct ClockRandomConsumer;

impl Consumer for ClockRandomConsumer {
    type Message = NoMessage;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(accept(ClockRandomConsumer))
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        Ok(connection.send(run_command(&text)?)?)
    }
}

fn run_command(text: &str) -> Result<String, Error> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    Ok(match word {
        // Nanoseconds
        "monotonic" => clock::monotonic().as_nanos().to_string(),
        // Nanoseconds since 1970
        "now" => clock::now().duration_since(SystemTime::UNIX_EPOCH)?.as_nanos().to_string(),
        "resolutions" => {
            let wall = wall_clock::resolution();
            format!("{} {} {}", monotonic_clock::resolution(), wall.seconds, wall.nanoseconds)
        }
        // fill N: N random bytes from the SDK, in as many host calls as needed
        "fill" => {
            let mut bytes = vec![0; rest.parse()?];
            random::fill(&mut bytes);
            hex_encode(&bytes)
        }
        // bytes N, insecure N: N random bytes from one host call
        "bytes" => hex_encode(&wasi::random::get_random_bytes(rest.parse()?)),
        "insecure" => hex_encode(&wasi::insecure::get_insecure_random_bytes(rest.parse()?)),
        "numbers" => {
            format!("{} {}", random::number(), wasi::insecure::get_insecure_random_u64())
        }
        "seed" => {
            let (one, other) = wasi::insecure_seed::insecure_seed();
            format!("{one} {other}")
        }
        _ => return Err(Error::msg(format_args!("no command {word:?}"))),
    })
}

fn hex_encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

narrowboat_guest::export!(ClockRandomConsumer);
