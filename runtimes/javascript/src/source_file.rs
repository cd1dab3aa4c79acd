//! A file of a plugin: removes its types, and finds the names of its module that have state.

use swc_common::errors::{DiagnosticBuilder, Emitter, Handler};
use swc_common::sync::Lrc;
use swc_common::{BytePos, FileName, SourceMap};
use swc_ecma_ast::{Decl, EsVersion, Module, ModuleDecl, ModuleItem, Pat, Stmt, VarDeclKind};
use swc_ecma_parser::{EsSyntax, Parser, StringInput, Syntax, lexer::Lexer};

use crate::problem::{self, Problem, Problems};

/// The name under which a module exports access to its own names.
pub const STATE_EXPORT: &str = "__narrowboat_names__";

/// Returns whether the path is that of TypeScript.
fn is_typescript(path: &str) -> bool {
    [".ts", ".mts"].iter().any(|ending| path.ends_with(ending))
}

/// Returns the text of a module in JavaScript, in which each line and column is that of the source.
///
/// # Errors
/// The problems of the file.
pub fn to_javascript(path: &str, text: &str) -> Result<String, Problems> {
    if !is_typescript(path) {
        return Ok(text.to_owned());
    }
    let map: Lrc<SourceMap> = Lrc::default();
    let found = Lrc::new(std::cell::RefCell::new(Vec::new()));
    let emitter = ProblemEmitter {
        path: path.to_owned(),
        text: text.to_owned(),
        map: map.clone(),
        found: found.clone(),
    };
    let handler = Handler::with_emitter(true, false, Box::new(emitter));
    let options = swc_ts_fast_strip::Options { module: Some(true), ..Default::default() };
    match swc_ts_fast_strip::operate(&map, &handler, text.to_owned(), options) {
        Ok(output) => Ok(output.code),
        Err(error) => {
            let problems = found.take();
            Err(if problems.is_empty() {
                vec![problem::in_file(path, error.message)]
            } else {
                problems
            })
        }
    }
}

/// Returns the text of a module whose default export is the value of a JSON text.
///
/// # Errors
/// The syntax error of the text.
pub fn json_module(path: &str, text: &str) -> Result<String, Problem> {
    let text = text.trim_start_matches('\u{feff}');
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => Ok(format!("export default JSON.parse({});", serde_json::Value::from(text))),
        Err(error) => Err(problem::at(
            path,
            text,
            number(error.line()),
            Some(number(error.column())),
            error.to_string(),
        )),
    }
}

/// Collects the problems that the parser reports.
struct ProblemEmitter {
    path: String,
    text: String,
    map: Lrc<SourceMap>,
    found: Lrc<std::cell::RefCell<Vec<Problem>>>,
}

