//! A component of a world that is not ours: the host must refuse it in words.

// What it exports has names that no linker of a native library takes.
#![cfg(target_family = "wasm")]
#![allow(unsafe_code, missing_docs, reason = "what wit-bindgen makes is not ours to change")]

wit_bindgen::generate!({ path: "wit", world: "otherworld" });

struct Greeter;

impl exports::elsewhere::otherworld::greeter::Guest for Greeter {
    fn greet(name: String) -> String {
        format!("hello, {name}")
    }
}

export!(Greeter);
