//! The pattern of a route.

use regex::Regex;

/// A compiled pattern that matches percent-decoded paths. Its named groups become the `url-route` of the scope.
#[derive(Debug, Clone)]
pub struct RoutePattern {
    /// `None` for a path without captures, which a request is compared with.
    regex: Option<Regex>,
    /// The pattern as a regular expression.
    expression: String,
    /// The pattern as the file has it.
    source: String,
}

impl RoutePattern {
    /// Compiles a path in which `{name}` matches one segment, such as `/group/{room}/`.
    ///
    /// # Errors
    /// With the problem, and what to write instead.
    pub fn from_path(path: &str) -> Result<Self, String> {
        if !path.starts_with('/') {
            return Err("must start with `/`; a regular expression is `regex = '^/a/$'`".to_owned());
        }
        check_literals(path)?;
        let mut regex = String::from("^");
        let mut rest = path;
        while let Some((literal, tail)) = rest.split_once('{') {
            let (name, after) =
                tail.split_once('}').ok_or("has `{` without `}`; a segment is `{name}`")?;
            if !is_capture_name(name) {
                return Err(format!(
                    "the name in {{{name}}} must start with a letter or `_`, and have only letters, digits and `_`"
                ));
            }
            regex += &regex::escape(literal);
            regex += &format!("(?P<{name}>[^/]+)");
            rest = after;
        }
        if rest.contains('}') {
            return Err("has `}` without `{`; a segment is `{name}`".to_owned());
        }
        regex += &regex::escape(rest);
        regex += "$";
        Self::compile(regex, path)
    }

    /// Compiles a regular expression, which is searched for in the path: begin it with `^` and end it with `$` to match
    /// the whole path.
    ///
    /// # Errors
    /// With the problem, and what to write instead.
    pub fn from_regex(regex: &str) -> Result<Self, String> {
        let after = regex.strip_prefix('^').and_then(|rest| rest.chars().next());
        if after.is_some_and(char::is_alphanumeric) {
            return Err(format!(
                "matches no path, since a path begins with `/`; did you mean '^/{}'?",
                &regex[1..]
            ));
        }
        Self::compile(regex.to_owned(), regex)
    }

    fn compile(expression: String, source: &str) -> Result<Self, String> {
        if source.contains(char::is_control) {
            return Err("has a control character: TOML reads `\\b` in double quotes as one; write the pattern in \
                        single quotes"
                .to_owned());
        }
        let is_literal = expression != source && !source.contains('{');
        let regex = (!is_literal).then(|| Regex::new(&expression)).transpose();
        let regex = regex.map_err(|error| error.to_string())?;
        Ok(Self { regex, expression, source: source.to_owned() })
    }

    /// Returns the named captures in the order of the pattern; `None` if the path does not match.
    pub fn captures(&self, path: &str) -> Option<Vec<(String, String)>> {
        let Some(regex) = &self.regex else { return (path == self.source).then(Vec::new) };
        let captures = regex.captures(path)?;
        let named = regex.capture_names().flatten();
        let values = named.filter_map(|name| {
            captures.name(name).map(|value| (name.to_owned(), value.as_str().to_owned()))
        });
        Some(values.collect())
    }

    /// Returns whether the pattern has a capture of this name.
    pub fn has_capture(&self, name: &str) -> bool {
        let mut names = self.regex.iter().flat_map(Regex::capture_names).flatten();
        names.any(|capture| capture == name)
    }

    /// Returns the pattern as the file has it.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns whether the pattern is a regular expression, not a path.
    pub fn is_regex(&self) -> bool {
        // The expression of a path has at least `^` and `$` more than the path.
        self.expression == self.source
    }

    /// Returns whether this pattern certainly matches every path that `other` matches. A later route with `other` then
    /// gets no request.
    pub(super) fn covers(&self, other: &Self) -> bool {
        if self == other {
            return true;
        }
        // Whether an expression covers an expression, or a path with captures, cannot be decided here.
        let has_captures = other.regex.as_ref().is_some_and(|regex| regex.captures_len() > 1);
        if other.is_regex() || has_captures && self.is_regex() {
            return false;
        }
        self.captures(&other.example_path()).is_some()
    }

    /// Returns a path that this path matches. Each capture is a character that is not part of any other pattern.
    fn example_path(&self) -> String {
        let mut parts = self.source.split('{');
        let first = parts.next().unwrap_or_default().to_owned();
        parts
            .filter_map(|part| part.split_once('}'))
            .fold(first, |path, (_, literal)| path + "\u{10ffff}" + literal)
    }
}

impl PartialEq for RoutePattern {
    fn eq(&self, other: &Self) -> bool {
        self.expression == other.expression
    }
}

/// Refuses characters of a path that have another meaning in other frameworks.
fn check_literals(path: &str) -> Result<(), String> {
    let problem = if path.contains(['<', '>']) {
        "a segment is captured with `{room}`, not with `<room>`"
    } else if path.contains("/:") {
        "a segment is captured with `{room}`, not with `:room`"
    } else if path.contains('*') {
        "`*` has no meaning in a path; write `{name}` for one segment, and `regex = '^/files/.+$'` for more"
    } else if path.contains(['?', '#']) {
        "a path ends before `?` and `#`; remove them and read the query from the consumer's scope"
    } else if path.contains('%') {
        "a path is compared decoded; write the character instead of `%` and its digits"
    } else {
        return Ok(());
    };
    Err(problem.to_owned())
}

/// Returns whether a text is a valid name of a capture.
fn is_capture_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
