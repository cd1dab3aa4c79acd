//! Sends each frame back to its sender.

use narrowboat_guest::prelude::*;

#[derive(Serialize, Deserialize)]
struct Echo;

impl Consumer for Echo {
    type Message = NoMessage;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        Ok(accept(Echo))
    }

    fn receive(&mut self, connection: &Connection, frame: Frame) -> Result<(), Error> {
        Ok(connection.send(frame)?)
    }
}

narrowboat_guest::export!(Echo);

#[cfg(test)]
mod tests {
    use narrowboat_guest::testing::Host;

    use super::*;

    #[test]
    fn a_frame_goes_back_to_its_sender() {
        let host = Host::new::<Echo>();
        let client = host.connect("/echo/").unwrap();
        for frame in [Frame::from("hello"), Frame::from(vec![0, 255])] {
            client.send_to(frame.clone());
            assert_eq!(client.receive_from(), frame);
        }
    }

    #[test]
    fn an_open_connection_moves_to_a_new_version() {
        let host = Host::new::<Echo>();
        let client = host.connect("/echo/").unwrap();
        assert_eq!(host.swap().moved, 1);
        client.send_to("hello");
        assert_eq!(client.receive_text_from(), "hello");
    }
}
