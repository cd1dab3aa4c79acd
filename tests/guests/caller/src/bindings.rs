//! Bindings of `wasi:http`, for calls that the SDK does not offer.
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
        package tests:caller;

        world all {
            import wasi:http/outgoing-handler@0.2.0;
        }
    "#,
    path: [
        "../../../wit/deps/clocks",
        "../../../wit/deps/io",
        "../../../wit/deps/http",
    ],
    generate_all,
});
