//! The decision of a handshake: which plugin a request is for, whether it may connect, and what the consumer says.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use crate::host::Host;
use crate::tenants::{RouteMatch, TenantRuntime};
use narrowboat_channels::Mailbox;
use narrowboat_core::handshake_response::{HostRejection, Rejection};
use narrowboat_core::name::Tenant;
use narrowboat_quota::LimitKind;
use narrowboat_session::{
    self as session, AcceptedConsumer, ConnectOutcome, InstanceRegistry, Permits,
};
use narrowboat_websocket::connection::{ConnectionHandle, OutboundLimits};
use narrowboat_websocket::handshake::{Decision, HandshakeRequest};

/// The attribute of a scope with the part of the path that routes do not see, named as in ASGI.
const ROOT_PATH_ATTRIBUTE: &str = "root_path";

impl Host {
    /// Responds with the demo page, or asks the plugin that the path leads to for its decision. `permit` is held until
    /// the consumer's `disconnect` has returned, and the value of `register` while a consumer decides later. A request over
    /// TLS for a name of `tls_tenant` is for this tenant alone.
    ///
    /// # Errors
    /// The response if the handshake is rejected. The first check that fails decides it.
    pub(crate) async fn decide_handshake<G>(
        &self,
        mut request: HandshakeRequest,
        tls_tenant: Option<Tenant>,
        permit: Arc<OwnedSemaphorePermit>,
        register: impl FnOnce(&AcceptedConsumer) -> G,
    ) -> Result<Decision<Box<AcceptedConsumer>>, Rejection> {
        if let Some(proxy) = self.proxy() {
            request = request.with_forwarded_headers(proxy)?;
        }
        let path = request.path()?;
        let (tenant, route_path) = self.find_tenant(&request, &path)?;
        if tls_tenant.is_some_and(|of_name| of_name != tenant.tenant) {
            return Err(HostRejection::MisdirectedRequest.into());
        }
        if let Some(demo) = &tenant.demo
            // Boxed, so that other handshakes do not keep memory for it.
            && let Some(response) = Box::pin(demo.respond(&mut request)).await
        {
            return Ok(Decision::Respond(response));
        }
        let RouteMatch { route, captures } = self.find_route(&request, &tenant, route_path)?;
        let registry = tenant.instance_registry(&route.plugin);
        let registry = registry.ok_or_else(|| tenant.unavailable_rejection(&route.plugin))?;
        // Before the user is authenticated, because that takes resources too.
        let connection_quota =
            registry.plugin().quota.try_admit_connection(request.client_addr().ip());
        let connection_permit = connection_quota.map_err(quota_rejection)?;
        let user = match self.authenticator() {
            Some(authenticator) => authenticator.authenticate(&request).await?,
            None => None,
        };
        let mailbox = open_mailbox(registry, &tenant).await?;
        let max_message = route.max_message.unwrap_or(self.limits().max_message).bytes();
        let handle = self.connection_handle(registry, &mailbox, max_message);
        let mut scope = request.into_scope(route_path.to_owned(), captures, user);
        if let Some(root_path) = &tenant.request_matcher().path {
            scope.attributes.push((ROOT_PATH_ATTRIBUTE.to_owned(), root_path.clone()));
        }
        let permits = Permits { host: permit, plugin: connection_permit };
        let connecting =
            session::connect_consumer(registry, mailbox, handle, scope, permits, register);
        match connecting.await {
            ConnectOutcome::Accepted(acceptance, handler) => {
                Ok(Decision::Accept { acceptance, max_message, deflate: route.deflate, handler })
            }
            ConnectOutcome::Rejected(rejection) => Err(rejection),
        }
    }

    /// The tenant of a request, and the part of its decoded path that routes see.
    fn find_tenant<'a>(
        &self,
        request: &HandshakeRequest,
        path: &'a str,
    ) -> Result<(Arc<TenantRuntime>, &'a str), Rejection> {
        let matched = self.tenants().match_request(request.host(), path);
        let (tenant, route_path) = matched.ok_or(HostRejection::NoRoute)?;
        // A tenant with hosts of its own was matched by them.
        if let (Some(hosts), []) = (&self.allow_lists().hosts, &*tenant.request_matcher().hosts) {
            request.check_host(hosts)?;
        }
        Ok((tenant, route_path))
    }

    /// The route of a WebSocket handshake, whose origin is allowed.
    fn find_route<'a>(
        &self,
        request: &HandshakeRequest,
        tenant: &'a TenantRuntime,
        route_path: &str,
    ) -> Result<RouteMatch<'a>, Rejection> {
        let matched = tenant.router.match_path(route_path).ok_or(HostRejection::NoRoute)?;
        request.check_upgrade()?;
        let origins = tenant.allowed_origins().or(self.allow_lists().origins.as_deref());
        if let Some(origins) = origins {
            request.check_origin(origins)?;
        }
        Ok(matched)
    }

    /// The handle of a connection to a plugin. Its messages have at most `max_message` bytes.
    fn connection_handle(
        &self,
        registry: &InstanceRegistry,
        mailbox: &Mailbox,
        max_message: usize,
    ) -> Arc<ConnectionHandle> {
        let outbound_limits = OutboundLimits {
            max_queued_bytes: self.limits().outbound_queue.bytes(),
            max_frame: max_message,
            overflow: registry.plugin().overflow,
        };
        let (channel, traffic) = (mailbox.channel().clone(), Arc::clone(registry.traffic()));
        Arc::new(ConnectionHandle::new(channel, outbound_limits, traffic))
    }
}

/// Opens the channel of a new connection.
async fn open_mailbox(
    registry: &InstanceRegistry,
    tenant: &TenantRuntime,
) -> Result<Mailbox, Rejection> {
    registry.layer().new_channel(&tenant.tenant).await.map_err(|error| {
        let plugin = &*registry.plugin().label;
        tracing::warn!(plugin, %error, "cannot open a channel for a connection");
        HostRejection::PluginUnavailable.into()
    })
}

/// The response to a connection that a quota does not admit.
fn quota_rejection(kind: LimitKind) -> HostRejection<'static> {
    match kind {
        LimitKind::ConnectionsPerAddress => HostRejection::TooManyConnectionsOfAddress,
        LimitKind::Handshakes => HostRejection::TooManyHandshakes,
        _ => HostRejection::TooManyConnections,
    }
}
