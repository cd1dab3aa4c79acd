//! Modules of the runtime that are evaluated when a plugin first uses a global of theirs.

use rquickjs::prelude::Func;
use rquickjs::{Ctx, Object, Result};

use crate::dynamic_imports::import_from;

pub fn add_to<'js>(natives: &Object<'js>) -> Result<()> {
    natives.set("evaluateModule", Func::from(evaluate_module))
}

/// Evaluates a module that waits for nothing, before the call returns.
fn evaluate_module(ctx: Ctx<'_>, name: String) -> Result<()> {
    import_from(&ctx, "", &name).map(drop)
}
