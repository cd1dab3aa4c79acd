//! The guest side of Narrowboat: write a [`Consumer`], export it, and the host runs it, one a
//! connection. A [`Worker`] takes the messages of named channels, without a connection.
//!
//! ```
//! use narrowboat_guest::prelude::*;
//!
//! #[derive(Serialize, Deserialize)]
//! struct Chat {
//!     group: String,
//! }
//!
//! #[derive(Serialize, Deserialize)]
//! #[serde(tag = "type")]
//! enum Message {
//!     #[serde(rename = "chat.message")]
//!     Chat { message: String },
//! }
//!
//! impl Consumer for Chat {
//!     type Message = Message;
//!
//!     fn connect(scope: &Scope, connection: &Connection) -> Result<Accept<Self>, Deny> {
//!         let room = scope.path_param("room").ok_or(deny(404))?;
//!         let group = format!("chat_{room}");
//!         ChannelLayer::group_add(&group, connection.channel_name())?;
//!         Ok(accept(Chat { group }))
//!     }
//!
//!     fn receive_text(&mut self, _: &Connection, text: String) -> Result<(), Error> {
//!         ChannelLayer::group_send(&self.group, &Message::Chat { message: text })?;
//!         Ok(())
//!     }
//!
//!     fn handle(&mut self, connection: &Connection, message: Message) -> Result<(), Error> {
//!         let Message::Chat { message } = message;
//!         connection.send(message)?;
//!         Ok(())
//!     }
//! }
//!
//! narrowboat_guest::export!(Chat);
//! ```
//!
//! A plugin's crate has `crate-type = ["cdylib"]` and depends on this crate and, for its derive
//! macros, on serde.
//!
//! The crate has a global allocator, Rust's own with one difference: it begins with what the linker left of the first
//! memory, so that a small consumer's memory never grows, which makes opening a connection cheaper. With
//! `default-features = false` a guest may bring another.
//!
//! What reaches beyond its own clients a plugin has to ask for, in its `plugin.toml`, and its operator to grant: groups and
//! named channels by patterns on their names ([`ChannelLayerError::Denied`] is answered otherwise), [`log`], [`clock`], [`random`],
//! [`keyvalue`], and other servers ([`http`]).
//!
//! ```toml
//! [capabilities]
//! groups = ["chat_*"]
//! channels = ["jobs"]
//! log = true
//! clocks = true
//! random = true
//! keyvalue = true
//! http = ["https://api.example.com"]
//! ```
//!
//! # For those who know Django Channels
//!
//! | Django Channels | here |
//! |---|---|
//! | `WebsocketConsumer`, `AsyncWebsocketConsumer` | [`Consumer`]; attributes of `self` are its fields |
//! | `connect()` and `self.accept(subprotocol)` | [`Consumer::connect`] returns [`accept`]`(consumer).subprotocol(…)` |
//! | `self.close()` in `connect`, `DenyConnection` | [`Consumer::connect`] returns [`deny`]`(403)` |
//! | `receive(text_data, bytes_data)` | [`Consumer::receive`], or [`Consumer::receive_text`] and [`Consumer::receive_binary`] |
//! | `JsonWebsocketConsumer`, `send_json` | [`Frame::json`], [`Connection::send_json`] |
//! | `self.send(text_data=…)`, `self.send(bytes_data=…)` | [`Connection::send`] |
//! | `self.close(code, reason)` | [`Connection::close`] |
//! | `disconnect(close_code)` | [`Consumer::disconnect`] |
//! | `self.scope["path"]`, `["url_route"]["kwargs"]`, `["headers"]` | [`Scope`], [`Scope::path_param`], [`Scope::header`] |
//! | `self.scope["user"]` | [`Scope::user`] |
//! | `groups = ["news"]` | [`Consumer::GROUPS`], [`Consumer::groups`] |
//! | `self.channel_name` | [`Connection::channel_name`] |
//! | `self.channel_layer.send`, `group_add`, `group_discard`, `group_send` | [`ChannelLayer`] |
//! | a handler method, `chat_message(self, event)` for "chat.message" | a variant of [`Consumer::Message`], handled in [`Consumer::handle`] |
//! | `StopConsumer`, an exception | an [`Error`] closes the connection: with 1011, or with 1007 or a code of the plugin's where the client is to blame |
//! | `ChannelFull`, `InvalidChannelLayerError` | [`ChannelLayerError`] |
//! | a worker under `runworker`, `ChannelNameRouter` | [`Worker`], bound to channels by `[[workers]]` |
//! | a list at module level | the same, in a `thread_local!`, with `isolation = "shared"`; see [`send_many`] |
//! | restarting the server for new code | [`Consumer::snapshot`], [`Consumer::restore`], [`Consumer::after_restore`] |

