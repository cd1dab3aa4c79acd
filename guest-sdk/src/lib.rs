//! The SDK for Narrowboat plugins. A plugin implements [`Consumer`] and exports it with [`export!`]; the host runs one
//! consumer for each connection. A [`Worker`] handles the messages of named channels, without a connection.
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
//! The crate of a plugin has `crate-type = ["cdylib"]`. It depends on this crate and, for the derive macros, on serde.
//!
//! This crate sets a global allocator. It is Rust's own allocator with one difference: it uses the rest of the initial
//! memory first. So the memory of a small consumer never grows, which makes opening a connection cheaper. With
//! `default-features = false`, a guest can set its own allocator.
//!
//! A plugin needs a capability for everything beyond its own clients: groups and named channels (by patterns of their
//! names), [`log`], [`clock`], [`random`], [`keyvalue`], and other servers ([`http`]). Its `plugin.toml` requests
//! capabilities, and the operator grants them. Without a capability, calls to the channel layer return
//! [`ChannelLayerError::Denied`].
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
//! The plugin's own configuration, which the operator writes, needs no capability: [`config`].
//!
//! # Coming from Django Channels
//!
//! | Django Channels | Narrowboat |
//! |---|---|
//! | `WebsocketConsumer`, `AsyncWebsocketConsumer` | [`Consumer`]; attributes of `self` are its fields |
//! | `connect()` and `self.accept(subprotocol)` | [`Consumer::connect`] returns [`accept`]`(consumer).subprotocol(…)` |
//! | `self.close()` before `self.accept()`, `DenyConnection` | [`Consumer::connect`] returns [`deny`]`(403)` |
//! | `self.close(code)` after `self.accept()` in `connect` | [`Connection::close`], and [`Consumer::connect`] accepts |
//! | `await` in `connect` before `self.accept()` | [`Consumer::connect`] returns [`decide_later`]`(consumer)`; then [`Connection::accept`] or [`Connection::reject`] |
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
//! | the handler method `chat_message(self, event)` for "chat.message" | a variant of [`Consumer::Message`], handled in [`Consumer::handle`] |
//! | `StopConsumer`, an exception | an [`Error`] closes the connection: with 1011, or with 1007 or a code that the plugin chooses if the client is to blame |
//! | `ChannelFull`, `InvalidChannelLayerError` | [`ChannelLayerError`] |
//! | a worker under `runworker`, `ChannelNameRouter` | [`Worker`], bound to channels by `[[workers]]` |
//! | a list at module level | the same, in a `thread_local!`, with `isolation = "shared"` or `isolation = "room"`; see [`everyone`] |
//! | `channels.testing`, `WebsocketCommunicator` | [`testing`], [`testing::Communicator`] |
//! | restarting the server for new code | [`Consumer::snapshot`], [`Consumer::restore`], [`Consumer::after_restore`] |

#[cfg(target_os = "wasi")]
compile_error!(
    "build guests for wasm32-unknown-unknown, not for a WASI target: run `narrowboat plugin build DIR`, which sets \
     the target; request WASI interfaces in plugin.toml"
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
pub mod config;
mod connection;
mod consumer;
mod consumer_adapter;
mod consumer_component;
mod error;
mod everyone;
mod frame;
mod handshake;
pub mod http;
mod imports;
pub mod keyvalue;
pub mod log;
mod message;
#[cfg(target_family = "wasm")]
mod panic;
pub mod prelude;
pub mod random;
pub mod room;
mod scope;
mod snapshot;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod timer;
mod worker;
mod worker_adapter;

pub use channel_layer::{ChannelLayer, ChannelLayerError};
pub use client_error::{ClientError, ClientErrorExt, parse_client_json};
pub use close_frame::CloseFrame;
pub use connection::{Connection, SendError, send_many};
pub use consumer::Consumer;
pub use error::Error;
pub use everyone::{Everyone, everyone};
pub use frame::Frame;
pub use handshake::{Accept, Acceptance, Deny, accept, decide_later, deny};
pub use message::NoMessage;
pub use scope::Scope;
pub use snapshot::Snapshot;
pub use timer::TimerId;
pub use worker::Worker;

/// Exports a [`Consumer`] as this plugin's consumer. Use it once in a crate, at the top level.
///
/// On targets other than WebAssembly it exports nothing, so `cargo check` and `cargo test` work on a plugin as on any
/// crate.
#[macro_export]
macro_rules! export {
    ($consumer:ty) => {
        const _: () = {
            type Component = $crate::__Component<$consumer>;
            // The linkers of native libraries do not accept the names of these exports.
            #[cfg(target_family = "wasm")]
            $crate::__bindings::export_full_consumer!(
                Component with_types_in $crate::__bindings
            );
            #[cfg(not(target_family = "wasm"))]
            const _: ::core::option::Option<Component> =
                $crate::__Component::<$consumer>::checked();
        };
    };
}

/// Exports a [`Worker`] as this plugin's worker. Use it once in a crate, at the top level. The plugin may also export a
/// consumer.
///
/// On targets other than WebAssembly it exports nothing, like [`export!`].
#[macro_export]
macro_rules! export_worker {
    ($worker:ty) => {
        const _: () = {
            impl $crate::__WorkerCell for $worker {
                fn with_worker<R>(work: impl FnOnce(&::core::cell::RefCell<Self>) -> R) -> R {
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

// Only the export macros use the names that start with two underscores.
use __bindings as bindings;
#[doc(hidden)]
pub use consumer_component::ConsumerComponent as __Component;
#[doc(hidden)]
pub use worker_adapter::{WorkerCell as __WorkerCell, WorkerComponent as __WorkerComponent};
