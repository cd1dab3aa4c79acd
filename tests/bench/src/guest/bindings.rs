//! The bindings of the guest server, generated twice from `wit/`: with plain exports, and with exports for
//! `call_async`.

#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

/// Bindings for plain calls.
pub mod plain {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "
            package narrowboat:bench;
            world echo {
                import narrowboat:consumer/connections@0.1.0;
                export narrowboat:consumer/websocket@0.1.0;
            }
        ",
        world: "narrowboat:bench/echo",
        imports: { default: trappable },
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

/// Bindings for calls on a fiber.
pub mod fiber {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "
            package narrowboat:bench;
            world echo {
                import narrowboat:consumer/connections@0.1.0;
                export narrowboat:consumer/websocket@0.1.0;
            }
        ",
        world: "narrowboat:bench/echo",
        with: {
            "narrowboat:consumer/connections": super::plain::narrowboat::consumer::connections,
            "narrowboat:consumer/types": super::plain::narrowboat::consumer::types,
        },
        imports: { default: trappable },
        exports: { default: async },
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}
