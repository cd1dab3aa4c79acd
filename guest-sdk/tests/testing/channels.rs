//! Groups, channels and the messages between them.

use narrowboat_guest::prelude::*;
use narrowboat_guest::testing::{Communicator, ConnectRequest, Host};
use serde_json::{Value, json};

#[derive(Serialize, Deserialize)]
struct Chat {
    group: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Message {
    #[serde(rename = "chat.message")]
    Chat { message: String },
}

impl Consumer for Chat {
    type Message = Message;

    const GROUPS: &'static [&'static str] = &["all"];

    fn connect(scope: &Scope, connection: &Connection) -> Result<Accept<Self>, Deny> {
        let room = scope.path_param("room").ok_or_else(|| deny(404))?;
        let group = format!("chat_{room}");
        ChannelLayer::group_add(&group, connection.channel_name())?;
        Ok(accept(Chat { group }))
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        match text.as_str() {
            "leave" => ChannelLayer::group_discard(&self.group, connection.channel_name())?,
            "frame" => ChannelLayer::group_send_frame(&self.group, "from the group")?,
            "bad name" => ChannelLayer::group_send("a b", &Message::Chat { message: text })?,
            "bad message" => ChannelLayer::group_send(&self.group, &json!({ "type": "_x" }))?,
            _ => ChannelLayer::group_send(&self.group, &Message::Chat { message: text })?,
        }
        Ok(())
    }

    fn handle(&mut self, connection: &Connection, message: Message) -> Result<(), Error> {
        let Message::Chat { message } = message;
        Ok(connection.send(message)?)
    }
}

fn join(host: &Host, room: &str) -> Communicator {
    let request = ConnectRequest::new(&format!("/chat/{room}/")).url_route("room", room);
    host.connect(request).unwrap()
}

#[test]
fn a_text_goes_to_the_clients_of_its_room() {
    let host = Host::new::<Chat>();
    let (red, other, blue) = (join(&host, "red"), join(&host, "red"), join(&host, "blue"));
    red.send_to("hello");
    assert_eq!(
        (red.receive_text_from(), other.receive_text_from()),
        ("hello".into(), "hello".into())
    );
    assert!(red.receive_nothing() && blue.receive_nothing());
}

#[test]
fn a_channel_of_the_test_is_a_member_of_a_group_like_a_connection() {
    let host = Host::new::<Chat>();
    let (client, channel) = (join(&host, "red"), host.open_channel());
    channel.group_add("chat_red");
    client.send_to("hello");
    let message = Message::Chat { message: "hello".into() };
    assert_eq!(channel.receive_message::<Message>(), message);
    client.send_to("frame");
    assert_eq!(channel.receive_frame(), Frame::from("from the group"));
    channel.group_discard("chat_red");
    client.send_to("again");
    assert!(channel.receive_nothing());
}

#[test]
fn a_message_of_the_test_reaches_a_connection_and_a_group() {
    let host = Host::new::<Chat>();
    let client = join(&host, "red");
    host.send(&client.channel_name(), &json!({ "type": "chat_message", "message": "one" }));
    host.group_send("chat_red", &Message::Chat { message: "two".into() });
    host.group_send_frame("all", "three");
    let texts: Vec<_> = (0..3).map(|_| client.receive_text_from()).collect();
    assert_eq!(texts, ["one", "two", "three"]);
}

#[test]
fn a_connection_that_has_ended_leaves_its_groups() {
    let host = Host::new::<Chat>();
    let (red, other) = (join(&host, "red"), join(&host, "red"));
    other.disconnect(1000, "");
    red.send_to("leave");
    red.send_to("hello");
    assert!(red.receive_nothing());
}

#[test]
fn a_message_of_an_unknown_type_is_ignored() {
    let host = Host::new::<Chat>();
    let client = join(&host, "red");
    host.group_send("chat_red", &json!({ "type": "chat.other" }));
    assert!(client.receive_nothing() && host.faults().is_empty());
    host.group_send("chat_red", &Message::Chat { message: "hello".into() });
    assert_eq!(client.receive_text_from(), "hello");
}

#[test]
fn a_message_that_lacks_a_field_is_a_fault() {
    let host = Host::new::<Chat>();
    let client = join(&host, "red");
    host.group_send("chat_red", &json!({ "type": "chat.message" }));
    assert_eq!(client.receive_close_frame().code, 1011);
    assert!(host.faults()[0].contains("lacks the field"), "{:?}", host.faults());
}

#[test]
fn an_invalid_name_or_message_is_an_error_of_the_plugin() {
    for (text, error) in [("bad name", "invalid name"), ("bad message", "invalid message")] {
        let host = Host::new::<Chat>();
        let client = join(&host, "red");
        client.send_to(text);
        assert_eq!(client.receive_close_frame().code, 1011);
        assert!(host.faults()[0].contains(error), "{:?}", host.faults());
    }
}

#[test]
#[should_panic(expected = "the \"type\" is not a string")]
fn a_message_of_the_test_has_a_type() {
    Host::new::<Chat>().group_send("chat_red", &json!({ "type": 1 }));
}

#[test]
fn a_message_can_be_read_as_json() {
    let host = Host::new::<Chat>();
    let channel = host.open_channel();
    channel.send(&json!({ "type": "any", "list": [1, null, { "a": true }] }));
    let message: Value = channel.receive_message();
    assert_eq!(message["list"], json!([1, null, { "a": true }]));
}
