//! The host's side of `wit/`, generated.

#![allow(missing_docs, unreachable_pub, unused_variables, clippy::all, clippy::pedantic)]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "websocket-consumer",
    with: { "narrowboat:consumer/connections.connection": super::call::ConnectionHandle },
    imports: { default: trappable },
    // Frames and messages go into the guest from where they lie.
    ownership: Borrowing { duplicate_if_necessary: true },
});
