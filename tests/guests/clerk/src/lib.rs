//! A worker that runs the command in each message. The text of a message is `CHANNEL COMMAND WORDS`, where `CHANNEL` is
//! the channel of the reply. It reports each tick and each run of its schedule to the group `ticks`. A run of a worker of a
//! channel whose name begins with `failing` fails twice, and the first attempt of one whose name begins with `stuck` does
//! not end.

use narrowboat_guest::prelude::*;

/// The name of the version. Tests overwrite it in the component.
#[used]
static VERSION: [u8; 27] = *b"narrowboat clerk version:v1";

#[derive(Default)]
struct CommandWorker {
    /// The number of messages that this instance has handled.
    message_count: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum Message {
    #[serde(rename = "commander.text")]
    Text { text: String },
    #[serde(rename = "worker.tick")]
    Tick,
    #[serde(rename = "worker.cron")]
    Cron { time: String, timestamp: i64, timezone: String, attempt: u32, late: bool },
}

impl Worker for CommandWorker {
    type Message = Message;

    fn handle(&mut self, channel: &str, message: Message) -> Result<(), Error> {
        self.message_count += 1;
        match message {
            Message::Text { text } => self.run_command(&text),
            Message::Tick => {
                let text = format!("tick of {channel}");
                Ok(ChannelLayer::group_send("ticks", &Message::Text { text })?)
            }
            Message::Cron { attempt: 1, .. } if channel.starts_with("stuck") => wait_for_ever(),
            Message::Cron { time, timestamp, timezone, attempt, late } => {
                let text = format!("run {time} {timestamp} {timezone} {attempt} {late}");
                ChannelLayer::group_send("ticks", &Message::Text { text })?;
                match channel.starts_with("failing") && attempt <= 2 {
                    true => Err(Error::msg("told to fail")),
                    false => Ok(()),
                }
            }
        }
    }
}

impl CommandWorker {
    fn run_command(&self, text: &str) -> Result<(), Error> {
        let (reply_channel, command) = text.split_once(' ').unwrap_or((text, ""));
        let (command, words) = command.split_once(' ').unwrap_or((command, ""));
        let reply = |text: String| Ok(ChannelLayer::send(reply_channel, &Message::Text { text })?);
        match command {
            // echo WORDS: replies with the version, the message count and the words
            "echo" => reply(format!("{} {} {words}", version(), self.message_count)),
            // work N: does N units of work and replies
            "work" => {
                burn_cpu(words.parse()?);
                reply(format!("{} worked {words}", version()))
            }
            // fail WORDS: replies and returns an error
            "fail" => {
                reply(format!("{} fails", version()))?;
                Err(Error::msg(words))
            }
            // trap WORDS: the trap drops the reply
            "trap" => {
                reply(format!("{} traps", version()))?;
                panic!("told to trap: {words}");
            }
            "loop" => wait_for_ever(),
            _ => Err(Error::msg(format_args!("no command {command:?}"))),
        }
    }
}

fn wait_for_ever() -> ! {
    loop {
        std::hint::black_box(());
    }
}

fn version() -> &'static str {
    // The black box keeps the compiler from using the value that it knows: tests overwrite it.
    let text = std::hint::black_box(&VERSION);
    std::str::from_utf8(&text[text.len() - 2..]).unwrap_or_default()
}

/// The rounds in a unit of work, which takes 0.1 to 0.2 ms.
const ROUNDS_PER_UNIT: u64 = 100_000;

fn burn_cpu(units: u64) {
    for round in 0..units * ROUNDS_PER_UNIT {
        std::hint::black_box(round);
    }
}

narrowboat_guest::export_worker!(CommandWorker);
