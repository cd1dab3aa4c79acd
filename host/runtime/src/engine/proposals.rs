//! Tries each proposal of WebAssembly that the documentation lists.

use wasmparser::{Validator, WasmFeatures};
use wasmtime::component::Component;

use super::Engine;
use crate::compilation::ComponentCompiler;

/// The page that lists the accepted proposals.
const PAGE: &str = include_str!("../../../../docs/reference/webassembly.md");

fn section(id: u8, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(body.len()).unwrap();
    assert!(length < 0x80, "the length must fit into one byte");
    [&[id, length], body].concat()
}

fn module(sections: &[Vec<u8>]) -> Vec<u8> {
    [b"\0asm\x01\0\0\0".as_slice(), &sections.concat()].concat()
}

/// Returns a module with one function, and with `between` between the sections of types and code.
fn function(between: &[u8], body: &[u8]) -> Vec<u8> {
    let body = [&[0], body, &[0x0b]].concat();
    let code = [&[1, u8::try_from(body.len()).unwrap()], body.as_slice()].concat();
    module(&[
        section(1, &[1, 0x60, 0, 0]),
        section(3, &[1, 0]),
        between.to_vec(),
        section(10, &code),
    ])
}

fn component(sections: &[Vec<u8>]) -> Vec<u8> {
    [b"\0asm\x0d\0\x01\0".as_slice(), &sections.concat()].concat()
}

/// Returns a component that uses a proposal.
fn component_using(proposal: &str) -> Vec<u8> {
    let vector = [[0xfd, 0x0c].as_slice(), &[0; 16]].concat();
    let module = match proposal {
        "mutable globals" => {
            module(&[section(6, &[1, 0x7f, 1, 0x41, 0, 0x0b]), section(7, &[1, 1, b'g', 3, 0])])
        }
        "sign extension" => function(&[], &[0x41, 0, 0xc0, 0x1a]),
        "saturating conversions" => function(&[], &[0x43, 0, 0, 0, 0, 0xfc, 0, 0x1a]),
        "multiple values" => module(&[section(1, &[1, 0x60, 0, 2, 0x7f, 0x7f])]),
        "bulk memory" => {
            function(&section(5, &[1, 0, 1]), &[0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 0x0b, 0])
        }
        "reference types" => function(&[], &[0xd0, 0x70, 0x1a]),
        "SIMD" => function(&[], &[vector.as_slice(), &[0x1a]].concat()),
        "relaxed SIMD" => {
            function(&[], &[&vector, vector.as_slice(), &[0xfd, 0x80, 0x02, 0x1a]].concat())
        }
        "tail calls" => function(&[], &[0x12, 0]),
        "extended constant expressions" => {
            module(&[section(6, &[1, 0x7f, 0, 0x41, 1, 0x41, 2, 0x6a, 0x0b])])
        }
        "multiple memories" => module(&[section(5, &[2, 0, 1, 0, 1])]),
        "64-bit memories" => module(&[section(5, &[1, 4, 1])]),
        "typed function references" => function(&[], &[0xd0, 0, 0x14, 0]),
        "exceptions" => function(&section(13, &[1, 0, 0]), &[0x08, 0]),
        "garbage collection" => module(&[section(1, &[1, 0x5f, 0])]),
        "threads" => module(&[section(5, &[1, 3, 1, 1])]),
        "custom page sizes" => module(&[section(5, &[1, 8, 1, 0])]),
        "wide arithmetic" => {
            function(&[], &[0x42, 0, 0x42, 0, 0x42, 0, 0x42, 0, 0xfc, 0x13, 0x1a, 0x1a])
        }
        "stack switching" => module(&[section(1, &[2, 0x60, 0, 0, 0x5d, 0])]),
        "asynchronous components" => return component(&[section(8, &[1, 0x05])]),
        other => panic!("no test component for {other:?}"),
    };
    component(&[section(1, &module)])
}

#[test]
fn the_page_lists_the_accepted_proposals() {
    let engine = Engine::new(1, 1 << 20, None, ComponentCompiler::InProcess).unwrap();
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| "));
    let mut rows: Vec<_> = rows.map(|row| row.split(" | ").collect::<Vec<_>>()).collect();
    rows.retain(|row| row[0] != "proposal");
    assert!(rows.len() >= 20, "{rows:?}");
    for row in rows {
        let (proposal, accepted) = (row[0], row[1]);
        let bytes = component_using(proposal);
        // The engine must refuse the proposal, not a mistake in the bytes above.
        Validator::new_with_features(WasmFeatures::all())
            .validate_all(&bytes)
            .unwrap_or_else(|error| panic!("{proposal}: {error}"));
        match (Component::new(&engine.0.engine, &bytes), accepted) {
            (Ok(_), "yes") | (Err(_), "no") => {}
            (Ok(_), _) => panic!("{proposal} is accepted"),
            (Err(error), _) => panic!("{proposal}: {error:#}"),
        }
    }
}
