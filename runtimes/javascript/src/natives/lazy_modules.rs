//! Modules of the runtime that are evaluated when a plugin first uses a global of theirs.

use std::ffi::CString;

use rquickjs::prelude::Func;
use rquickjs::{Ctx, Object, Result, Value, qjs};

pub fn add_to<'js>(natives: &Object<'js>) -> Result<()> {
    natives.set("evaluateModule", Func::from(evaluate_module))
}

/// Evaluates a module that waits for nothing, before the call returns.
#[expect(clippy::needless_pass_by_value, reason = "a function of JavaScript owns its arguments")]
fn evaluate_module(ctx: Ctx<'_>, name: String) -> Result<()> {
    let name = CString::new(name)?;
    // `Module::import` would resolve the name in the module that runs.
    // SAFETY: both texts end with 0 and outlive the call, and the value that it returns is freed once.
    let promise = unsafe {
        let value = qjs::JS_LoadModule(ctx.as_raw().as_ptr(), c"".as_ptr(), name.as_ptr());
        Value::from_raw(ctx.clone(), value)
    };
    if promise.is_exception() { Err(rquickjs::Error::Exception) } else { Ok(()) }
}
