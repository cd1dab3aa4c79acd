//! Swaps to another version in the middle of a test.

use std::cell::Cell;
use std::time::Duration;

use narrowboat_guest::keyvalue;
use narrowboat_guest::prelude::*;
use narrowboat_guest::testing::Host;

thread_local! {
    static TOTAL: Cell<u32> = const { Cell::new(0) };
}

#[derive(Serialize, Deserialize)]
struct First {
    count: u32,
    #[serde(skip)]
    lost: u32,
}

impl Consumer for First {
    type Message = NoMessage;

    fn connect(_: &Scope, connection: &Connection) -> Result<Accept<Self>, Deny> {
        connection.set_timer(Duration::from_secs(60))?;
        Ok(accept(First { count: 0, lost: 0 }))
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        self.count += 1;
        self.lost += 1;
        TOTAL.set(TOTAL.get() + 1);
        let state = (self.count, self.lost, TOTAL.get());
        connection.send(format!("{text} {state:?}"))?;
        Ok(())
    }

    fn timer(&mut self, connection: &Connection, _: TimerId) -> Result<(), Error> {
        Ok(connection.send("first timer")?)
    }

    fn disconnect(&mut self, _: &Connection, _: CloseFrame) {
        error!("disconnect");
    }

    fn save_module() -> Result<Option<Snapshot>, Error> {
        Ok(Some(Snapshot::encode(0, &TOTAL.get())?))
    }

    fn load_module(snapshot: Snapshot) -> Result<(), Error> {
        TOTAL.set(snapshot.decode()?);
        Ok(())
    }
}

/// The second version has another field and answers in another way.
#[derive(Serialize, Deserialize)]
struct Second {
    count: u32,
    #[serde(default)]
    room: String,
}

impl Consumer for Second {
    type Message = NoMessage;

    const GROUPS: &'static [&'static str] = &["second"];

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(accept(Second { count: 0, room: "new".to_owned() }))
    }

    fn receive_text(&mut self, connection: &Connection, _: String) -> Result<(), Error> {
        Ok(connection.send(format!("second {} {:?}", self.count, self.room))?)
    }

    fn timer(&mut self, connection: &Connection, _: TimerId) -> Result<(), Error> {
        Ok(connection.send("second timer")?)
    }

    fn after_restore(&mut self, connection: &Connection) {
        let _ = connection.send("hello again");
    }
}

/// A version that refuses the state of the others.
#[derive(Serialize, Deserialize)]
struct Incompatible {
    missing: u32,
}

impl Consumer for Incompatible {
    type Message = NoMessage;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(accept(Incompatible { missing: 0 }))
    }
}

/// A version that writes a value while it saves and while it restores.
#[derive(Serialize, Deserialize)]
struct Writer;

impl Writer {
    fn write(key: &str) {
        let result = keyvalue::open("moves").and_then(|bucket| bucket.set(key, "yes"));
        info!("{key} {}", result.map_or_else(|error| error.to_string(), |()| "written".to_owned()));
    }
}

impl Consumer for Writer {
    type Message = NoMessage;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(accept(Writer))
    }

    fn snapshot(&self) -> Result<Snapshot, Error> {
        Self::write("snapshot");
        Snapshot::encode(0, self)
    }

    fn after_restore(&mut self, _: &Connection) {
        Self::write("restore");
    }
}

/// Decides its handshake when a message comes, and saves its state only until then.
#[derive(Serialize, Deserialize)]
struct Waiting {
    is_open: bool,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Decision {
    #[serde(rename = "open")]
    Open,
}

impl Consumer for Waiting {
    type Message = Decision;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(decide_later(Waiting { is_open: false }))
    }

    fn handle(&mut self, connection: &Connection, Decision::Open: Decision) -> Result<(), Error> {
        self.is_open = true;
        connection.accept(Acceptance::new());
        Ok(connection.send("open")?)
    }

    fn snapshot(&self) -> Result<Snapshot, Error> {
        match self.is_open {
            true => Err(Error::msg("no state while it is open")),
            false => Snapshot::encode(0, self),
        }
    }
}

