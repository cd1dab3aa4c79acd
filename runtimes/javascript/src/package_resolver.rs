//! Finds the file that an import means: a file of the plugin, or one of a package in `node_modules` or `vendor`.

use std::collections::HashMap;
use std::rc::Rc;

use crate::compiler::{ENDINGS, is_module_file};
use crate::package_json::{Exported, PackageJson};

/// The files of a plugin by path.
type Files = HashMap<String, Vec<u8>>;

/// The folders that have packages. `vendor` is at the top of the plugin only.
const NODE_MODULES: &str = "node_modules";
const VENDOR: &str = "vendor";

/// Modules of Node.js that packages import without `node:`.
const NODE_NAMES: [&str; 18] = [
    "assert",
    "buffer",
    "child_process",
    "crypto",
    "events",
    "fs",
    "http",
    "https",
    "net",
    "os",
    "path",
    "process",
    "stream",
    "tls",
    "url",
    "util",
    "worker_threads",
    "zlib",
];

/// Finds the files that imports mean. It remembers the packages that it has read.
#[derive(Default)]
pub struct PackageResolver {
    /// The descriptions by the folder of the package.
    descriptions: HashMap<String, Option<Rc<PackageJson>>>,
    /// Whether there is a package in a folder.
    folders: HashMap<String, bool>,
}

impl PackageResolver {
    /// Finds the file that a specifier means in the file `base`.
    ///
    /// # Errors
    /// A text for the author.
    pub fn resolve(
        &mut self,
        files: &Files,
        base: &str,
        specifier: &str,
    ) -> Result<String, String> {
        let is_path = ["./", "../", "/"].iter().any(|start| specifier.starts_with(start))
            || [".", ".."].contains(&specifier);
        let path = if is_path {
            let path = join(folder_of(base), specifier)
                .ok_or_else(|| format!("{specifier:?} is outside the plugin's folder"))?;
            find_file(files, &path).ok_or_else(|| format!("the plugin has no file {path}"))?
        } else if specifier.starts_with('#') {
            self.find_own_import(files, base, specifier)?
        } else {
            self.find_in_packages(files, base, specifier)?
        };
        self.check_module(files, &path)?;
        Ok(path)
    }

    /// Finds a module of a package: in `node_modules` beside the file and above it, and in `vendor`.
    fn find_in_packages(
        &mut self,
        files: &Files,
        base: &str,
        specifier: &str,
    ) -> Result<String, String> {
        if let Some(name) = specifier.strip_prefix("node:") {
            return Err(no_node_module(name));
        }
        let (name, subpath) = split_specifier(specifier);
        for folder in package_folders(base, name) {
            if self.is_package(files, &folder) {
                return self.find_in_package(files, &folder, name, &subpath);
            }
        }
        let file = find_file(files, &format!("{VENDOR}/{specifier}"))
            .or_else(|| find_file(files, specifier));
        file.ok_or_else(|| {
            if NODE_NAMES.contains(&name) {
                return no_node_module(name);
            }
            if name == "narrowboat" {
                return format!(
                    "the host has no module {specifier:?}: its modules are \"narrowboat\" and, in tests, \"narrowboat/testing\""
                );
            }
            format!(
                "the plugin has no module {specifier:?}: install the package into node_modules, or write \"./{specifier}\" for a file"
            )
        })
    }

    fn is_package(&mut self, files: &Files, folder: &str) -> bool {
        let find = |folder: &str| {
            files.keys().any(|path| path.strip_prefix(folder).is_some_and(|it| it.starts_with('/')))
        };
        *self.folders.entry(folder.to_owned()).or_insert_with_key(|folder| find(folder))
    }

