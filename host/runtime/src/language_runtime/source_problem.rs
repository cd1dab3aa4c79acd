//! Problems in the source of a plugin.

use std::fmt;

use crate::bindings::source_loader_world::exports::narrowboat::consumer::runtime::Problem;
use crate::bindings::source_tests_world::exports::narrowboat::consumer::runtime::Problem as TestsProblem;
use narrowboat_core::fault::sanitize_log_line;

/// The most problems that an error names.
const MAX_PROBLEMS: usize = 20;

/// The most characters of a message, and of a line of source, that an error has.
const MAX_TEXT_CHARS: usize = 500;

/// A problem in the source of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceProblem {
    /// The path of the file, relative to the plugin's folder. `None` if the problem is in no single file.
    pub path: Option<String>,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The column, from 1.
    pub column: Option<u32>,
    /// The problem.
    pub message: String,
    /// The line of the source.
    pub source: Option<String>,
}

/// The problems in the source of a plugin, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceProblems(Vec<SourceProblem>);

impl SourceProblems {
    /// Takes the problems that a runtime reports. Its texts come from the plugin, so they are shortened and cleaned.
    pub(crate) fn new(problems: Vec<impl Into<SourceProblem>>) -> Self {
        let mut problems: Vec<SourceProblem> =
            problems.into_iter().take(MAX_PROBLEMS).map(Into::into).collect();
        if problems.is_empty() {
            let message = "the runtime refuses the source and does not say why".to_owned();
            problems.push(SourceProblem {
                path: None,
                line: None,
                column: None,
                message,
                source: None,
            });
        }
        Self(problems)
    }

    /// The problems.
    pub fn as_slice(&self) -> &[SourceProblem] {
        &self.0
    }
}

impl From<Problem> for SourceProblem {
    fn from(problem: Problem) -> Self {
        let Problem { path, line, column, message, source } = problem;
        Self { path, line, column, message, source }.cleaned()
    }
}

impl From<TestsProblem> for SourceProblem {
    fn from(problem: TestsProblem) -> Self {
        let TestsProblem { path, line, column, message, source } = problem;
        Self { path, line, column, message, source }.cleaned()
    }
}

impl SourceProblem {
    /// Shortens the texts and replaces their control characters.
    fn cleaned(self) -> Self {
        Self {
            path: self.path.map(|path| clean(&path)),
            message: clean(&self.message),
            source: self.source.map(|source| clean(source.trim())),
            ..self
        }
    }
}

/// Shortens a text and replaces its control characters.
fn clean(text: &str) -> String {
    let end = text.char_indices().nth(MAX_TEXT_CHARS).map_or(text.len(), |(end, _)| end);
    sanitize_log_line(&text[..end])
}

/// `consumers.py:3:5: SyntaxError: invalid syntax: def connect(self`
impl fmt::Display for SourceProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            f.write_str(path)?;
            for number in [self.line, self.column].into_iter().flatten() {
                write!(f, ":{number}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.message)?;
        match &self.source {
            Some(source) if !source.is_empty() => write!(f, ": `{source}`"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for SourceProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str("; ")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for SourceProblems {}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(path: Option<&str>, line: Option<u32>, source: Option<&str>) -> Problem {
        Problem {
            path: path.map(str::to_owned),
            line,
            column: None,
            message: "SyntaxError: invalid syntax".to_owned(),
            source: source.map(str::to_owned),
        }
    }

    #[test]
    fn a_problem_names_the_file_the_line_and_the_source_line() {
        let problems = SourceProblems::new(vec![
            problem(Some("consumers.py"), Some(3), Some("    def connect(self\n")),
            problem(None, None, None),
        ]);
        assert_eq!(
            problems.to_string(),
            "consumers.py:3: SyntaxError: invalid syntax: `def connect(self`; SyntaxError: invalid syntax"
        );
    }

    #[test]
    fn the_texts_of_a_plugin_are_cleaned_and_bounded() {
        let mut hostile = problem(Some("a\x1b[2J"), None, Some(&"x".repeat(100_000)));
        hostile.message = "y".repeat(100_000);
        let text = SourceProblems::new(vec![hostile; 1_000]).to_string();
        assert!(!text.contains('\x1b') && text.len() < 2 * MAX_PROBLEMS * (2 * MAX_TEXT_CHARS));
    }

    #[test]
    fn a_refusal_without_problems_has_a_text() {
        assert!(
            SourceProblems::new(Vec::<Problem>::new()).to_string().contains("does not say why")
        );
    }
}
