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