    fn read_package_json(
        &mut self,
        files: &Files,
        folder: &str,
    ) -> Result<Option<Rc<PackageJson>>, String> {
        if let Some(description) = self.descriptions.get(folder) {
            return Ok(description.clone());
        }
        let path = if folder.is_empty() {
            "package.json".to_owned()
        } else {
            format!("{folder}/package.json")
        };
        let parsed = files.get(&path).map(|content| PackageJson::parse(content)).transpose();
        let description = parsed.map_err(|problem| format!("{path} {problem}"))?.map(Rc::new);
        self.descriptions.insert(folder.to_owned(), description.clone());
        Ok(description)
    }

    fn find_in_package(
        &mut self,
        files: &Files,
        folder: &str,
        name: &str,
        subpath: &str,
    ) -> Result<String, String> {
        let package = self.read_package_json(files, folder)?;
        let exported =
            package.as_ref().map_or(Exported::NotThere, |package| package.export(subpath));
        let path = match (exported, package) {
            (Exported::File(path), _) => format!("{folder}/{path}"),
            (Exported::OnlyForRequire, _) => return Err(common_js(name)),
            (Exported::Private, _) => {
                return Err(format!("the package {name} does not export {subpath:?}"));
            }
            (Exported::NotThere, Some(package)) if subpath == "." => {
                return find_main_file(files, folder, name, &package);
            }
            (Exported::NotThere, _) if subpath == "." => folder.to_owned(),
            (Exported::NotThere, _) => format!("{folder}{}", &subpath[1..]),
        };
        if path.ends_with(".cjs") {
            return Err(common_js(name));
        }
        find_file(files, &path).ok_or_else(|| format!("the package {name} has no file {path}"))
    }

    /// Finds a module by a name such as `#config`, which the `package.json` of the file defines.
    fn find_own_import(
        &mut self,
        files: &Files,
        base: &str,
        specifier: &str,
    ) -> Result<String, String> {
        let folder = package_folder(files, base);
        let exported = self
            .read_package_json(files, folder)?
            .map_or(Exported::NotThere, |package| package.import(specifier));
        let Exported::File(path) = exported else {
            return Err(format!("no package.json above {base} defines the import {specifier:?}"));
        };
        let path = if folder.is_empty() { path } else { format!("{folder}/{path}") };
        find_file(files, &path).ok_or_else(|| format!("the plugin has no file {path}"))
    }

    /// Checks that a file is a module that the runtime can load.
    fn check_module(&mut self, files: &Files, path: &str) -> Result<(), String> {
        if path.ends_with(".json") {
            return Ok(());
        }
        if path.ends_with(".cjs") {
            return Err(common_js(package_name(path).unwrap_or(path)));
        }
        if !is_module_file(path) {
            return Err(format!(
                "{path} is not a module: the runtime imports .js, .mjs, .ts, .mts and .json"
            ));
        }
        let Some(name) = package_name(path).filter(|_| path.ends_with(".js")) else {
            return Ok(());
        };
        if self
            .read_package_json(files, package_folder(files, path))?
            .is_some_and(|it| it.is_module_type())
        {
            return Ok(());
        }
        let text =
            files.get(path).map(|content| String::from_utf8_lossy(content)).unwrap_or_default();
        if is_common_js(&text) { Err(common_js(name)) } else { Ok(()) }
    }
}

/// Whether a file belongs to a package, and not to the plugin.
pub fn is_of_package(path: &str) -> bool {
    path.split('/').any(|part| part == NODE_MODULES) || path.starts_with("vendor/")
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Finds a file by its path, also if the path lacks its ending, has the one of the compiled file, or is that of a folder.
fn find_file(files: &Files, path: &str) -> Option<String> {
    let source = path.strip_suffix(".js").map(|stem| format!("{stem}.ts"));
    let module_source = path.strip_suffix(".mjs").map(|stem| format!("{stem}.mts"));
    let with_ending = ENDINGS.iter().map(|ending| format!("{path}{ending}"));
    let json = [format!("{path}.json")].into_iter();
    let folder = if path.is_empty() { String::new() } else { format!("{path}/") };
    let index = ENDINGS.iter().map(|ending| format!("{folder}index{ending}"));
    let exact = [Some(path.to_owned()), source, module_source].into_iter().flatten();
    let mut candidates = exact.chain(with_ending).chain(json).chain(index);
    candidates.find(|candidate| files.contains_key(candidate))
}

/// Joins a folder and a relative path. `None` if the result is outside the plugin's folder.
fn join(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> =
        if path.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.retain(|part| !part.is_empty());
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty());
    Some(parts.join("/"))
}

