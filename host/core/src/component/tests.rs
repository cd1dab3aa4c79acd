use super::*;

#[test]
fn bytes_that_are_not_a_component_are_refused() {
    assert!(matches!(parse_info(b""), Err(ComponentError::Empty)));
    assert!(matches!(parse_info(b"#!/bin/sh"), Err(ComponentError::NotWasm)));
    assert!(matches!(parse_info(b"\0asm\x01\0\0\0"), Err(ComponentError::CoreModule)));
    assert!(matches!(parse_info(b"\0asm\x0d\0"), Err(ComponentError::Malformed { .. })));
}

#[test]
fn an_appended_manifest_is_parsed() {
    let empty = wasm_encoder::Component::new().finish();
    let bytes = append_manifest(empty, "name = \"echo\"");
    assert_eq!(parse_info(&bytes).unwrap().manifest, Some(&b"name = \"echo\""[..]));
    assert!(matches!(parse_plugin(&bytes), Err(ComponentError::UnsupportedWorld { .. })));
}
