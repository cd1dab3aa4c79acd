//! A component of another world. The host must refuse it with a clear message.

// The linkers of native libraries do not accept the names of its exports.
#![cfg(target_family = "wasm")]
#![allow(unsafe_code, missing_docs, reason = "generated code")]

wit_bindgen::generate!({ path: "wit", world: "otherworld" });

struct Greeter;

impl exports::elsewhere::otherworld::greeter::Guest for Greeter {
    fn greet(name: String) -> String {
        format!("hello, {name}")
    }
}

export!(Greeter);
