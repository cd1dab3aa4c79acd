//! The routes of a tenant, tried in the order of the configuration.

use narrowboat_config::RouteConfig;

/// The routes of one tenant.
#[derive(Debug)]
pub(crate) struct Router {
    routes: Vec<RouteConfig>,
}

/// A route that matched a path.
#[derive(Debug)]
pub(crate) struct RouteMatch<'a> {
    /// The route.
    pub route: &'a RouteConfig,
    /// The captures of the pattern, by name, for `url-route` of the scope.
    pub captures: Vec<(String, String)>,
}

impl Router {
    /// A router that tries `routes` in their order.
    pub(crate) fn new(routes: Vec<RouteConfig>) -> Self {
        Self { routes }
    }

    /// Returns the first route that matches a percent-decoded path.
    pub(crate) fn match_path(&self, path: &str) -> Option<RouteMatch<'_>> {
        self.routes.iter().find_map(|route| {
            route.pattern.captures(path).map(|captures| RouteMatch { route, captures })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use narrowboat_config::RoutePattern;

    fn router(patterns: [Result<RoutePattern, String>; 3]) -> Router {
        let names = ["first", "second", "third"];
        let routes = patterns.into_iter().zip(names).map(|(pattern, name)| RouteConfig {
            pattern: pattern.unwrap(),
            plugin: name.to_owned(),
            max_message: None,
            deflate: None,
        });
        Router::new(routes.collect())
    }

    #[test]
    fn the_first_match_wins() {
        let router = router([
            RoutePattern::from_path("/chat/lobby/"),
            RoutePattern::from_path("/chat/{room}/"),
            RoutePattern::from_regex("^/chat/"),
        ]);
        let plugin = |path| router.match_path(path).map(|matched| matched.route.plugin.clone());
        assert_eq!(plugin("/chat/lobby/").as_deref(), Some("first"));
        assert_eq!(plugin("/chat/kitchen/").as_deref(), Some("second"));
        assert_eq!(plugin("/chat/kitchen/2/").as_deref(), Some("third"));
        assert_eq!(plugin("/other/"), None);
    }

    #[test]
    fn a_segment_holds_no_slash_and_is_not_empty() {
        let pattern = RoutePattern::from_path("/group/{room}/").unwrap();
        assert_eq!(
            pattern.captures("/group/red.1/"),
            Some(vec![("room".to_owned(), "red.1".to_owned())])
        );
        assert_eq!(pattern.captures("/group//"), None);
        assert_eq!(pattern.captures("/group/a/b/"), None);
        assert_eq!(pattern.captures("/group/a"), None);
    }

    #[test]
    fn a_path_is_not_read_as_a_regex() {
        let pattern = RoutePattern::from_path("/a.b+/{x}").unwrap();
        assert!(pattern.captures("/a.b+/1").is_some());
        assert!(pattern.captures("/aXbb/1").is_none());
    }

    #[test]
    fn named_groups_of_a_regex_are_captured_in_order() {
        let pattern = RoutePattern::from_regex("^/(?P<b>\\w+)/(x)?(?P<a>\\w*)$").unwrap();
        let captures = pattern.captures("/one/two").unwrap();
        let names: Vec<_> = captures.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["b", "a"]);
    }
}
