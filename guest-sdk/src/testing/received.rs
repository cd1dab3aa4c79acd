use crate::{close_frame::CloseFrame, frame::Frame};

/// An event that a client receives from the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A text or a binary frame.
    Frame(Frame),
    /// The Close frame of the plugin or of the host. It comes after all frames.
    Close(CloseFrame),
}
