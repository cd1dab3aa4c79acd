//! Errors of the host that functions in `js/` catch.

use rquickjs::{Ctx, Error, Exception};

/// Throws an error with a code, by which `js/` chooses the class of the error.
pub fn throw_with_code(ctx: &Ctx<'_>, code: &str, message: &str) -> Error {
    let thrown = Exception::from_message(ctx.clone(), message).and_then(|error| {
        error.as_object().set("code", code)?;
        Ok(error.throw())
    });
    thrown.unwrap_or_else(|error| error)
}
