//! Checks that the bindings in `src/bindings/` are those that wit-bindgen generates from `wit/`. After a change of the
//! contract, `UPDATE_BINDINGS=1 cargo test -p narrowboat-guest --test bindings` updates them.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::fs;
use std::path::Path;

use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator};
use wit_bindgen_rust::{Opts, WithOption};

/// The interfaces that both the worker's world and the consumer's world import, and the modules of their bindings.
const SHARED_INTERFACES: [(&str, &str); 3] = [
    ("narrowboat:consumer/types@0.1.0", "super::narrowboat::consumer::types"),
    ("narrowboat:consumer/channel-layer@0.1.0", "super::narrowboat::consumer::channel_layer"),
    ("wasi:logging/logging@0.1.0-draft", "super::wasi::logging::logging"),
];

/// The options for a world with exports. They name the export macro and the module of the bindings.
fn export_options(macro_name: &str, module: &str) -> Opts {
    Opts {
        pub_export_macro: true,
        export_macro_name: Some(macro_name.to_owned()),
        default_bindings_module: Some(module.to_owned()),
        ..Opts::default()
    }
}

fn worker_options() -> Opts {
    let module = "narrowboat_guest::__bindings::worker_world";
    let with = SHARED_INTERFACES
        .map(|(interface, path)| (interface.to_owned(), WithOption::Path(path.to_owned())));
    Opts { with: with.into(), ..export_options("export_worker_consumer", module) }
}

fn generate(world: &str, options: Opts) -> String {
    let mut resolve = Resolve::default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let (package, _) = resolve.push_path(folder).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let mut files = Files::default();
    let mut generator = Opts { format: true, ..options }.build();
    generator.generate(&mut resolve, world, &mut files).unwrap();
    let (_, text) = files.iter().next().unwrap();
    String::from_utf8(text.to_vec()).unwrap()
}

fn check(world: &str, options: Opts) {
    check_file(&format!("src/bindings/{}.rs", world.replace('-', "_")), world, options);
}

fn check_file(name: &str, world: &str, options: Opts) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let generated = generate(world, options);
    if std::env::var_os("UPDATE_BINDINGS").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "{name} differs from the bindings of wit/: run this test with UPDATE_BINDINGS=1"
    );
}

#[test]
fn the_bindings_of_consumers_match_the_contract() {
    let options = export_options("export_full_consumer", "narrowboat_guest::__bindings");
    check("full-consumer", Opts { generate_all: true, ..options });
}

#[test]
fn the_bindings_of_workers_match_the_contract() {
    check("worker-consumer", worker_options());
}

#[test]
fn the_bindings_of_http_requests_match_the_contract() {
    check("requester", Opts { generate_all: true, ..Opts::default() });
}

#[test]
fn the_bindings_of_granted_interfaces_match_the_contract() {
    check("grantable", Opts { generate_all: true, ..Opts::default() });
}

#[test]
fn the_bindings_of_the_javascript_runtime_match_the_contract() {
    let options = export_options("export_source_runtime", "crate::bindings");
    let file = "../runtimes/javascript/src/bindings/source_runtime.rs";
    check_file(file, "source-runtime", Opts { generate_all: true, ..options });
}
