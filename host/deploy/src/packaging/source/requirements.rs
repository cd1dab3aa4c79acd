//! The packages that a source plugin requires: its `requirements.txt`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::package_installer::PYTHON_VERSION;
use super::requirements_error::RequirementsError;
use narrowboat_core::sha256_digest::Sha256Digest;

/// The name of the file.
const FILE_NAME: &str = "requirements.txt";

/// The most bytes of the file.
const MAX_LEN: usize = 1 << 20;

/// Options that name other files, whose changes would go unnoticed.
const FILE_OPTIONS: [&str; 6] = ["--requirement", "--constraint", "--editable", "-r", "-c", "-e"];

/// The packages that a source plugin requires.
#[derive(Debug)]
pub(super) struct Requirements {
    /// The path of the file.
    pub(super) file: PathBuf,
    /// Identifies the text of the file and the version of Python.
    pub(super) digest: Sha256Digest,
    /// The required packages, without those that depend on the environment.
    pub(super) packages: Vec<Requirement>,
}

/// A required package.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Requirement {
    /// The name in its normal form.
    pub(super) name: String,
    /// The only version that satisfies the requirement, if it names one.
    pub(super) version: Option<String>,
}

impl Requirements {
    /// Reads the requirements of a folder; `None` if it has no packages to require.
    ///
    /// # Errors
    /// If the file cannot be read, or has a line that cannot be used.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, RequirementsError> {
        let file = folder.join(FILE_NAME);
        let text = match read_text(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(RequirementsError::File { path: file, source }),
        };
        let mut packages = Vec::new();
        let mut has_lines = false;
        for (line, text) in logical_lines(&text) {
            has_lines = true;
            let requirement = Requirement::parse(&text);
            packages.extend(requirement.map_err(|problem| RequirementsError::Line {
                file: file.clone(),
                line,
                problem,
            })?);
        }
        let digest = Sha256Digest::of(format!("python {PYTHON_VERSION}\n{text}").as_bytes());
        Ok(has_lines.then_some(Self { file, digest, packages }))
    }
}

impl Requirement {
    /// Parses a line; `None` for an option, and for a requirement that depends on the environment.
    fn parse(line: &str) -> Result<Option<Self>, String> {
        if line.starts_with('-') {
            return match FILE_OPTIONS.iter().find(|option| line.starts_with(**option)) {
                Some(option) => {
                    Err(format!("`{option}` names another file; write the packages into this file"))
                }
                None => Ok(None),
            };
        }
        let end = line.find(|c: char| !is_name_character(c)).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        let rest = rest.trim_start();
        let is_path = rest.starts_with(['/', '\\', ':']) || rest.contains("file:");
        if name.is_empty() || name.starts_with('.') || is_path {
            return Err(format!(
                "{line:?} is not a package of an index; write `name==version`, and put packages of your own into vendor"
            ));
        }
        if rest.contains(';') {
            return Ok(None);
        }
        Ok(Some(Self { name: normalize_name(name), version: pinned_version(rest) }))
    }
}

/// The name of a package as indexes compare it.
pub(super) fn normalize_name(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

/// A version without the zeros at its end, which do not count in a comparison.
pub(super) fn normalize_version(version: &str) -> String {
    let mut version = version.to_ascii_lowercase();
    while let Some(shorter) = version.strip_suffix(".0") {
        version.truncate(shorter.len());
    }
    version
}

fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.')
}

/// The version of `==VERSION`, after extras in brackets. `None` for other conditions.
fn pinned_version(condition: &str) -> Option<String> {
    let condition = match condition.strip_prefix('[') {
        Some(extras) => extras.split_once(']')?.1.trim_start(),
        None => condition,
    };
    let version = condition.strip_prefix("==")?.trim_start_matches('=').trim_start();
    let version = version.split_whitespace().next()?;
    (!version.contains([',', '*'])).then(|| normalize_version(version))
}

/// The lines with their numbers, joined where a line ends in `\`, without comments and empty lines.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut continues = false;
    for (index, line) in text.lines().enumerate() {
        let (part, goes_on) = match line.strip_suffix('\\') {
            Some(part) => (part, true),
            None => (line, false),
        };
        match lines.last_mut() {
            Some((_, last)) if continues => last.push_str(part),
            _ => lines.push((index + 1, part.to_owned())),
        }
        continues = goes_on;
    }
    lines
        .into_iter()
        .map(|(number, line)| (number, without_comment(&line).trim().to_owned()))
        .filter(|(_, line)| !line.is_empty())
        .collect()
}

fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with('#') {
        return "";
    }
    line.split_once(" #").map_or(line, |(requirement, _)| requirement)
}

fn read_text(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(MAX_LEN as u64 + 1).read_to_string(&mut text)?;
    if text.len() > MAX_LEN {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "has more than 1 MiB"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<(String, Option<String>)> {
        Requirement::parse(line).unwrap().map(|it| (it.name, it.version))
    }

    #[test]
    fn a_requirement_has_a_name_and_may_have_one_version() {
        for (line, name, version) in [
            ("six", "six", None),
            ("Six == 1.16.0", "six", Some("1.16")),
            ("typing_extensions==4.1 --hash=sha256:ab", "typing-extensions", Some("4.1")),
            ("uvicorn[standard] ===0.3", "uvicorn", Some("0.3")),
            ("six>=1,<2", "six", None),
            ("six==1.*", "six", None),
            ("zope.interface @ https://example.com/a.whl", "zope-interface", None),
        ] {
            assert_eq!(parse(line), Some((name.to_owned(), version.map(str::to_owned))), "{line}");
        }
    }

    #[test]
    fn options_and_requirements_with_conditions_are_not_checked() {
        for line in ["--index-url https://example.com", "six; python_version < '3'"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn lines_that_name_other_files_are_refused() {
        for line in [
            "-r other.txt",
            "-rother.txt",
            "--constraint=c.txt",
            "-e .",
            "./six",
            "file:six",
            "a/b.whl",
        ] {
            assert!(Requirement::parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn comments_and_continued_lines_are_one_requirement() {
        let text = "# packages\n\nsix==1 \\\n  --hash=sha256:ab\nidna  # names\n";
        let lines = logical_lines(text);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].0, 3);
        assert_eq!(lines[1], (5, "idna".to_owned()));
    }
}
