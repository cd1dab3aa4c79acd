//! Rooms: the memory that visitors share, frames for all of them, and alarms.

use std::cell::Cell;
use std::time::Duration;

use narrowboat_guest::testing::{Communicator, ConnectRequest, Host};
use narrowboat_guest::{prelude::*, room};

const SECOND: Duration = Duration::from_secs(1);

thread_local! {
    static ALARM_COUNT: Cell<u32> = const { Cell::new(0) };
    static FAILURES: Cell<u32> = const { Cell::new(0) };
}

#[derive(Serialize, Deserialize)]
struct Visitor;

impl Consumer for Visitor {
    type Message = NoMessage;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(accept(Visitor))
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        match &*text {
            "name" => connection.send(room::name().unwrap_or_default())?,
            "cancel" => room::cancel_alarm(),
            "fail" => FAILURES.set(2),
            "alarm" => connection.send(room::alarm().is_some().to_string())?,
            "reason" => connection.send(format!("{:?}", room::restore_reason()))?,
            "panic" => panic!("asked to panic"),
            "set" => room::set_alarm(SECOND)?,
            said => drop(everyone().without(connection).send(said)),
        }
        Ok(())
    }

    fn alarm() -> Result<(), Error> {
        ALARM_COUNT.set(ALARM_COUNT.get() + 1);
        everyone().send(format!("alarm {}", ALARM_COUNT.get()));
        FAILURES.set(FAILURES.get().saturating_sub(1));
        if FAILURES.get() > 0 { Err(Error::msg("asked to fail")) } else { Ok(()) }
    }

    fn save_module() -> Result<Option<Snapshot>, Error> {
        Snapshot::encode(0, &ALARM_COUNT.get()).map(Some)
    }

    fn load_module(snapshot: Snapshot) -> Result<(), Error> {
        assert_eq!(room::restore_reason(), Some(room::RestoreReason::Version));
        assert_eq!(room::name().as_deref(), Some("red"));
        ALARM_COUNT.set(snapshot.decode()?);
        Ok(())
    }
}

fn rooms() -> Host {
    Host::builder().consumer::<Visitor>().room("{room}").build()
}

fn visit(host: &Host, room: &str) -> Communicator {
    host.connect(ConnectRequest::new("/").url_route("room", room)).unwrap()
}

#[test]
fn a_frame_for_everyone_reaches_the_visitors_of_the_room_alone() {
    let host = rooms();
    let (red, other, blue) = (visit(&host, "red"), visit(&host, "red"), visit(&host, "blue"));
    red.send_to("hello");
    assert_eq!(other.receive_text_from(), "hello");
    assert!(red.receive_nothing() && blue.receive_nothing());
}

#[test]
fn a_room_knows_its_name() {
    let visitor = visit(&rooms(), "red");
    visitor.send_to("name");
    assert_eq!(visitor.receive_text_from(), "red");
}

#[test]
fn an_alarm_is_handled_when_the_clock_reaches_it() {
    let host = rooms();
    let visitor = visit(&host, "red");
    visitor.send_to("set");
    host.advance(SECOND - Duration::from_millis(1));
    assert!(visitor.receive_nothing());
    host.advance(Duration::from_millis(1));
    assert_eq!(visitor.receive_text_from(), "alarm 1");
    visitor.send_to("alarm");
    assert_eq!(visitor.receive_text_from(), "false");
}

#[test]
fn an_alarm_can_be_cancelled() {
    let host = rooms();
    let visitor = visit(&host, "red");
    visitor.send_to("set");
    visitor.send_to("cancel");
    host.advance(2 * SECOND);
    assert!(visitor.receive_nothing());
}

#[test]
fn an_alarm_that_fails_is_handled_again() {
    let host = rooms();
    let visitor = visit(&host, "red");
    visitor.send_to("fail");
    visitor.send_to("set");
    host.advance(SECOND);
    assert_eq!(visitor.receive_text_from(), "alarm 1");
    assert_eq!(host.faults().len(), 1);
    host.advance(SECOND);
    assert_eq!(visitor.receive_text_from(), "alarm 2");
    assert_eq!(host.faults().len(), 1);
}

#[test]
fn an_alarm_outlives_the_instance_and_the_version() {
    let host = rooms();
    let visitor = visit(&host, "red");
    visitor.send_to("set");
    host.swap();
    host.advance(SECOND);
    assert_eq!(visitor.receive_text_from(), "alarm 1");
    visitor.send_to("set");
    visitor.send_to("panic");
    host.advance(SECOND);
    assert_eq!(host.faults().len(), 1);
}

#[test]
fn only_a_room_has_an_alarm() {
    let host = Host::new::<Visitor>();
    let visitor = visit(&host, "red");
    visitor.send_to("set");
    let [fault] = &host.faults()[..] else { panic!("{:?}", host.faults()) };
    assert!(fault.contains("only a room has an alarm"), "{fault}");
}