fn no_node_module(name: &str) -> String {
    format!(
        "there is no Node.js in a plugin, and so no module \"node:{name}\": use a package for browsers, or the globals of the \
         web platform"
    )
}

/// Splits `@scope/name/a/b` into the name of the package and the subpath `./a/b`.
fn split_specifier(specifier: &str) -> (&str, String) {
    let slashes = if specifier.starts_with('@') { 1 } else { 0 };
    match specifier.match_indices('/').nth(slashes) {
        Some((at, _)) => (&specifier[..at], format!(".{}", &specifier[at..])),
        None => (specifier, ".".to_owned()),
    }
}

/// The folders that a package may be in, nearest first.
fn package_folders(base: &str, name: &str) -> Vec<String> {
    let mut folder = folder_of(base);
    let mut folders = Vec::new();
    loop {
        if folder.is_empty() {
            folders.push(format!("{NODE_MODULES}/{name}"));
            folders.push(format!("{VENDOR}/{name}"));
            return folders;
        }
        if !folder.ends_with(NODE_MODULES) {
            folders.push(format!("{folder}/{NODE_MODULES}/{name}"));
        }
        folder = folder_of(folder);
    }
}

/// Finds the main file: that of the field `module`, that of `main`, or the index.
fn find_main_file(
    files: &Files,
    folder: &str,
    name: &str,
    package: &PackageJson,
) -> Result<String, String> {
    let named = ["module", "main"].into_iter().filter_map(|field| package.main_file(field));
    let mut paths = named.map(|path| format!("{folder}/{path}")).chain([folder.to_owned()]);
    let found = paths.find_map(|path| find_file(files, path.trim_end_matches('/')));
    let is_common_js = package.main_file("main").is_some_and(|main| main.ends_with(".cjs"));
    found.ok_or_else(|| {
        if is_common_js { common_js(name) } else { format!("the package {name} has no main file") }
    })
}

/// The nearest folder above a file that has a `package.json`.
fn package_folder<'a>(files: &Files, path: &'a str) -> &'a str {
    let mut folder = folder_of(path);
    while !folder.is_empty() && !files.contains_key(&format!("{folder}/package.json")) {
        folder = folder_of(folder);
    }
    folder
}

fn common_js(name: &str) -> String {
    format!(
        "{name} is a CommonJS package: use one with ES modules, or bundle it with a tool such as esbuild or rolldown"
    )
}

/// The name of the package that a file belongs to. `None` for a file of the plugin.
fn package_name(path: &str) -> Option<&str> {
    let inner = match path.rsplit_once("node_modules/") {
        Some((_, inner)) => inner,
        None => path.strip_prefix("vendor/")?,
    };
    Some(split_specifier(inner).0)
}

/// Whether the text of a module looks like CommonJS: it exports or requires in the way of CommonJS, and has no import and no
/// export of its own.
fn is_common_js(text: &str) -> bool {
    const KEYWORDS: [&str; 2] = ["import", "export"];
    let statements = text.split(['\n', ';', '}']).map(str::trim_start);
    let is_module = |statement: &str| {
        let rest = KEYWORDS.iter().find_map(|keyword| statement.strip_prefix(keyword));
        rest.is_some_and(|rest| rest.starts_with([' ', '{', '*', '"', '\'']))
    };
    let mentions =
        ["module.exports", "exports.", "require("].iter().any(|mark| text.contains(mark));
    mentions && !statements.into_iter().any(is_module)
}
