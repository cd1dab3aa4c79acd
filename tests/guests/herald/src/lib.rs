//! A room for the benchmark: the host writes each text to the members' sockets without calling their consumers.

use narrowboat_guest::prelude::*;

#[derive(Serialize, Deserialize)]
struct GroupFrameConsumer {
    group: String,
}

impl Consumer for GroupFrameConsumer {
    type Message = NoMessage;

    fn connect(scope: &Scope, connection: &Connection) -> Result<Accept<Self>, Deny> {
        let room = scope.path_param("room").ok_or_else(|| deny(404).body("which room?\n"))?;
        let group = format!("herald_{room}");
        ChannelLayer::group_add(&group, connection.channel_name())?;
        Ok(accept(GroupFrameConsumer { group }))
    }

    fn receive_text(&mut self, _: &Connection, text: String) -> Result<(), Error> {
        Ok(ChannelLayer::group_send_frame(&self.group, text)?)
    }

    fn disconnect(&mut self, connection: &Connection, _: CloseFrame) {
        let _ = ChannelLayer::group_discard(&self.group, connection.channel_name());
    }
}

narrowboat_guest::export!(GroupFrameConsumer);
