//! Chat rooms: sends each text to every client in the same room.
//!
//! The route has to capture `room`, such as `/group/{room}/`.

use narrowboat_guest::prelude::*;

#[derive(Serialize, Deserialize)]
struct Chat {
    group: String,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum Message {
    #[serde(rename = "chat.message")]
    Chat { message: String },
}

impl Consumer for Chat {
    type Message = Message;

    fn connect(scope: &Scope, connection: &Connection) -> Result<Accept<Self>, Deny> {
        let room = scope.path_param("room").ok_or_else(|| deny(404).body("which room?\n"))?;
        let group = format!("chat_{room}");
        ChannelLayer::group_add(&group, connection.channel_name())?;
        Ok(accept(Chat { group }))
    }

    fn receive_text(&mut self, _: &Connection, text: String) -> Result<(), Error> {
        Ok(ChannelLayer::group_send(&self.group, &Message::Chat { message: text })?)
    }

    fn handle(&mut self, connection: &Connection, message: Message) -> Result<(), Error> {
        let Message::Chat { message } = message;
        Ok(connection.send(message)?)
    }

    fn disconnect(&mut self, connection: &Connection, _: CloseFrame) {
        let _ = ChannelLayer::group_discard(&self.group, connection.channel_name());
    }
}

narrowboat_guest::export!(Chat);

#[cfg(test)]
mod tests {
    use narrowboat_guest::testing::{Communicator, ConnectRequest, Host};

    use super::*;

    fn join(host: &Host, room: &str) -> Communicator {
        let request = ConnectRequest::new(&format!("/group/{room}/")).url_route("room", room);
        host.connect(request).unwrap()
    }

    #[test]
    fn a_text_goes_to_the_clients_of_its_room() {
        let host = Host::new::<Chat>();
        let (red, other, blue) = (join(&host, "red"), join(&host, "red"), join(&host, "blue"));
        red.send_to("hello");
        assert_eq!(red.receive_text_from(), "hello");
        assert_eq!(other.receive_text_from(), "hello");
        assert!(blue.receive_nothing());
    }

    #[test]
    fn a_message_from_elsewhere_goes_to_the_clients_of_the_room() {
        let host = Host::new::<Chat>();
        let red = join(&host, "red");
        host.group_send("chat_red", &Message::Chat { message: "from elsewhere".to_owned() });
        assert_eq!(red.receive_text_from(), "from elsewhere");
    }

    #[test]
    fn a_client_that_has_left_gets_no_more_texts() {
        let host = Host::new::<Chat>();
        let (red, other) = (join(&host, "red"), join(&host, "red"));
        other.disconnect(1000, "");
        red.send_to("hello");
        assert_eq!(red.receive_text_from(), "hello");
        assert_eq!(other.receive_close_frame().code, 1000);
    }

    #[test]
    fn an_open_connection_keeps_its_room_in_a_new_version() {
        let host = Host::new::<Chat>();
        let (red, other) = (join(&host, "red"), join(&host, "red"));
        assert_eq!(host.swap().moved, 2);
        red.send_to("hello");
        assert_eq!(other.receive_text_from(), "hello");
    }
}