#[cfg(target_os = "wasi")]
compile_error!(
    "a guest is built for wasm32-unknown-unknown, and what it needs of WASI it asks for in its plugin.toml: run \
     `narrowboat plugin build DIR`, which names the target itself"
);

#[doc(hidden)]
#[path = "bindings.rs"]
pub mod __bindings;
#[cfg(all(target_arch = "wasm32", feature = "allocator"))]
mod allocator;
mod channel_layer;
mod client_error;
pub mod clock;
mod close_frame;
mod connection;
mod consumer;
mod consumer_adapter;
mod error;
mod frame;
mod handshake;
pub mod http;
pub mod keyvalue;
pub mod log;
mod message;
mod panic;
pub mod prelude;
pub mod random;
mod scope;
mod snapshot;
mod timer;
mod worker;
mod worker_adapter;

pub use channel_layer::{ChannelLayer, ChannelLayerError};
pub use client_error::{ClientError, ClientErrorExt, parse_client_json};
pub use close_frame::CloseFrame;
pub use connection::{Connection, SendError, send_many};
pub use consumer::Consumer;
pub use error::Error;
pub use frame::Frame;
pub use handshake::{Accept, Deny, accept, deny};
pub use message::NoMessage;
pub use scope::Scope;
pub use snapshot::Snapshot;
pub use timer::TimerId;
pub use worker::Worker;

/// Makes a [`Consumer`] the one that this plugin exports. Once a crate, at its top level.
///
/// For any target but WebAssembly it exports nothing, so that a plugin can be checked and its own
/// tests be run as those of any crate.
#[macro_export]
macro_rules! export {
    ($consumer:ty) => {
        const _: () = {
            type Component = $crate::__Component<$consumer>;
            // What it exports has names that no linker of a native library takes.
            #[cfg(target_family = "wasm")]
            $crate::__bindings::export_websocket_consumer!(
                Component with_types_in $crate::__bindings
            );
            #[cfg(not(target_family = "wasm"))]
            const _: ::core::option::Option<Component> =
                $crate::__Component::<$consumer>::checked();
        };
    };
}

/// Makes a [`Worker`] the one that this plugin exports. Once a crate, at its top level; a plugin may export a consumer
/// as well.
///
/// For any target but WebAssembly it exports nothing, as [`export`].
#[macro_export]
macro_rules! export_worker {
    ($worker:ty) => {
        const _: () = {
            impl $crate::__Kept for $worker {
                fn with_kept<R>(work: impl FnOnce(&::core::cell::RefCell<Self>) -> R) -> R {
                    ::std::thread_local! {
                        static WORKER: ::core::cell::RefCell<$worker> =
                            ::core::default::Default::default();
                    }
                    WORKER.with(work)
                }
            }
            type Component = $crate::__WorkerComponent<$worker>;
            #[cfg(target_family = "wasm")]
            $crate::__bindings::worker_world::export_worker_consumer!(
                Component with_types_in $crate::__bindings::worker_world
            );
            #[cfg(not(target_family = "wasm"))]
            const _: ::core::option::Option<Component> =
                $crate::__WorkerComponent::<$worker>::checked();
        };
    };
}

// For the export macros alone, as is `__bindings`.
use __bindings as bindings;
#[doc(hidden)]
pub use consumer_adapter::ConsumerComponent as __Component;
#[doc(hidden)]
pub use worker_adapter::{WorkerCell as __Kept, WorkerComponent as __WorkerComponent};