impl Emitter for ProblemEmitter {
    fn emit(&mut self, diagnostic: &mut DiagnosticBuilder<'_>) {
        let message = diagnostic.message();
        let problem = match diagnostic.span.primary_span() {
            Some(span) => {
                let place = self.map.lookup_char_pos(span.lo());
                let (line, column) = (place.line, place.col.0 + 1);
                problem::at(&self.path, &self.text, number(line), Some(number(column)), message)
            }
            None => problem::in_file(&self.path, message),
        };
        self.found.borrow_mut().push(problem);
    }
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Appends an export to a module in JavaScript, through which the runtime reads and sets the names of the module.
///
/// It has a getter for each variable and class, and a setter for each variable that can be assigned. It is appended to the
/// last line, so no line changes.
pub fn export_names(text: String) -> String {
    let names = top_level_names(&text);
    if names.is_empty() {
        return text;
    }
    let mut accessors = String::new();
    for Name { name, is_assignable } in names {
        accessors.push_str(&format!("get {name}(){{return {name}}},"));
        if is_assignable {
            accessors.push_str(&format!("set {name}(value){{{name}=value}},"));
        }
    }
    // The text may end with a comment of one line.
    format!("{text}\n;export const {STATE_EXPORT}={{__proto__:null,{accessors}}};")
}

struct Name {
    name: String,
    is_assignable: bool,
}

/// Returns the specifiers of the imports at the top of a module. None if the module has a syntax error, which the engine
/// reports.
pub fn imports(text: &str) -> Vec<String> {
    let items = parse(text).map(|it| it.module.body).unwrap_or_default();
    let sources = items.iter().filter_map(|item| match item {
        ModuleItem::ModuleDecl(ModuleDecl::Import(import)) => Some(&import.src),
        ModuleItem::ModuleDecl(ModuleDecl::ExportNamed(export)) => export.src.as_ref(),
        ModuleItem::ModuleDecl(ModuleDecl::ExportAll(export)) => Some(&export.src),
        _ => None,
    });
    sources.map(|source| source.value.to_string_lossy().into_owned()).collect()
}

/// A parsed module in JavaScript.
pub struct ParsedModule {
    /// The module.
    pub module: Module,
    /// The position of the first byte of its text.
    pub start: BytePos,
}

/// Parses a module in JavaScript. `None` if it has a syntax error.
pub fn parse(text: &str) -> Option<ParsedModule> {
    let map: Lrc<SourceMap> = Lrc::default();
    let file = map.new_source_file(Lrc::new(FileName::Anon), text.to_owned());
    let syntax = Syntax::Es(EsSyntax { import_attributes: true, ..Default::default() });
    let lexer = Lexer::new(syntax, EsVersion::latest(), StringInput::from(&*file), None);
    let module = Parser::new_from(lexer).parse_module().ok()?;
    Some(ParsedModule { module, start: file.start_pos })
}

/// The names of variables and classes at the top of a module. None if the module has a syntax error, which the engine
/// reports.
fn top_level_names(text: &str) -> Vec<Name> {
    let Some(ParsedModule { module, .. }) = parse(text) else { return Vec::new() };
    let mut names = Vec::new();
    for item in &module.body {
        match item {
            ModuleItem::Stmt(Stmt::Decl(declaration)) => add_names(declaration, &mut names),
            ModuleItem::ModuleDecl(ModuleDecl::ExportDecl(export)) => {
                add_names(&export.decl, &mut names)
            }
            ModuleItem::ModuleDecl(ModuleDecl::ExportDefaultDecl(export)) => {
                if let swc_ecma_ast::DefaultDecl::Class(class) = &export.decl
                    && let Some(ident) = &class.ident
                {
                    names.push(Name { name: ident.sym.to_string(), is_assignable: false });
                }
            }
            _ => {}
        }
    }
    names
}

fn add_names(declaration: &Decl, names: &mut Vec<Name>) {
    match declaration {
        Decl::Class(class) => {
            names.push(Name { name: class.ident.sym.to_string(), is_assignable: false })
        }
        Decl::Var(variables) => {
            for declarator in &variables.decls {
                add_pattern(&declarator.name, variables.kind != VarDeclKind::Const, names);
            }
        }
        _ => {}
    }
}

fn add_pattern(pattern: &Pat, is_assignable: bool, names: &mut Vec<Name>) {
    match pattern {
        Pat::Ident(ident) => names.push(Name { name: ident.id.sym.to_string(), is_assignable }),
        Pat::Array(array) => {
            array.elems.iter().flatten().for_each(|it| add_pattern(it, is_assignable, names))
        }
        Pat::Rest(rest) => add_pattern(&rest.arg, is_assignable, names),
        Pat::Assign(assign) => add_pattern(&assign.left, is_assignable, names),
        Pat::Object(object) => {
            for property in &object.props {
                match property {
                    swc_ecma_ast::ObjectPatProp::KeyValue(it) => {
                        add_pattern(&it.value, is_assignable, names)
                    }
                    swc_ecma_ast::ObjectPatProp::Assign(it) => {
                        names.push(Name { name: it.key.id.sym.to_string(), is_assignable });
                    }
                    swc_ecma_ast::ObjectPatProp::Rest(it) => {
                        add_pattern(&it.arg, is_assignable, names)
                    }
                }
            }
        }
        _ => {}
    }
}
