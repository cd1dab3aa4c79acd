//! The plugin's configuration.

use narrowboat_guest::config;
use narrowboat_guest::prelude::*;
use narrowboat_guest::testing::Host;

/// Replies with the value of the key in each text, and with all keys to an empty text.
#[derive(Serialize, Deserialize)]
struct Settings;

impl Consumer for Settings {
    type Message = NoMessage;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(accept(Settings))
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        let reply = match text.split_once(' ') {
            None if text.is_empty() => config::all().into_keys().collect::<Vec<_>>().join(" "),
            None => config::get(&text).unwrap_or_else(|| "none".to_owned()),
            Some(("number", key)) => match config::parse::<u32>(key) {
                Ok(number) => format!("{number:?}"),
                Err(error) => error.to_string(),
            },
            Some((_, key)) => config::require(key)?,
        };
        Ok(connection.send(reply)?)
    }
}

fn ask(host: &Host, text: &str) -> String {
    let client = host.connect("/").unwrap();
    client.send_to(text);
    client.receive_text_from()
}

#[test]
fn the_plugin_reads_the_configuration_of_the_test() {
    let host = Host::builder()
        .consumer::<Settings>()
        .config("greeting", "hello")
        .config("smtp.host", "mail.example")
        .build();
    assert_eq!(ask(&host, "greeting"), "hello");
    assert_eq!(ask(&host, "smtp.host"), "mail.example");
    assert_eq!(ask(&host, "port"), "none");
    assert_eq!(ask(&host, ""), "greeting smtp.host");
}

#[test]
fn the_plugin_sees_a_change_at_its_next_call() {
    let host = Host::builder().consumer::<Settings>().config("api_key", "old").build();
    let client = host.connect("/").unwrap();
    client.send_to("api_key");
    host.set_config("api_key", "new");
    client.send_to("api_key");
    host.remove_config("api_key");
    client.send_to("api_key");
    assert_eq!([(); 3].map(|()| client.receive_text_from()), ["old", "new", "none"]);
}

/// Sends the greeting of the configuration when it changes.
#[derive(Serialize, Deserialize)]
struct Greeter;

#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum Notice {
    #[serde(rename = "config.changed")]
    ConfigChanged,
}

impl Consumer for Greeter {
    type Message = Notice;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(accept(Greeter))
    }

    fn handle(&mut self, connection: &Connection, _: Notice) -> Result<(), Error> {
        Ok(connection.send(config::require("greeting")?)?)
    }
}

#[test]
fn consumers_are_told_of_a_change_if_the_test_asks_for_it() {
    let told = Host::builder().consumer::<Greeter>().config("greeting", "hello").config_changed();
    let host = told.build();
    let client = host.connect("/").unwrap();
    assert!(client.receive_nothing());
    host.set_config("greeting", "welcome");
    assert_eq!(client.receive_text_from(), "welcome");
    host.set_config("greeting", "welcome");
    assert!(client.receive_nothing());

    let host = Host::new::<Greeter>();
    let client = host.connect("/").unwrap();
    host.set_config("greeting", "welcome");
    assert!(client.receive_nothing());
}

#[test]
fn a_value_is_parsed_and_an_error_names_the_key_and_not_the_value() {
    let host = Host::builder().consumer::<Settings>().config("limit", "20").build();
    assert_eq!(ask(&host, "number limit"), "Some(20)");
    assert_eq!(ask(&host, "number other"), "None");
    host.set_config("limit", "hunter2");
    let error = ask(&host, "number limit");
    assert!(error.contains("\"limit\"") && error.contains("u32"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn a_required_key_that_is_missing_is_a_fault_that_says_where_to_set_it() {
    let host = Host::new::<Settings>();
    let client = host.connect("/").unwrap();
    client.send_to("require api_key");
    assert_eq!(client.receive_close_frame().code, 1011);
    let faults = host.faults();
    assert!(
        faults[0].contains(
            "no value for \"api_key\": set it in narrowboat.toml below [plugins.NAME.config]"
        ),
        "{faults:?}"
    );
}
