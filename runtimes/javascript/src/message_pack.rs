//! Converts values of JavaScript to MessagePack and back.

mod packer;
mod unpacker;

use rquickjs::{Ctx, Exception};

pub use packer::pack;
pub use unpacker::unpack;

/// How deep values may be nested.
const MAX_DEPTH: usize = 64;

fn type_error(ctx: &Ctx<'_>, message: &str) -> rquickjs::Error {
    Exception::throw_type(ctx, message)
}
