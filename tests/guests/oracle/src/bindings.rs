//! Bindings of all WASI interfaces for clocks and random numbers, including those that the SDK does not offer.
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
        package tests:oracle;

        world all {
            import wasi:clocks/monotonic-clock@0.2.0;
            import wasi:clocks/wall-clock@0.2.0;
            import wasi:random/random@0.2.0;
            import wasi:random/insecure@0.2.0;
            import wasi:random/insecure-seed@0.2.0;
        }
    "#,
    path: ["../../../wit/deps/clocks", "../../../wit/deps/random"],
    generate_all,
});
