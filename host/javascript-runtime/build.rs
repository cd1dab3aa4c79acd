//! Builds the component of the JavaScript runtime. `runtimes/javascript/image.py` builds its module, unless
//! `target/runtimes` has it already.

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use wit_component::ComponentEncoder;

fn main() -> Result<(), Box<dyn Error>> {
    // Not `env!`: a build of another clone that shares the target folder may have compiled this script.
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../..").canonicalize()?;
    for input in ["runtimes/javascript", "guest-sdk/src", "guest-sdk/Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", root.join(input).display());
    }
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let text = if has_python() {
        write_image(&build_module(&root, &out)?, &out)?
    } else {
        println!(
            "cargo::warning=python3 with the module venv is missing: the program is built without the JavaScript runtime, \
             and cannot run plugins in JavaScript and TypeScript"
        );
        "/// `None`, because python3 was missing when the program was built.\npub const IMAGE: Option<JavaScriptImage> = None;\n"
            .to_owned()
    };
    fs::write(out.join("image.rs"), text)?;
    Ok(())
}

fn has_python() -> bool {
    let output = Command::new("python3").args(["-c", "import ensurepip, venv"]).output();
    output.is_ok_and(|output| output.status.success())
}

/// Builds the module, and returns the path of its file.
fn build_module(root: &Path, out: &Path) -> Result<PathBuf, Box<dyn Error>> {
    // The target folder, so that all profiles share the module: OUT_DIR is target/PROFILE/build/CRATE/out.
    let target = out.ancestors().nth(4).unwrap_or(out);
    let output = Command::new("python3")
        .arg(root.join("runtimes/javascript/image.py"))
        .arg("--cache")
        .arg(target.join("runtimes"))
        .output()?;
    if !output.status.success() {
        let problem = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cannot build the JavaScript runtime:\n{problem}").into());
    }
    let text = String::from_utf8(output.stdout)?;
    let path = text.lines().last().ok_or("image.py printed no path")?;
    println!("cargo::rerun-if-changed={path}");
    Ok(PathBuf::from(path))
}

/// Writes the compressed component, and returns the source text of the constant `IMAGE`.
fn write_image(module: &Path, out: &Path) -> Result<String, Box<dyn Error>> {
    let component =
        ComponentEncoder::default().validate(true).module(&fs::read(module)?)?.encode()?;
    let digest = Sha256::digest(&component);
    let file = out.join("javascript.wasm.gz");
    let mut encoder = GzEncoder::new(fs::File::create(&file)?, Compression::best());
    encoder.write_all(&component)?;
    encoder.finish()?;
    let bytes: Vec<_> = digest.iter().map(|byte| format!("{byte:#04x}")).collect();
    Ok(format!(
        "/// The component; `None` if python3 was missing when the program was built.\npub const IMAGE: Option<JavaScriptImage> = \
         Some(JavaScriptImage {{ sha256: [{}], gzip: include_bytes!({file:?}) }});\n",
        bytes.join(", ")
    ))
}
