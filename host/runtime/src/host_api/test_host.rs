//! `narrowboat:consumer/test-host`: the host of the tests of a plugin.

use crate::bindings::source_tests_world::narrowboat::consumer::test_host::Host;
use crate::store::GuestState;

/// The error of a guest that calls the interface outside of a test.
const NOT_IN_A_TEST: &str = "there is a test host only while `narrowboat test` runs a test";

impl Host for GuestState {
    fn call(&mut self, request: Vec<u8>) -> wasmtime::Result<Result<Vec<u8>, String>> {
        let response = self.test_host.as_mut().and_then(|host| host.call(request));
        Ok(response.ok_or_else(|| NOT_IN_A_TEST.to_owned()))
    }
}
