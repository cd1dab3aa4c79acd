//! A source file of the host without its tests.

use std::fs;
use std::path::{Path, PathBuf};

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItemFn, Item, ItemFn, ItemMod, TraitItemFn};

/// A parsed file.
pub struct SourceFile {
    /// The folder of its crate in `host`.
    pub krate: String,
    /// The path of the file, relative to `host`.
    pub path: String,
    /// The path of its module in the crate. It is empty for the root.
    pub module: Vec<String>,
    /// The number of lines, including tests.
    pub line_count: usize,
    /// The items without those under `#[cfg(test)]`.
    pub items: Vec<Item>,
}

/// A function in a file.
pub struct Function {
    /// Its name.
    pub name: String,
    /// The number of lines from its signature to its closing brace.
    pub line_count: usize,
}

impl SourceFile {
    /// Returns every function with a body. Closures and nested functions count as a part of the outer function.
    pub fn functions(&self) -> Vec<Function> {
        let mut collector = FunctionCollector(Vec::new());
        self.items.iter().for_each(|item| collector.visit_item(item));
        collector.0
    }

    /// Returns the names of the structs, enums, traits, unions and type aliases in the file.
    pub fn type_names(&self) -> Vec<String> {
        let mut collector = TypeCollector(Vec::new());
        self.items.iter().for_each(|item| collector.visit_item(item));
        collector.0
    }
}

struct FunctionCollector(Vec<Function>);

impl FunctionCollector {
    fn add(&mut self, signature: &syn::Signature, end: proc_macro2::LineColumn) {
        let line_count = end.line + 1 - signature.span().start().line;
        self.0.push(Function { name: signature.ident.to_string(), line_count });
    }
}

impl Visit<'_> for FunctionCollector {
    fn visit_item_fn(&mut self, function: &ItemFn) {
        self.add(&function.sig, function.block.span().end());
    }

    fn visit_impl_item_fn(&mut self, function: &ImplItemFn) {
        self.add(&function.sig, function.block.span().end());
    }

    fn visit_trait_item_fn(&mut self, function: &TraitItemFn) {
        if let Some(block) = &function.default {
            self.add(&function.sig, block.span().end());
        }
    }
}

struct TypeCollector(Vec<String>);

impl Visit<'_> for TypeCollector {
    fn visit_item_struct(&mut self, item: &syn::ItemStruct) {
        self.0.push(item.ident.to_string());
    }

    fn visit_item_enum(&mut self, item: &syn::ItemEnum) {
        self.0.push(item.ident.to_string());
    }

    fn visit_item_trait(&mut self, item: &syn::ItemTrait) {
        self.0.push(item.ident.to_string());
    }

    fn visit_item_union(&mut self, item: &syn::ItemUnion) {
        self.0.push(item.ident.to_string());
    }

    fn visit_item_type(&mut self, item: &syn::ItemType) {
        self.0.push(item.ident.to_string());
    }

    fn visit_item_fn(&mut self, function: &ItemFn) {
        visit::visit_item_fn(self, function);
    }
}

/// The path of the folder `host`.
pub fn host_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../host")
}

/// Parses every source file of the host's crates, except files of tests.
///
/// # Panics
/// If a file cannot be read or parsed.
pub fn host_sources() -> Vec<SourceFile> {
    let mut sources = Vec::new();
    for krate in crate::CRATE_ORDER {
        let root = host_folder().join(krate).join("src");
        let mut paths = Vec::new();
        find_files(&root, &mut paths);
        paths.sort();
        sources.extend(paths.iter().map(|path| read(krate, &root, path)));
    }
    sources
}

#[expect(clippy::expect_used, reason = "only tests and the table call it")]
fn find_files(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("an entry can be read").path();
        let is_of_tests = path.file_stem().is_some_and(|stem| stem == "tests");
        if is_of_tests {
            continue;
        } else if path.is_dir() {
            find_files(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

#[expect(clippy::expect_used, reason = "only tests and the table call it")]
fn read(krate: &str, root: &Path, path: &Path) -> SourceFile {
    let text = fs::read_to_string(path).expect("a source can be read");
    let syntax = syn::parse_file(&text).expect("a source can be parsed");
    let relative = path.strip_prefix(root).expect("the file is below the root");
    let names = relative.with_extension("");
    let mut module: Vec<_> = names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    if module == ["lib"] || module == ["main"] {
        module.clear();
    }
    SourceFile {
        krate: krate.to_owned(),
        path: format!("{krate}/src/{}", relative.display()),
        module,
        line_count: text.lines().count(),
        items: syntax.items.into_iter().filter(|item| !is_test_item(item)).collect(),
    }
}

/// Whether an item is under `#[cfg(test)]`: a module, a function or an import.
fn is_test_item(item: &Item) -> bool {
    let attributes = match item {
        Item::Mod(ItemMod { attrs, .. }) | Item::Fn(ItemFn { attrs, .. }) => attrs,
        Item::Use(item) => &item.attrs,
        _ => return false,
    };
    attributes.iter().any(is_cfg_test)
}

fn is_cfg_test(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
}