#[test]
fn a_swap_to_the_same_code_saves_and_restores_the_state() {
    let host = Host::new::<First>();
    let client = host.connect("/").unwrap();
    client.send_to("a");
    assert_eq!(client.receive_text_from(), "a (1, 1, 1)");
    assert_eq!(host.swap().moved, 1);
    client.send_to("b");
    assert_eq!(client.receive_text_from(), "b (2, 1, 2)");
    assert!(host.logs().is_empty(), "{:?}", host.logs());
}

#[test]
fn a_swap_to_another_type_moves_open_connections_to_it() {
    let host = Host::new::<First>();
    let client = host.connect("/").unwrap();
    client.send_to("a");
    client.receive_from();
    assert_eq!(host.swap_to::<Second>().unwrap().moved, 1);
    assert_eq!(client.receive_text_from(), "hello again");
    client.send_to("b");
    assert_eq!(client.receive_text_from(), "second 1 \"\"");
    host.group_send_frame("second", "group");
    assert_eq!(client.receive_text_from(), "group");
    let new = host.connect("/").unwrap();
    new.send_to("c");
    assert_eq!(new.receive_text_from(), "second 0 \"new\"");
}

#[test]
fn consumers_that_share_an_instance_share_one_in_the_new_version() {
    let host = Host::builder().consumer::<First>().shared_instance().build();
    let clients = [(); 2].map(|()| host.connect("/").unwrap());
    assert_eq!(host.swap_to::<Second>().unwrap().moved, 2);
    clients[0].disconnect(1000, "");
    clients[1].send_to("a");
    assert_eq!(clients[1].receive_text_from(), "hello again");
    assert_eq!(clients[1].receive_text_from(), "second 0 \"\"");
}

#[test]
fn a_handshake_that_is_undecided_moves_too() {
    let host = Host::new::<Waiting>();
    let client = host.connect("/").unwrap();
    assert_eq!(host.swap().moved, 1);
    host.send(&client.channel_name(), &serde_json::json!({ "type": "open" }));
    assert_eq!(client.receive_text_from(), "open");
}

#[test]
fn a_version_that_cannot_save_its_state_goes_on() {
    let host = Host::new::<Waiting>();
    let client = host.connect("/").unwrap();
    host.send(&client.channel_name(), &serde_json::json!({ "type": "open" }));
    let error = host.try_swap().unwrap_err();
    assert_eq!(error, "the running version cannot save its state: no state while it is open");
    client.receive_from();
    assert!(client.receive_nothing());
    client.disconnect(1000, "");
    assert_eq!(host.swap().moved, 0);
}

#[test]
fn a_timer_outlives_a_swap() {
    let host = Host::new::<First>();
    let client = host.connect("/").unwrap();
    host.swap_to::<Second>().unwrap();
    assert_eq!(client.receive_text_from(), "hello again");
    host.advance(Duration::from_secs(60));
    assert_eq!(client.receive_text_from(), "second timer");
}

#[test]
fn a_version_that_cannot_restore_the_state_is_refused_and_the_old_one_goes_on() {
    let host = Host::new::<First>();
    let client = host.connect("/").unwrap();
    client.send_to("a");
    client.receive_from();
    let error = host.swap_to::<Incompatible>().unwrap_err();
    assert!(error.contains("cannot restore the state") && error.contains("missing"), "{error}");
    client.send_to("b");
    assert_eq!(client.receive_text_from(), "b (2, 2, 2)");
}

#[test]
fn a_version_on_trial_and_a_version_that_saves_write_nothing() {
    let host = Host::new::<Writer>();
    let _client = host.connect("/").unwrap();
    host.swap();
    let lines: Vec<_> = host.logs().into_iter().map(|line| line.message).collect();
    let expected = [
        r#"snapshot nothing can be written while the plugin saves its state (bucket "moves", key "snapshot")"#,
        r#"restore nothing can be written while a version is on trial (bucket "moves", key "restore")"#,
        "restore written",
    ];
    assert_eq!(lines, expected);
    assert_eq!(host.keyvalue("moves").keys(), ["restore"]);
}

#[test]
fn a_component_needs_the_sandbox() {
    let host = Host::new::<First>();
    let error = host.swap_to_component("target/new.wasm").unwrap_err();
    assert!(error.contains("narrowboat test") && !host.is_sandboxed(), "{error}");
}
