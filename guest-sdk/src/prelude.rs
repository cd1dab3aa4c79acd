//! All that a plugin usually names: `use narrowboat_guest::prelude::*`.

pub use crate::{
    Accept, BlameClient, ChannelLayer, ClientError, Closure, Connection, Consumer, Deny, Error,
    Frame, LayerError, NoMessage, Saved, Scope, SendError, TimerId, Worker, accept, client_json,
    critical, debug, deny, error, info, send_many, trace, warn,
};
pub use serde::{Deserialize, Serialize};
