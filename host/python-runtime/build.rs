//! Builds the component of the Python runtime with `runtimes/python/image.py`, unless `target/runtimes` has it already.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    // Not `env!`: a build of another clone that shares the target folder may have compiled this script.
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../..").canonicalize()?;
    for input in ["runtimes/python", "wit"] {
        println!("cargo::rerun-if-changed={}", root.join(input).display());
    }
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let text = if has_python() {
        build_image(&root, &out)?
    } else {
        println!(
            "cargo::warning=python3 with the module venv is missing: the program is built without the Python runtime, and \
             cannot run plugins in Python"
        );
        "/// `None`, because python3 was missing when the program was built.\npub const IMAGE: Option<PythonImage> = None;\n"
            .to_owned()
    };
    fs::write(out.join("image.rs"), text)?;
    Ok(())
}

fn has_python() -> bool {
    let output = Command::new("python3").args(["-c", "import ensurepip, venv"]).output();
    output.is_ok_and(|output| output.status.success())
}

/// Builds the component, and returns the source text of the constant `IMAGE`.
fn build_image(root: &Path, out: &Path) -> Result<String, Box<dyn Error>> {
    // The target folder, so that all profiles share the component: OUT_DIR is target/PROFILE/build/CRATE/out.
    let target = out.ancestors().nth(4).unwrap_or(out);
    let output = Command::new("python3")
        .arg(root.join("runtimes/python/image.py"))
        .arg("--cache")
        .arg(target.join("runtimes"))
        .output()?;
    if !output.status.success() {
        let problem = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cannot build the Python runtime:\n{problem}").into());
    }
    // The last line has the file and the digest of the component.
    let text = String::from_utf8(output.stdout)?;
    let last = text.lines().last().unwrap_or_default();
    let (digest, file) = last.split_once("  ").ok_or("image.py printed no digest")?;
    println!("cargo::rerun-if-changed={file}");
    let bytes: Vec<_> = (0..digest.len() / 2)
        .map(|byte| format!("0x{}", &digest[2 * byte..2 * byte + 2]))
        .collect();
    Ok(format!(
        "/// The component; `None` if python3 was missing when the program was built.\npub const IMAGE: Option<PythonImage> = \
         Some(PythonImage {{ sha256: [{}], gzip: include_bytes!({file:?}) }});\n",
        bytes.join(", ")
    ))
}
