//! Does what messages of its channels say. A text is `CHANNEL COMMAND WORDS`: where the answer goes, and what to do.
//! A tick is told to the group `ticks`.

use narrowboat_guest::prelude::*;

/// The version's name, which a test writes over in the component.
#[used]
static VERSION: [u8; 27] = *b"narrowboat clerk version:v1";

#[derive(Default)]
struct CommandWorker {
    /// Messages that this instance has been brought.
    message_count: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum Message {
    #[serde(rename = "commander.text")]
    Text { text: String },
    #[serde(rename = "worker.tick")]
    Tick,
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
        }
    }
}

impl CommandWorker {
    fn run_command(&self, text: &str) -> Result<(), Error> {
        let (reply, order) = text.split_once(' ').unwrap_or((text, ""));
        let (command, words) = order.split_once(' ').unwrap_or((order, ""));
        let answer = |text: String| Ok(ChannelLayer::send(reply, &Message::Text { text })?);
        match command {
            // Version, how many messages this instance has had, and the words.
            "echo" => answer(format!("{} {} {words}", version(), self.message_count)),
            // The words, after that many units of work.
            "work" => {
                burn_cpu(words.parse()?);
                answer(format!("{} worked {words}", version()))
            }
            // As `echo`, but the message is not done with.
            "fail" => {
                answer(format!("{} fails", version()))?;
                Err(Error::msg(words))
            }
            // What is said before a trap is not said.
            "trap" => {
                answer(format!("{} traps", version()))?;
                panic!("told to trap: {words}");
            }
            "loop" => loop {
                std::hint::black_box(());
            },
            _ => Err(Error::msg(format_args!("no command {command:?}"))),
        }
    }
}

fn version() -> &'static str {
    // Read where it lies: the compiler must not know what stands there.
    let words = std::hint::black_box(&VERSION);
    std::str::from_utf8(&words[words.len() - 2..]).unwrap_or_default()
}

/// Rounds of work in a unit: a tenth of a millisecond or two.
const ROUNDS_PER_UNIT: u64 = 100_000;

fn burn_cpu(units: u64) {
    for round in 0..units * ROUNDS_PER_UNIT {
        std::hint::black_box(round);
    }
}

narrowboat_guest::export_worker!(CommandWorker);
