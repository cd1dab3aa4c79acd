//! The imports among the files of a crate.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};
use syn::{Item, Path, UseTree, Visibility};

use crate::source_file::SourceFile;

type Module = Vec<String>;

/// A directed graph of the files of one crate. An import through a re-export leads to the file that defines the item.
pub struct ImportGraph {
    edges: BTreeMap<Module, BTreeSet<Module>>,
}

impl ImportGraph {
    /// Builds the graph of the files of one crate.
    pub fn new(files: &[&SourceFile]) -> Self {
        let resolver = Resolver::new(files);
        let edges = files.iter().map(|file| (file.module.clone(), resolver.imports_of(file)));
        Self { edges: edges.collect() }
    }

    /// Returns the cycles: groups of files that import each other, directly or through others. Each group is sorted.
    pub fn cycles(&self) -> Vec<Vec<String>> {
        let reached: BTreeMap<_, _> =
            self.edges.keys().map(|module| (module, self.reached_from(module))).collect();
        let mut cycles = BTreeSet::new();
        for (module, others) in &reached {
            let cycle: Vec<String> = others
                .iter()
                .filter(|other| reached.get(other).is_some_and(|back| back.contains(*module)))
                .map(|other| if other.is_empty() { "lib".to_owned() } else { other.join("/") })
                .collect();
            if cycle.len() > 1 {
                cycles.insert(cycle);
            }
        }
        cycles.into_iter().collect()
    }

    fn reached_from(&self, start: &Module) -> BTreeSet<Module> {
        let mut reached = BTreeSet::new();
        let mut waiting = vec![start];
        while let Some(module) = waiting.pop() {
            for other in self.edges.get(module).into_iter().flatten() {
                if reached.insert(other.clone()) {
                    waiting.push(other);
                }
            }
        }
        reached
    }
}

/// Resolves paths through the re-exports of a crate.
struct Resolver {
    modules: BTreeSet<Module>,
    re_exports: BTreeMap<(Module, String), Module>,
}

/// The limit of re-exports in one path. It stops at re-exports that form a cycle.
const MAX_RE_EXPORTS: usize = 8;

impl Resolver {
    fn new(files: &[&SourceFile]) -> Self {
        let modules = files.iter().map(|file| file.module.clone()).collect();
        let mut resolver = Self { modules, re_exports: BTreeMap::new() };
        for file in files {
            for (name, target) in resolver.re_exports_of(file) {
                resolver.re_exports.insert((file.module.clone(), name), target);
            }
        }
        resolver
    }

    fn re_exports_of(&self, file: &SourceFile) -> Vec<(String, Module)> {
        let uses = file.items.iter().filter_map(|item| match item {
            Item::Use(item) if !matches!(item.vis, Visibility::Inherited) => Some(&item.tree),
            _ => None,
        });
        let mut exports = Vec::new();
        for tree in uses {
            for (path, name) in flatten(tree) {
                exports.extend(self.absolute(&file.module, &path).map(|target| (name, target)));
            }
        }
        exports
    }

    fn imports_of(&self, file: &SourceFile) -> BTreeSet<Module> {
        let mut paths = PathCollector(Vec::new());
        file.items.iter().for_each(|item| paths.visit_item(item));
        let absolute = paths.0.iter().filter_map(|path| self.absolute(&file.module, path));
        absolute
            .filter_map(|path| self.defining_module(path))
            .filter(|module| *module != file.module)
            .collect()
    }

    /// Converts a path to one from the root of the crate. Returns `None` for a path into another crate.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        let (mut base, mut rest) = match first.as_str() {
            "crate" => (Module::new(), rest),
            "self" => (module.clone(), rest),
            "super" => (module[..module.len().checked_sub(1)?].to_vec(), rest),
            child => {
                let is_child = self.modules.contains(&join(module, child));
                return is_child.then(|| [module.as_slice(), path].concat());
            }
        };
        while rest.first().is_some_and(|name| name == "super") {
            base.pop();
            rest = &rest[1..];
        }
        base.extend_from_slice(rest);
        Some(base)
    }

    fn defining_module(&self, mut path: Module) -> Option<Module> {
        for _ in 0..MAX_RE_EXPORTS {
            let length = (0..=path.len()).rev().find(|end| self.modules.contains(&path[..*end]))?;
            let module = path[..length].to_vec();
            let Some(name) = path.get(length) else { return Some(module) };
            match self.re_exports.get(&(module.clone(), name.clone())) {
                Some(target) if *target != path => {
                    path = [target.as_slice(), &path[length + 1..]].concat();
                }
                _ => return Some(module),
            }
        }
        None
    }
}

fn join(module: &Module, child: &str) -> Module {
    let mut path = module.clone();
    path.push(child.to_owned());
    path
}

/// The paths of a `use`, each with the name that it defines.
fn flatten(tree: &UseTree) -> Vec<(Vec<String>, String)> {
    match tree {
        UseTree::Path(path) => flatten(&path.tree)
            .into_iter()
            .map(|(mut rest, name)| {
                rest.insert(0, path.ident.to_string());
                (rest, name)
            })
            .collect(),
        UseTree::Name(name) if name.ident == "self" => vec![(Vec::new(), String::new())],
        UseTree::Name(name) => vec![(vec![name.ident.to_string()], name.ident.to_string())],
        UseTree::Rename(rename) => {
            vec![(vec![rename.ident.to_string()], rename.rename.to_string())]
        }
        UseTree::Glob(_) => vec![(Vec::new(), String::new())],
        UseTree::Group(group) => group.items.iter().flat_map(flatten).collect(),
    }
}

/// Collects every path in the code.
struct PathCollector(Vec<Vec<String>>);

impl Visit<'_> for PathCollector {
    fn visit_item_use(&mut self, item: &syn::ItemUse) {
        self.0.extend(flatten(&item.tree).into_iter().map(|(path, _)| path));
    }

    fn visit_path(&mut self, path: &Path) {
        let names: Vec<_> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        if names.len() > 1 {
            self.0.push(names);
        }
        visit::visit_path(self, path);
    }

    fn visit_visibility(&mut self, _: &Visibility) {}
}
