//! The requests that belong to a tenant.

use narrowboat_core::origin::HostPattern;

/// The requests that belong to a tenant: those for one of its hosts, if it has any, and below its path, if it has one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantMatcher {
    /// The host names, of which a request must name one; empty: any.
    pub hosts: Vec<HostPattern>,
    /// The beginning of the decoded path, without a slash at the end; `None`: any path.
    pub path: Option<String>,
}

/// How closely a matcher fits a request. If several match, the greatest value wins.
pub type MatchSpecificity = (usize, usize);

impl TenantMatcher {
    /// Returns how closely the matcher fits a request, and the rest of the path, which routes match. Returns `None` if
    /// the request belongs to another tenant.
    pub fn match_request<'a>(
        &self,
        host: Option<&str>,
        path: &'a str,
    ) -> Option<(MatchSpecificity, &'a str)> {
        let host_specificity = self.host_specificity(host)?;
        let Some(prefix) = &self.path else { return Some(((host_specificity, 0), path)) };
        let rest = path.strip_prefix(prefix.as_str())?;
        let rest = if rest.is_empty() { "/" } else { rest };
        rest.starts_with('/').then_some(((host_specificity, prefix.len()), rest))
    }

    /// Returns how closely the hosts fit that of a request. Returns `None` if no request for this host belongs to the tenant.
    pub fn host_specificity(&self, host: Option<&str>) -> Option<usize> {
        if self.hosts.is_empty() {
            Some(0)
        } else {
            HostPattern::best_specificity(&self.hosts, host?)
        }
    }

    /// Returns whether some request fits both matchers equally well.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let shares_host = match (self.hosts.is_empty(), other.hosts.is_empty()) {
            (true, true) => true,
            (false, false) => self.hosts.iter().any(|host| other.hosts.contains(host)),
            _ => false,
        };
        shares_host && self.path == other.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(hosts: &[&str], path: Option<&str>) -> TenantMatcher {
        let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
        TenantMatcher { hosts, path: path.map(str::to_owned) }
    }

    #[test]
    fn a_path_matches_whole_segments() {
        let acme = matcher(&[], Some("/acme"));
        let rest = |path| acme.match_request(None, path).map(|(_, rest)| rest);
        assert_eq!(rest("/acme/chat/"), Some("/chat/"));
        assert_eq!(rest("/acme"), Some("/"));
        for other in ["/acmes/chat/", "/", "/Acme/chat/", "//acme/chat/", "/x/../acme/chat/"] {
            assert_eq!(rest(other), None, "{other}");
        }
    }

    #[test]
    fn hosts_rank_before_paths_and_exact_names_before_domains() {
        let specificity =
            |matcher: TenantMatcher| matcher.match_request(Some("a.b.example"), "/x/y/").unwrap().0;
        let in_order = [
            matcher(&[], None),
            matcher(&[], Some("/x")),
            matcher(&["*"], None),
            matcher(&[".example"], Some("/x")),
            matcher(&[".b.example"], None),
            matcher(&["a.b.example"], None),
            matcher(&["a.b.example"], Some("/x")),
        ];
        let ranks: Vec<_> = in_order.into_iter().map(specificity).collect();
        assert!(ranks.is_sorted() && ranks[0] != ranks[1], "{ranks:?}");
    }

    #[test]
    fn a_request_without_a_host_does_not_match_a_tenant_with_hosts() {
        assert_eq!(matcher(&["a.example"], None).match_request(None, "/"), None);
        assert!(matcher(&["a.example"], None).match_request(Some("A.EXAMPLE"), "/").is_some());
    }
}
