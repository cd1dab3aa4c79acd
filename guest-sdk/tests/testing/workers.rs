//! Workers.

use narrowboat_guest::prelude::*;
use narrowboat_guest::testing::Host;
use serde_json::json;

#[derive(Serialize, Deserialize)]
struct Client;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Reply {
    #[serde(rename = "count.reply")]
    Count { count: u32, channel: String },
}

impl Consumer for Client {
    type Message = Reply;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(accept(Client))
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        let job = json!({ "type": text, "reply_to": connection.channel_name() });
        Ok(ChannelLayer::send("jobs", &job)?)
    }

    fn handle(&mut self, connection: &Connection, reply: Reply) -> Result<(), Error> {
        let Reply::Count { count, channel } = reply;
        Ok(connection.send(format!("{count} {channel}"))?)
    }
}

#[derive(Default)]
struct Counter {
    count: u32,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Job {
    #[serde(rename = "count")]
    Count { reply_to: String },
    #[serde(rename = "panic")]
    Panic,
    #[serde(rename = "error")]
    Fail,
}

impl Worker for Counter {
    type Message = Job;

    fn handle(&mut self, channel: &str, job: Job) -> Result<(), Error> {
        self.count += 1;
        match job {
            Job::Count { reply_to } => {
                let reply = Reply::Count { count: self.count, channel: channel.to_owned() };
                Ok(ChannelLayer::send(&reply_to, &reply)?)
            }
            Job::Panic => panic!("a broken job"),
            Job::Fail => Err(Error::msg("a bad job")),
        }
    }
}

#[test]
fn a_worker_replies_to_a_channel_of_the_test() {
    let host = Host::of_worker::<Counter>("jobs");
    let channel = host.open_channel();
    host.send("jobs", &json!({ "type": "count", "reply_to": channel.name() }));
    let reply = Reply::Count { count: 1, channel: "jobs".to_owned() };
    assert_eq!(channel.receive_message::<Reply>(), reply);
}

#[test]
fn a_consumer_and_a_worker_talk_to_each_other() {
    let host = Host::builder().consumer::<Client>().worker::<Counter>("jobs").build();
    let client = host.connect("/").unwrap();
    client.send_to("count");
    client.send_to("count");
    assert_eq!([(); 2].map(|()| client.receive_text_from()), ["1 jobs", "2 jobs"]);
}

#[test]
fn a_worker_starts_anew_after_a_panic_and_goes_on_after_an_error() {
    let host = Host::builder().consumer::<Client>().worker::<Counter>("jobs").build();
    let client = host.connect("/").unwrap();
    for job in ["count", "error", "count", "panic", "count"] {
        client.send_to(job);
    }
    assert_eq!([(); 3].map(|()| client.receive_text_from()), ["1 jobs", "3 jobs", "1 jobs"]);
    let faults = host.faults();
    assert_eq!((faults.len(), faults[0].as_str()), (2, "returned an error: a bad job"));
    assert!(faults[1].starts_with("trap: panic: a broken job ("), "{faults:?}");
}

#[test]
#[should_panic(expected = "this host has no consumer")]
fn a_host_of_a_worker_accepts_no_connection() {
    let _ = Host::of_worker::<Counter>("jobs").connect("/");
}

#[test]
fn a_worker_starts_anew_in_a_new_version() {
    let host = Host::builder().consumer::<Client>().worker::<Counter>("jobs").build();
    let client = host.connect("/").unwrap();
    client.send_to("count");
    host.swap_to::<Client>().unwrap();
    client.send_to("count");
    assert_eq!([(); 2].map(|()| client.receive_text_from()), ["1 jobs", "1 jobs"]);
}
