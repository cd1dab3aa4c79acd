//! The way from a test in a guest to the host of the test.

use std::sync::{Mutex, PoisonError};

/// Answers a request of a test. `None` once the host of the test has ended.
pub type TestHostCall = Box<dyn FnMut(Vec<u8>) -> Option<Vec<u8>> + Send>;

/// The way from a test in a guest to the host of the test. The lock is never contended: it makes the store `Sync`.
pub(crate) struct TestHostLink(Mutex<TestHostCall>);

impl TestHostLink {
    pub(crate) fn new(call: TestHostCall) -> Self {
        Self(Mutex::new(call))
    }

    pub(crate) fn call(&mut self, request: Vec<u8>) -> Option<Vec<u8>> {
        let call = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        call(request)
    }
}
