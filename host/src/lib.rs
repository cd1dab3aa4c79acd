//! Narrowboat: a WebSocket host whose consumers are WebAssembly components.
//!
//! The modules stand in floors, each importing only what lies below it; ARCHITECTURE.md draws them.

pub mod allowance;
pub mod answer;
pub mod api;
pub mod atomic_file;
pub mod authorities;
pub mod background_writer;
pub mod capabilities;
pub mod cli;
pub mod closure;
pub mod component;
pub mod config;
pub mod connection;
pub mod egress;
pub mod fault;
pub mod fields;
pub mod frame;
pub mod glob;
pub mod handshake;
pub mod hash;
pub mod journal;
pub mod keyvalue;
pub mod layer;
pub mod manifest;
pub mod message;
pub mod name;
pub mod origin;
pub mod packaging;
pub mod plugin;
pub mod router;
pub mod scope;
pub mod server;
pub mod session;
pub mod signature;
pub mod swap;
pub mod times;
pub mod trust;
pub mod units;
pub mod users;
pub mod versions;
pub mod waking;
pub mod watch;
pub mod workshop;
