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
