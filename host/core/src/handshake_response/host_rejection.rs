//! Rejections that the host decides by itself.

/// The header of a rejection after which the client may try again.
const RETRY: &[(&str, &str)] = &[("Retry-After", "1")];

/// The headers of a 401 for the bearer of a token (RFC 6750, section 3).
const BEARER: &[(&str, &str)] = &[("WWW-Authenticate", "Bearer")];

/// The headers of a 405 (RFC 9110, section 15.5.6).
const ALLOW_GET: &[(&str, &str)] = &[("Allow", "GET")];

/// The headers of a 426 with the supported protocol and version (RFC 9110, section 15.5.22, and RFC 6455, section 4.4).
const UPGRADE: &[(&str, &str)] =
    &[("Upgrade", "websocket"), ("Connection", "upgrade"), ("Sec-WebSocket-Version", "13")];

/// The body of a variant with a value.
macro_rules! example {
    ($value:ty) => {
        "…"
    };
}

/// Defines [`HostRejection`] from a table: variant, status, headers, body, and the condition as the text of the page
/// `docs/reference/http-responses.md`.
macro_rules! host_rejections {
    ($($name:ident $(($value:ty))?: $status:literal, $headers:expr, $body:literal, $when:literal;)*) => {
        /// A rejection that the host decides by itself. The variants are in the order of their statuses.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum HostRejection<'a> {
            $(#[doc = $when] $name $(($value))?,)*
        }

        impl HostRejection<'static> {
            /// All rejections. The body of one that carries its body is `…`.
            pub const ALL: &'static [Self] = &[$(Self::$name $((example!($value)))?,)*];
        }

        impl<'a> HostRejection<'a> {
            /// The status.
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$name { .. } => $status,)*
                }
            }

            /// The headers other than `Content-Type` and `Connection: close`.
            pub const fn headers(self) -> &'static [(&'static str, &'static str)] {
                match self {
                    $(Self::$name { .. } => $headers,)*
                }
            }

            /// The body without the end of its line.
            pub const fn body(self) -> &'a str {
                if let Self::InvalidToken(reason) = self {
                    return reason;
                }
                match self {
                    $(Self::$name { .. } => $body,)*
                }
            }

            /// The condition, as sentences in Markdown.
            pub const fn when(self) -> &'static str {
                match self {
                    $(Self::$name { .. } => $when,)*
                }
            }
        }
    };
}

