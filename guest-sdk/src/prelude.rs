//! The names that most plugins need: `use narrowboat_guest::prelude::*`.

pub use crate::{
    Accept, Acceptance, ChannelLayer, ChannelLayerError, ClientError, ClientErrorExt, CloseFrame,
    Connection, Consumer, Deny, Error, Frame, NoMessage, Scope, SendError, Snapshot, TimerId,
    Worker, accept, critical, debug, decide_later, deny, error, everyone, info, parse_client_json,
    send_many, trace, warn,
};
pub use serde::{Deserialize, Serialize};
