//! `[[routes]]`: patterns, and errors of routes.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

mod support;

use narrowboat_config::RoutePattern;
use proptest::prelude::*;
use support::{ECHO, assert_refused, parse};

#[test]
fn a_route_needs_one_pattern_and_a_plugin_that_exists() {
    let route = |route: &str| format!("{ECHO}[[routes]]\n{route}");
    assert_refused(&route("plugin = \"echo\"\n"), 3, &["routes", "path = "]);
    let both = route("path = \"/a\"\nregex = \"^/a$\"\nplugin = \"echo\"\n");
    assert_refused(&both, 5, &["routes.regex", "not both"]);
    let unknown = route("path = \"/a\"\nplugin = \"ecko\"\n");
    assert_refused(&unknown, 5, &["routes.plugin", "\"ecko\"", "did you mean \"echo\"?"]);
}

#[test]
fn an_invalid_pattern_is_refused() {
    let route = |key: &str, pattern: &str| {
        format!("{ECHO}[[routes]]\n{key} = '{pattern}'\nplugin = \"echo\"\n")
    };
    assert_refused(&route("path", "a/"), 4, &["routes.path", "must start with `/`"]);
    assert_refused(&route("path", "/{room"), 4, &["routes.path", "without `}`"]);
    assert_refused(&route("path", "/room}"), 4, &["routes.path", "without `{`"]);
    assert_refused(&route("path", "/<str:room>/"), 4, &["routes.path", "`{room}`"]);
    assert_refused(&route("path", "/{1}"), 4, &["routes.path", "{1}"]);
    assert_refused(&route("path", "/{a}/{a}"), 4, &["routes.path", "duplicate"]);
    assert_refused(&route("regex", "^/(?P<room"), 4, &["routes.regex"]);
}

#[test]
fn the_error_for_a_path_of_another_framework_shows_the_right_form() {
    let route = |path: &str| format!("{ECHO}[[routes]]\npath = \"{path}\"\nplugin = \"echo\"\n");
    for (path, words) in [
        ("/chat/:room/", ["`{room}`", "`:room`"]),
        ("/files/*", ["`*` has no meaning", "regex = "]),
        ("/a?room=1", ["before `?`", "query"]),
        ("/a%20b/", ["compared decoded", "`%`"]),
        ("^/chat/$", ["must start with `/`", "regex = "]),
    ] {
        assert_refused(&route(path), 4, &words);
        assert_refused(&route(path), 4, &["routes.path"]);
    }
    assert!(parse(&route("/a:b/c.d+/{room}")).is_ok());
}

#[test]
fn an_expression_that_matches_no_path_is_refused() {
    let route = |regex: &str| format!("{ECHO}[[routes]]\nregex = {regex}\nplugin = \"echo\"\n");
    let words = ["routes.regex", "begins with `/`", "'^/ws/chat/$'"];
    assert_refused(&route("'^ws/chat/$'"), 4, &words);
    assert_refused(
        &route("\"^/a\\b\""),
        4,
        &["routes.regex", "control character", "single quotes"],
    );
    for regex in ["'^/ws/$'", "'^(/a|/b)$'", "'/chat/'", "'^.*$'", "'(?i)^/a'"] {
        assert!(parse(&route(regex)).is_ok(), "{regex}");
    }
}

#[test]
fn the_error_for_a_backslash_in_double_quotes_recommends_single_quotes() {
    for regex in ["^/chat/\\w+/$", "^/\\d$", "^/\\.$"] {
        let text = format!("{ECHO}[[routes]]\nregex = \"{regex}\"\nplugin = \"echo\"\n");
        assert_refused(&text, 4, &["escape", "single quotes", "regex = '"]);
    }
}

fn routes(first: &str, second: &str) -> String {
    let plugins = "[plugins.a]\ncomponent = \"a\"\n[plugins.b]\ncomponent = \"b\"\n";
    format!("{plugins}[[routes]]\n{first}\nplugin = \"a\"\n[[routes]]\n{second}\nplugin = \"b\"\n")
}

#[test]
fn a_second_route_with_the_same_path_is_refused_with_the_line_of_the_first() {
    for pattern in ["path = \"/a/\"", "path = \"/a/{room}/\"", "regex = '^/a/.*$'"] {
        assert_refused(&routes(pattern, pattern), 9, &["routes.", "line 6", "\"a\"", "already"]);
    }
}

#[test]
fn an_unreachable_route_is_refused() {
    let covered = [
        ("path = \"/chat/{room}/\"", "path = \"/chat/lobby/\""),
        ("path = \"/chat/{room}/\"", "path = \"/chat/{name}/\""),
        ("path = \"/{a}/{b}/\"", "path = \"/chat/{room}/\""),
        ("regex = '^/chat/'", "path = \"/chat/lobby/\""),
    ];
    for (first, second) in covered {
        assert_refused(
            &routes(first, second),
            9,
            &["routes.path", "line 6", "put this one before"],
        );
        assert!(
            parse(&routes(second, first)).is_ok()
                || first.contains("{room}/\"") && second.contains("{name}")
        );
    }
    for (first, second) in [
        ("path = \"/chat/lobby/\"", "path = \"/chat/{room}/\""),
        ("path = \"/a/{room}\"", "path = \"/a/{room}/\""),
        ("regex = '^/[^a]+/$'", "path = \"/{room}/\""),
        ("regex = '^/chat/\\w+/$'", "regex = '^/chat/lobby/$'"),
        ("path = \"/{a}\"", "path = \"/a/b\""),
    ] {
        assert!(parse(&routes(first, second)).is_ok(), "{first} {second}");
    }
}

proptest! {
    #[test]
    fn a_path_captures_a_segment(
        name in "[a-zA-Z_][a-zA-Z0-9_]{0,8}",
        before in "(/[a-z.+()|^$]{0,5}){0,2}",
        value in "[^/]{1,12}",
    ) {
        let pattern = RoutePattern::from_path(&format!("{before}/{{{name}}}/")).unwrap();
        let path = format!("{before}/{value}/");
        prop_assert_eq!(pattern.captures(&path), Some(vec![(name, value)]));
        prop_assert_eq!(pattern.captures(&format!("{path}x")), None);
        prop_assert_eq!(pattern.captures(path.trim_end_matches('/')), None);
    }
}
