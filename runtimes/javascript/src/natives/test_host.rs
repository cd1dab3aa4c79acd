//! The host of the tests of a plugin.

use rquickjs::prelude::Func;
use rquickjs::{Ctx, Exception, Object, Result, Value};

use super::values::text_of;
use crate::bindings::narrowboat::consumer::test_host;
use crate::message_pack;

pub fn add_to<'js>(natives: &Object<'js>) -> Result<()> {
    natives.set("callTestHost", Func::from(call))
}

/// Sends a request, and returns the response.
fn call<'js>(ctx: Ctx<'js>, request: Value<'js>) -> Result<Value<'js>> {
    let request = message_pack::pack(&ctx, &request, text_of)?;
    let response =
        test_host::call(&request).map_err(|text| Exception::throw_message(&ctx, &text))?;
    message_pack::unpack(&ctx, &response)
}
