//! Timers and the clock.

use std::time::{Duration, SystemTime};

use narrowboat_guest::clock;
use narrowboat_guest::prelude::*;
use narrowboat_guest::testing::Host;

const SECOND: Duration = Duration::from_secs(1);

/// Sets a timer for each number of milliseconds that it receives.
#[derive(Serialize, Deserialize)]
struct Timers {
    last: Option<TimerId>,
}

impl Consumer for Timers {
    type Message = NoMessage;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(accept(Timers { last: None }))
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        match text.as_str() {
            "clear" => self.last.into_iter().for_each(|timer| connection.clear_timer(timer)),
            "now" => {
                let since = clock::now().duration_since(SystemTime::UNIX_EPOCH)?;
                connection.send(since.as_millis().to_string())?;
            }
            _ => {
                let delay = Duration::from_millis(text.parse().or_client_error(4400)?);
                self.last = Some(connection.set_timer(delay)?);
            }
        }
        Ok(())
    }

    fn timer(&mut self, connection: &Connection, timer: TimerId) -> Result<(), Error> {
        connection.send(clock::monotonic().as_millis().to_string())?;
        if self.last == Some(timer) {
            self.last = Some(connection.set_timer(SECOND)?);
        }
        Ok(())
    }
}

#[test]
fn timers_fire_in_order_each_at_its_own_time() {
    let host = Host::new::<Timers>();
    let client = host.connect("/").unwrap();
    ["300", "100", "200"].iter().for_each(|delay| client.send_to(*delay));
    host.advance(Duration::from_millis(99));
    assert!(client.receive_nothing());
    host.advance(Duration::from_secs(5));
    let times: Vec<_> = (0..3).map(|_| client.receive_text_from()).collect();
    assert_eq!(times, ["100", "200", "300"]);
}

#[test]
fn a_timer_may_set_the_next_one_while_the_clock_advances() {
    let host = Host::new::<Timers>();
    let client = host.connect("/").unwrap();
    client.send_to("500");
    host.advance(3 * SECOND);
    let times: Vec<_> = (0..3).map(|_| client.receive_text_from()).collect();
    assert_eq!(times, ["500", "1500", "2500"]);
    assert!(client.receive_nothing());
}

#[test]
fn a_timer_without_a_delay_fires_after_its_call() {
    let host = Host::new::<Timers>();
    let client = host.connect("/").unwrap();
    client.send_to("0");
    assert_eq!(client.receive_text_from(), "0");
}

#[test]
fn a_cleared_timer_and_a_timer_of_a_closed_connection_do_not_fire() {
    let host = Host::new::<Timers>();
    let (client, closed) = (host.connect("/").unwrap(), host.connect("/").unwrap());
    ["100", "clear"].iter().for_each(|text| client.send_to(*text));
    closed.send_to("100");
    closed.disconnect(1000, "");
    host.advance(SECOND);
    assert!(client.receive_nothing());
    assert_eq!(closed.receive_close_frame().code, 1000);
}

#[test]
fn the_date_advances_with_the_clock() {
    let host = Host::new::<Timers>();
    let client = host.connect("/").unwrap();
    let now = || {
        client.send_to("now");
        client.receive_json_from::<u64>()
    };
    let before = now();
    assert_eq!(now(), before);
    host.advance(86_400 * SECOND);
    assert_eq!(now(), before + 86_400_000);
}

/// Sets a timer of 0 ms in each timer.
#[derive(Serialize, Deserialize)]
struct Endless;

impl Consumer for Endless {
    type Message = NoMessage;

    fn connect(_: &Scope, connection: &Connection) -> Result<Accept<Self>, Deny> {
        connection.set_timer(Duration::ZERO)?;
        Ok(accept(Endless))
    }

    fn timer(&mut self, connection: &Connection, _: TimerId) -> Result<(), Error> {
        connection.set_timer(Duration::ZERO)?;
        Ok(())
    }
}

#[test]
#[should_panic(expected = "the plugin is still busy after 20000 events")]
fn a_plugin_that_never_stops_fails_the_test() {
    let _ = Host::new::<Endless>().connect("/");
}
