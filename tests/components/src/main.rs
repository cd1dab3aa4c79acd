//! Does what the programs `wit-bindgen c` and `wasm-tools component new` do, with the libraries of which they consist.
//! The host and the guest SDK depend on most of these libraries, so this takes seconds to build.
//!
//! - `bindings WORLD WIT FOLDER` writes the C bindings of a world to a folder.
//! - `encode MODULE COMPONENT` encodes a core module as a component. The component imports WASI 0.2 in place of
//!   preview 1, by the adapter for modules without a `main`.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_bindgen_c::Opts;
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::Resolve;
use wit_component::ComponentEncoder;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["bindings", world, wit, folder] => write_bindings(world, wit.as_ref(), folder.as_ref()),
        ["encode", module, component] => encode(module.as_ref(), component.as_ref()),
        _ => bail!("usage: bindings WORLD WIT FOLDER | encode MODULE COMPONENT"),
    }
}

fn write_bindings(world: &str, wit: &Path, folder: &Path) -> Result<()> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit)?;
    let world = resolve.select_world(&[package], Some(world))?;
    let mut files = Files::default();
    Opts::default().build().generate(&mut resolve, world, &mut files)?;
    fs::create_dir_all(folder)?;
    for (name, content) in files.iter() {
        fs::write(folder.join(name), content)?;
    }
    Ok(())
}

fn encode(module: &Path, component: &Path) -> Result<()> {
    let bytes = ComponentEncoder::default()
        .validate(true)
        .module(&fs::read(module)?)?
        .adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)?
        .encode()?;
    Ok(fs::write(component, bytes)?)
}
