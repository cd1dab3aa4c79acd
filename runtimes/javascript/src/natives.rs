//! The functions that the modules in `js/` call.

mod config;
mod connections;
mod http;
mod keyvalue;
mod layer;
mod lazy_modules;
mod output;
mod room;
mod test_host;
mod thrown;
mod urls;
mod values;

pub use connections::{
    Outcome, add_connection, begin_event, end_event, remove_connection, scope_object,
};
pub use values::{Bytes, Frame, Text, copy_bytes, read_headers, text_of};

use rquickjs::{Ctx, Object, Result};

/// Returns an object with the functions.
pub fn make<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let natives = Object::new(ctx.clone())?;
    config::add_to(&natives)?;
    connections::add_to(&natives)?;
    http::add_to(&natives)?;
    keyvalue::add_to(&natives)?;
    layer::add_to(&natives)?;
    lazy_modules::add_to(&natives)?;
    output::add_to(&natives)?;
    room::add_to(&natives)?;
    test_host::add_to(&natives)?;
    urls::add_to(&natives)?;
    values::add_to(&natives)?;
    Ok(natives)
}
