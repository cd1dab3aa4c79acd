//! The host's side of `wit/`, generated.

#![allow(missing_docs, unreachable_pub, unused_variables, clippy::all, clippy::pedantic)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "websocket-consumer",
    with: { "narrowboat:consumer/connections.connection": crate::call::WitConnection },
    imports: { default: trappable },
    // Frames and messages go into the guest from where they lie.
    ownership: Borrowing { duplicate_if_necessary: true },
});

/// The same for workers, whose world has the imports in common with that of consumers.
pub mod worker_world {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "worker-consumer",
        with: {
            "narrowboat:consumer/types": crate::bindings::narrowboat::consumer::types,
            "narrowboat:consumer/channel-layer": crate::bindings::narrowboat::consumer::channel_layer,
            "wasi:logging/logging": crate::bindings::wasi::logging::logging,
        },
        imports: { default: trappable },
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

/// What is linked for those alone to whom it is granted.
pub mod grantable_world {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "grantable",
        with: { "wasi:keyvalue/store.bucket": narrowboat_keyvalue::Bucket },
        imports: { default: trappable },
    });
}
