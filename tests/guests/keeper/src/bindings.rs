//! Bindings of `wasi:keyvalue/atomics`, whose handles the SDK does not offer.
#![allow(
    unsafe_code,
    unsafe_op_in_unsafe_fn,
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::all,
    clippy::pedantic,
    reason = "generated code"
)]

wit_bindgen::generate!({
    inline: r#"
        package tests:keeper;

        world all {
            import wasi:keyvalue/store@0.2.0-draft2;
            import wasi:keyvalue/atomics@0.2.0-draft2;
        }
    "#,
    path: ["../../../wit/deps/keyvalue"],
    generate_all,
});