host_rejections! {
    MissingHost: 400, &[], "missing Host header",
        "An HTTP/1.1 request has no `Host` header.";
    DuplicateHost: 400, &[], "duplicate Host header",
        "The request has more than one `Host` header.";
    InvalidHost: 400, &[], "invalid Host header",
        "The `Host` header is not a host with an optional port. An empty `Host` is not valid.";
    UnsupportedTarget: 400, &[], "unsupported request target",
        "An absolute target has a scheme other than http, https, ws or wss, or an invalid \
         authority.";
    InvalidForwardedFor: 400, &[], "invalid address in X-Forwarded-For",
        "A trusted proxy sent an address that cannot be read.";
    InvalidForwardedProto: 400, &[], "invalid scheme in X-Forwarded-Proto",
        "A trusted proxy sent a scheme other than http, https, ws or wss.";
    InvalidForwardedHost: 400, &[], "invalid host in X-Forwarded-Host",
        "A trusted proxy sent a host that cannot be read, and `use_forwarded_host = true`.";
    InvalidPath: 400, &[], "the path is not UTF-8",
        "The percent-decoded path is not UTF-8.";
    HostNotAllowed: 400, &[], "host not allowed",
        "`allowed_hosts` does not have the host name. The check does not apply to a tenant with \
         its own `hosts`.";
    HttpVersionTooOld: 400, &[], "bad WebSocket handshake: HTTP/1.1 is needed",
        "A request in HTTP/1.0 has `Sec-WebSocket-Key`.";
    MissingUpgrade: 400, &[],
        "bad WebSocket handshake: \"Connection: Upgrade\" and \"Upgrade: websocket\" are needed",
        "A request with `Sec-WebSocket-Key` lacks one of these headers.";
    DuplicateVersion: 400, &[], "bad WebSocket handshake: duplicate sec-websocket-version header",
        "The request has more than one `Sec-WebSocket-Version`.";
    MissingVersion: 400, &[], "bad WebSocket handshake: Sec-WebSocket-Version is needed",
        "The request has no `Sec-WebSocket-Version`.";
    DuplicateKey: 400, &[], "bad WebSocket handshake: duplicate sec-websocket-key header",
        "The request has more than one `Sec-WebSocket-Key`.";
    InvalidKey: 400, &[], "bad WebSocket handshake: Sec-WebSocket-Key has to be 16 bytes in base64",
        "`Sec-WebSocket-Key` is missing or invalid.";
    InvalidSubprotocol: 400, &[],
        "bad WebSocket handshake: Sec-WebSocket-Protocol contains an invalid token",
        "The name of a subprotocol is not a token.";
    InvalidExtensions: 400, &[], "bad WebSocket handshake: malformed Sec-WebSocket-Extensions",
        "`Sec-WebSocket-Extensions` cannot be parsed.";
    UnexpectedBody: 400, &[], "bad WebSocket handshake: a WebSocket handshake must not have a body",
        "The request has a body.";
    MissingUser: 401, BEARER, "authentication is required",
        "`[users]`: the user is not known, and `required = true`.";
    InvalidToken(&'a str): 401, BEARER, "…",
        "`[users.jwt]`: the token is not valid. The body is the reason, for example `the token has \
         expired`.";
    UnauthorizedByWebhook: 401, &[], "access denied",
        "`[users.webhook]`: the site responded with 401.";
    ForbiddenByWebhook: 403, &[], "access denied",
        "`[users.webhook]`: the site responded with 403.";
    ClosedByConsumer: 403, &[], "closed before the handshake was accepted",
        "The consumer answered `later` and then closed the connection without accepting it, or it \
         blamed the client; or an operator closed the connection.";
    OriginNotAllowed: 403, &[], "origin not allowed",
        "The origin is not in `allowed_origins` of the host or the tenant.";
    NoRoute: 404, &[], "no route matches this path",
        "No route matches.";
    MethodNotAllowed: 405, ALLOW_GET, "method not allowed: WebSocket handshakes use GET",
        "The method is not GET.";
    RoomNameTooLong: 414, &[], "the name of the room is too long",
        "The URL parameters that `room` in the manifest names have more than 512 bytes together.";
    MisdirectedRequest: 421, &[], "the host name of TLS belongs to another tenant than the request",
        "The client began TLS for a name in `[tenants.NAME.tls]`, and the request is for another tenant.";
    UpgradeRequired: 426, UPGRADE,
        "this is a WebSocket endpoint; connect with a WebSocket client (ws:// or wss://)",
        "A GET neither asks for the upgrade nor has `Sec-WebSocket-Key`.";
    UnsupportedVersion: 426, UPGRADE, "only WebSocket version 13 is supported",
        "`Sec-WebSocket-Version` is not 13.";
    TooManyConnectionsOfAddress: 429, RETRY,
        "this address has its limit of connections open; close one, or try again later",
        "The client's address has `connections_per_address` connections of the host, the tenant or \
         the plugin.";
    ConsumerFailed: 500, &[], "the consumer failed",
        "The consumer trapped, ran longer than `call_time` or returned an error that blames the \
         plugin in `connect`; or no instance could be made, for example because the pool is \
         exhausted.";
    InvalidConsumerResponse: 500, &[], "the consumer returned an invalid response",
        "See \"What a consumer may respond with\".";
    TooManySockets: 503, RETRY, "too many connections",
        "`max_connections` sockets are open.";
    Draining: 503, RETRY, "server is draining",
        "`narrowboat drain` runs.";
    HandshakeEnded: 503, RETRY, "the host ended the handshake; try again later",
        "The consumer answered `later`, and before it decided the host stopped, drained or reloaded \
         the plugin, the consumer could not move to another version, or its outbound queue was full.";
    HandshakeTimedOut: 503, RETRY, "the handshake took too long; try again later",
        "`handshake_timeout` ended before the consumer decided, or before the host could ask it.";
    PluginUnavailable: 503, &[], "this plugin is not available now",
        "The plugin is not served: a tenant's component is missing or broken. Or the layer cannot \
         open a channel.";
    PluginNotBuilt: 503, RETRY,
        "this plugin is not built yet; see the output of narrowboat dev",
        "`narrowboat dev` has not built the plugin's crate yet, or the first build failed.";
    TooManyHandshakes: 503, RETRY, "too many new connections a second; try again later",
        "The plugin or its tenant reached `handshakes_per_second`.";
    TooManyConnections: 503, RETRY, "the limit of open connections is reached; try again later",
        "The plugin or its tenant reached `connections`.";
    QuotaExceeded: 503, RETRY, "plugin resource limit reached; try again later",
        "`instances` or `total_memory` is reached.";
    RoomElsewhere: 503, RETRY, "another host has the room; try again",
        "Another host owns the [room](../how-to/keep-state-in-rooms.md) of the connection. `Retry-After` has the seconds after \
         which its lease ends, unless that host renews it.";
    RoomUnavailable: 503, RETRY, "the room cannot be opened now; try again later",
        "The state of the room cannot be read, or a newer version than the live one saved it. The log has a warning.";
    WebhookUnavailable: 503, RETRY, "authentication service unavailable",
        "`[users.webhook]`: the site did not respond in time, or its response is not one of 200 \
         with a JSON object, 204, 401 and 403. The log has a warning.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rejections_are_in_the_order_of_their_statuses() {
        assert!(HostRejection::ALL.is_sorted_by_key(|rejection| rejection.status()));
    }

    #[test]
    fn a_rejection_has_one_line_and_an_error_status() {
        for rejection in HostRejection::ALL {
            assert!((400..=599).contains(&rejection.status()), "{rejection:?}");
            assert!(!rejection.body().contains('\n'), "{rejection:?}");
        }
    }

    #[test]
    fn an_invalid_token_carries_its_reason() {
        assert_eq!(
            HostRejection::InvalidToken("the token has expired").body(),
            "the token has expired"
        );
    }
}
