//! The names that a module imports from other modules.

use swc_common::BytePos;
use swc_ecma_ast::{
    ExportSpecifier, ImportSpecifier, ModuleDecl, ModuleExportName, ModuleItem, Str,
};

use crate::source_file::{self, ParsedModule};

/// The name of the default export.
const DEFAULT: &str = "default";

/// Returns where a module imports a name, or exports it on, with this specifier: the bytes before it.
pub fn find(text: &str, specifier: &str, name: &str) -> Option<usize> {
    let ParsedModule { module, start } = source_file::parse(text)?;
    let position = module.body.iter().find_map(|item| match item {
        ModuleItem::ModuleDecl(ModuleDecl::Import(import)) if is_text(&import.src, specifier) => {
            import.specifiers.iter().find_map(|it| position_of_import(it, name))
        }
        ModuleItem::ModuleDecl(ModuleDecl::ExportNamed(export)) => {
            let source = export.src.as_deref().filter(|source| is_text(source, specifier));
            source
                .and_then(|_| export.specifiers.iter().find_map(|it| position_of_export(it, name)))
        }
        _ => None,
    });
    usize::try_from(position?.0.checked_sub(start.0)?).ok()
}

fn is_text(literal: &Str, text: &str) -> bool {
    literal.value.to_string_lossy() == text
}

fn position_of_import(specifier: &ImportSpecifier, name: &str) -> Option<BytePos> {
    match specifier {
        ImportSpecifier::Named(it) => {
            let own = it.imported.as_ref().map(name_of);
            let imported = own.unwrap_or_else(|| it.local.sym.to_string());
            (imported == name).then_some(it.span.lo)
        }
        ImportSpecifier::Default(it) => (name == DEFAULT).then_some(it.span.lo),
        ImportSpecifier::Namespace(_) => None,
    }
}

fn position_of_export(specifier: &ExportSpecifier, name: &str) -> Option<BytePos> {
    match specifier {
        ExportSpecifier::Named(it) => (name_of(&it.orig) == name).then_some(it.span.lo),
        ExportSpecifier::Default(_) | ExportSpecifier::Namespace(_) => None,
    }
}

fn name_of(name: &ModuleExportName) -> String {
    match name {
        ModuleExportName::Ident(ident) => ident.sym.to_string(),
        ModuleExportName::Str(text) => text.value.to_string_lossy().into_owned(),
    }
}
