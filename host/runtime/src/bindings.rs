//! The generated bindings of `wit/`.

#![allow(missing_docs, unreachable_pub, unused_variables, clippy::all, clippy::pedantic)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "websocket-consumer",
    with: { "narrowboat:consumer/connections.connection": crate::call::WitConnection },
    imports: { default: trappable },
    // Frames and messages are passed to the guest without a copy in the host.
    ownership: Borrowing { duplicate_if_necessary: true },
});

/// The bindings of guests that handle several events in one call, beyond those of all consumers.
pub mod batching_world {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "batching-consumer",
        with: {
            "narrowboat:consumer/types": crate::bindings::narrowboat::consumer::types,
            "narrowboat:consumer/connections": crate::bindings::narrowboat::consumer::connections,
            "narrowboat:consumer/channel-layer": crate::bindings::narrowboat::consumer::channel_layer,
            "wasi:logging/logging": crate::bindings::wasi::logging::logging,
        },
        imports: { default: trappable },
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

/// The bindings of guests whose rooms have alarms, beyond those of all consumers.
pub mod alarm_world {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "alarm-handler",
        imports: { default: trappable },
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

/// The bindings of workers. Their world has the same imports as the world of consumers.
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

/// The bindings of runtimes, beyond those of the consumers and workers that they export.
pub mod source_loader_world {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "source-loader",
        imports: { default: trappable },
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

/// The bindings of runtimes that run the tests of a plugin.
pub mod source_tests_world {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "source-tests",
        imports: { default: trappable },
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

/// The bindings of the optional imports of all plugins.
pub mod grantable_world {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "grantable",
        with: {
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
            "wasi:random": wasmtime_wasi::p2::bindings::random,
            "wasi:keyvalue/store.bucket": narrowboat_keyvalue::Bucket,
            "wasi:keyvalue/atomics.cas": crate::host_api::keyvalue::CasHandle,
        },
        imports: { default: trappable },
    });
}
