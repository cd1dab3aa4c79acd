use std::{hint::black_box, time::Duration};

use narrowboat_guest::prelude::*;
use serde::Serialize;

use crate::{DisconnectBehavior, Message, MisbehavingConsumer};

type Misbehavior = fn(&mut MisbehavingConsumer, &Connection, &str) -> Result<(), Error>;

const MEBIBYTE: usize = 1 << 20;

/// The misbehaviors by their first word. Each gets the rest of the text.
const MISBEHAVIORS: &[(&str, Misbehavior)] = &[
    ("ok", |_, connection, _| Ok(connection.send("ok")?)),
    ("trap", |_, _, _| panic!("asked to trap")),
    // panic TEXT
    ("panic", |_, _, rest| panic!("{rest}")),
    // regret TEXT: sends it, then traps
    ("regret", |_, connection, rest| {
        connection.send(rest)?;
        panic!("asked to regret")
    }),
    // On this target, abort is an unreachable instruction. It does not run the panic hook.
    ("unreachable", |_, _, _| std::process::abort()),
    ("loop", |_, _, _| {
        loop_forever();
        Ok(())
    }),
    // work N: N rounds of work, then a reply
    ("work", |_, connection, rest| {
        burn_cpu(rest.parse()?);
        Ok(connection.send("worked")?)
    }),
    // work-mutely N: N rounds of work, without a reply
    ("work-mutely", |_, _, rest| {
        burn_cpu(rest.parse()?);
        Ok(())
    }),
    // allocate: until the host refuses, then replies with the amount
    ("allocate", |_, connection, _| {
        Ok(connection.send(format!("{} MiB", allocate_until_refused()))?)
    }),
    // hoard: until the host refuses, which aborts the call
    ("hoard", |_, _, _| {
        let mut blocks = Vec::new();
        loop {
            blocks.push(black_box(vec![1_u8; MEBIBYTE]));
        }
    }),
    ("recurse", |_, connection, _| Ok(connection.send(recurse_forever(1).to_string())?)),
    // flood N BYTES: N frames of BYTES bytes to its own client
    ("flood", |_, connection, rest| {
        let (count, bytes) = rest.split_once(' ').unwrap_or((rest, "1"));
        let frame = Frame::Binary(vec![0; bytes.parse()?]);
        for _ in 0..count.parse::<u32>()? {
            connection.send(frame.clone())?;
        }
        Ok(())
    }),
    ("endless-effects", |_, connection, _| {
        loop {
            let _ = connection.send("x");
            let _ = ChannelLayer::send(connection.channel_name(), &Message::Trap);
        }
    }),
    // talk-to-itself: sends a message to its own channel, whose handler sends it again
    ("talk-to-itself", |_, connection, _| {
        Ok(ChannelLayer::send(connection.channel_name(), &Message::Again)?)
    }),
    // fatten BYTES: adds BYTES bytes to the snapshot
    ("fatten", |consumer, connection, rest| {
        consumer.padding = "x".repeat(rest.parse()?);
        Ok(connection.send("fat")?)
    }),
    // group-flood N: N frames to a group whose only member is this connection
    ("group-flood", |_, connection, rest| {
        ChannelLayer::group_add("flood", connection.channel_name())?;
        for _ in 0..rest.parse::<u32>()? {
            ChannelLayer::group_send_frame("flood", "x")?;
        }
        Ok(connection.send("flooded")?)
    }),
    // error TEXT
    ("error", |_, _, rest| Err(Error::msg(rest))),
    // json TEXT: parses a number and sends it back
    ("json", |_, connection, rest| {
        connection.send("read")?;
        let number: u32 = Frame::from(rest).json()?;
        Ok(connection.send(number.to_string())?)
    }),
    // json-or-panic TEXT: parses a number, or panics
    ("json-or-panic", |_, connection, rest| {
        let number: u32 = match parse_client_json(rest) {
            Ok(number) => number,
            Err(error) => panic!("invalid JSON from the client: {error}"),
        };
        Ok(connection.send(number.to_string())?)
    }),
    // blame CODE REASON
    ("blame", |_, _, rest| {
        let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        Err(Error::client(code.parse()?, reason))
    }),
    // broken-message: sends a message of a known type that lacks a field
    ("broken-message", |_, connection, _| {
        #[derive(Serialize)]
        #[serde(tag = "type", rename = "misbehave.blame")]
        struct Broken {}
        Ok(ChannelLayer::send(connection.channel_name(), &Broken {})?)
    }),
    // blame-in-handle CODE
    ("blame-in-handle", |_, connection, rest| {
        Ok(ChannelLayer::send(connection.channel_name(), &Message::Blame { code: rest.parse()? })?)
    }),
    ("channel", |_, connection, _| Ok(connection.send(connection.channel_name())?)),
    // tell CHANNEL,CHANNEL… ORDER: sends an order to other consumers
    ("tell", |_, connection, rest| {
        let (channels, order) = rest.split_once(' ').unwrap_or((rest, ""));
        for channel in channels.split(',') {
            ChannelLayer::send(channel, &order_message(order)?)?;
        }
        Ok(connection.send("told")?)
    }),
    // tell-each CHANNEL=ORDER,CHANNEL=ORDER…: sends each consumer an order of its own
    ("tell-each", |_, connection, rest| {
        for order in rest.split(',') {
            let (channel, order) = order.split_once('=').unwrap_or((order, ""));
            ChannelLayer::send(channel, &order_message(order)?)?;
        }
        Ok(connection.send("told")?)
    }),
    // close CODE
    ("close", |_, connection, rest| {
        connection.close(rest.parse()?, "");
        Ok(())
    }),
    ("bad-group", |_, connection, _| {
        Ok(ChannelLayer::group_add("no group!", connection.channel_name())?)
    }),
    ("unknown-type", |_, connection, _| {
        #[derive(Serialize)]
        #[serde(tag = "type", rename = "nobody.knows")]
        struct Unknown {}
        ChannelLayer::send(connection.channel_name(), &Unknown {})?;
        Ok(connection.send("sent")?)
    }),
    ("trap-in-handle", |_, connection, _| {
        Ok(ChannelLayer::send(connection.channel_name(), &Message::Trap)?)
    }),
    ("trap-in-timer", |_, connection, _| {
        connection.set_timer(Duration::ZERO)?;
        Ok(())
    }),
    ("trap-in-disconnect", |consumer, connection, _| {
        consumer.on_disconnect = DisconnectBehavior::Trap;
        Ok(connection.send("ok")?)
    }),
    ("loop-in-disconnect", |consumer, connection, _| {
        consumer.on_disconnect = DisconnectBehavior::Loop;
        Ok(connection.send("ok")?)
    }),
    // log TEXT
    ("log", |_, connection, rest| {
        info!("{rest}");
        Ok(connection.send("logged")?)
    }),
    // log-flood N
    ("log-flood", |_, connection, rest| {
        (0..rest.parse::<u32>()?).for_each(|line| info!("line {line} of a flood"));
        Ok(connection.send("logged")?)
    }),
];

