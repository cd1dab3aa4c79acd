//! A log line is an event in constant words. All that differs between two lines of an event is in fields.

use std::collections::BTreeSet;

use narrowboat_structure::host_sources;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::Macro;
use syn::visit::{self, Visit};

/// Files that log lines of guests, whose text the host does not choose.
const LOGS_OF_GUESTS: [&str; 2] =
    ["runtime/src/host_api/logging.rs", "runtime/src/instance/guest_store.rs"];

const LEVELS: [&str; 5] = ["trace", "debug", "info", "warn", "error"];

/// Collects the log lines of a file: the tokens of each call of a macro of tracing.
#[derive(Default)]
struct LogLineCollector(Vec<TokenStream>);

impl LogLineCollector {
    /// Finds log lines in the tokens of another macro, such as `tokio::select!`.
    fn collect_nested(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        for (at, token) in tokens.iter().enumerate() {
            let TokenTree::Group(group) = token else { continue };
            if group.delimiter() == Delimiter::Parenthesis && calls_tracing(&tokens[..at]) {
                self.0.push(group.stream());
            }
            self.collect_nested(group.stream());
        }
    }
}

impl Visit<'_> for LogLineCollector {
    fn visit_macro(&mut self, call: &Macro) {
        let path: Vec<_> = call.path.segments.iter().map(|part| part.ident.to_string()).collect();
        match path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["tracing", level] if LEVELS.contains(&level) => self.0.push(call.tokens.clone()),
            _ => self.collect_nested(call.tokens.clone()),
        }
        visit::visit_macro(self, call);
    }
}

/// Whether tokens end with `tracing::LEVEL!`.
fn calls_tracing(tokens: &[TokenTree]) -> bool {
    let last: Vec<_> = tokens.iter().rev().take(5).map(ToString::to_string).collect();
    match last.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["!", level, ":", ":", "tracing"] => LEVELS.contains(&level),
        _ => false,
    }
}

/// Whether a line ends with a text without places for values.
fn has_constant_message(line: &TokenStream) -> bool {
    let mut tokens: Vec<_> = line.clone().into_iter().collect();
    if tokens.last().is_some_and(|token| token.to_string() == ",") {
        tokens.pop();
    }
    let is_value = tokens.iter().rev().nth(1).is_some_and(|token| token.to_string() == "=");
    match tokens.last() {
        Some(TokenTree::Literal(message)) => {
            let message = message.to_string();
            message.starts_with('"') && !message.contains('{') && !is_value
        }
        _ => false,
    }
}

#[test]
fn the_message_of_a_log_line_is_constant() {
    let mut line_count = 0;
    let mut files = BTreeSet::new();
    for file in host_sources() {
        let mut collector = LogLineCollector::default();
        file.items.iter().for_each(|item| collector.visit_item(item));
        line_count += collector.0.len();
        if !collector.0.iter().all(has_constant_message) {
            files.insert(file.path);
        }
    }
    assert!(line_count > 100, "only {line_count} log lines were found");
    let allowed: BTreeSet<_> = LOGS_OF_GUESTS.into_iter().map(str::to_owned).collect();
    assert_eq!(files, allowed, "put the values of these files' log lines into fields");
}
