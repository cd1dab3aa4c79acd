//! Imports that run later: `import("./rooms.js")`, and the modules of the runtime that a global needs.

use std::ffi::CString;

use rquickjs::{Ctx, Promise, Result, Value, qjs};

use crate::failure::Failure;
use crate::{engine, module_loader};

/// An import: the name of the importing module, and the specifier.
pub type Import = (String, String);

/// Finds the specifiers of the imports in a text whose specifier is a literal.
pub fn find(text: &str) -> Vec<String> {
    let calls = text.match_indices("import").filter_map(|(at, keyword)| {
        let rest = text[at + keyword.len()..].trim_start().strip_prefix('(')?.trim_start();
        let quote = rest.chars().next().filter(|quote| ['"', '\'', '`'].contains(quote))?;
        let (specifier, after) = rest[1..].split_once(quote)?;
        let is_literal = !specifier.contains(['\\', '\n', '$']);
        (is_literal && after.trim_start().starts_with([')', ','])).then(|| specifier.to_owned())
    });
    calls.collect()
}

/// Compiles the modules that the compiled modules import later, and those that these import. They do not run. A module that is
/// not there is an error only when the import runs.
///
/// # Errors
/// The syntax error of a module.
pub fn compile() -> std::result::Result<(), Failure> {
    loop {
        let imports = module_loader::take_later_imports();
        if imports.is_empty() {
            return Ok(());
        }
        for (base, specifier) in imports {
            if let Some((name, text)) = module_loader::later_module(&base, &specifier) {
                engine::attempt(|ctx| module_loader::declare(ctx, &name, text).map(drop))?;
            }
        }
    }
}

/// Imports a module as the module `base` does. A module that waits for nothing has run when this returns.
pub fn import_from<'js>(ctx: &Ctx<'js>, base: &str, specifier: &str) -> Result<Promise<'js>> {
    let (base, specifier) = (CString::new(base)?, CString::new(specifier)?);
    // `Module::import` would import as the module that runs.
    // SAFETY: both texts end with 0 and outlive the call, and the value that it returns is freed once.
    let value = unsafe {
        let value = qjs::JS_LoadModule(ctx.as_raw().as_ptr(), base.as_ptr(), specifier.as_ptr());
        Value::from_raw(ctx.clone(), value)
    };
    if value.is_exception() { Err(rquickjs::Error::Exception) } else { Promise::from_value(value) }
}