/// The message that makes a consumer reply, trap, send to itself for ever, work for a while, or blame its client with a
/// code.
fn order_message(order: &str) -> Result<Message, Error> {
    Ok(match order {
        "reply" => Message::Reply,
        "trap" => Message::Trap,
        "again" => Message::Again,
        "work" => Message::Work,
        code => Message::Blame { code: code.parse()? },
    })
}

/// Runs the misbehavior that a text names.
pub(crate) fn run_misbehavior(
    consumer: &mut MisbehavingConsumer,
    connection: &Connection,
    text: &str,
) -> Result<(), Error> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    match MISBEHAVIORS.iter().find(|(name, _)| *name == word) {
        Some((_, misbehavior)) => misbehavior(consumer, connection, rest),
        None => Ok(connection.send(format!("no misbehavior {word:?}"))?),
    }
}

/// Loops forever. The return type is `()` and not `!`, because callers need a unit.
pub(crate) fn loop_forever() {
    loop {
        black_box(());
    }
}

/// Works for some 10 ms, and says so.
pub(crate) fn work_in_handle(connection: &Connection) -> Result<(), Error> {
    burn_cpu(10_000_000);
    Ok(connection.send("worked")?)
}

fn burn_cpu(rounds: u64) {
    for round in 0..rounds {
        black_box(round);
    }
}

fn allocate_until_refused() -> usize {
    let mut blocks = Vec::new();
    loop {
        let mut block = Vec::new();
        if block.try_reserve_exact(MEBIBYTE).is_err() {
            return blocks.len();
        }
        block.resize(MEBIBYTE, 1_u8);
        blocks.push(black_box(block));
    }
}

#[expect(unconditional_recursion, reason = "it has to overflow the stack")]
fn recurse_forever(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    recurse_forever(frame[0] + 1) + black_box(frame[63])
}
