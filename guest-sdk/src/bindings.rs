//! What wit-bindgen makes of `wit/`. Nothing outside this crate names any of it but the export
//! macro.
#![allow(
    unsafe_code,
    unsafe_op_in_unsafe_fn,
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::all,
    clippy::pedantic
)]

wit_bindgen::generate!({
    path: "../wit",
    world: "websocket-consumer",
    pub_export_macro: true,
    export_macro_name: "export_websocket_consumer",
    default_bindings_module: "narrowboat_guest::__bindings",
    generate_all,
});

/// The same for workers, whose world has the imports in common with that of consumers.
pub mod worker_world {
    wit_bindgen::generate!({
        path: "../wit",
        world: "worker-consumer",
        pub_export_macro: true,
        export_macro_name: "export_worker_consumer",
        default_bindings_module: "narrowboat_guest::__bindings::worker_world",
        with: {
            "narrowboat:consumer/types@0.1.0": super::narrowboat::consumer::types,
            "narrowboat:consumer/channel-layer@0.1.0": super::narrowboat::consumer::channel_layer,
            "wasi:logging/logging@0.1.0-draft": super::wasi::logging::logging,
        },
    });
}

/// What a manifest has to name hosts for before it may be called.
pub mod requester_world {
    wit_bindgen::generate!({
        path: "../wit",
        world: "requester",
        generate_all,
    });
}

/// What a manifest has to request before it may be called.
pub mod grantable_world {
    wit_bindgen::generate!({
        path: "../wit",
        world: "grantable",
        generate_all,
    });
}
