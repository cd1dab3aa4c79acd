//! Admission of connections.

use std::net::IpAddr;
use std::sync::Arc;

use narrowboat_sync::{GaugeLimit, GaugeLimitGuards};

use crate::limit_kind::LimitKind;
use crate::quota_chain::QuotaChain;

/// An admitted connection. It counts at every node of its quota chain until it is dropped.
#[derive(Debug)]
pub struct ConnectionPermit {
    quota: Arc<QuotaChain>,
    address: IpAddr,
}

impl QuotaChain {
    /// Admits a connection from an address.
    ///
    /// # Errors
    /// The limit that was reached. A refused connection counts nowhere.
    pub fn try_admit_connection(
        self: &Arc<Self>,
        address: IpAddr,
    ) -> Result<ConnectionPermit, LimitKind> {
        // While the gauges are locked, no other connection is admitted at these nodes.
        let mut connections = GaugeLimit::lock_all(self.gauges(|node| &node.connections));
        if let Some((index, kind)) = self.find_connection_limit(&connections, address) {
            drop(connections);
            self.record_limit_hit_at(index, kind);
            return Err(kind);
        }
        connections.acquire(1);
        for node in &self.nodes {
            node.per_address.acquire_unchecked(address);
            node.handshake_rate.consume(1);
        }
        Ok(ConnectionPermit { quota: Arc::clone(self), address })
    }

    /// Returns the first limit that has no room for another connection, and the index of its node.
    fn find_connection_limit(
        &self,
        connections: &GaugeLimitGuards<'_, 3>,
        address: IpAddr,
    ) -> Option<(usize, LimitKind)> {
        self.nodes.iter().enumerate().find_map(|(index, node)| {
            let kind = if node.handshake_rate.wait_time_for_unit().is_some() {
                LimitKind::Handshakes
            } else if !connections.has_room(index, 1) {
                LimitKind::Connections
            } else if !node.per_address.has_room(address) {
                LimitKind::ConnectionsPerAddress
            } else {
                return None;
            };
            Some((index, kind))
        })
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.quota.nodes.iter().for_each(|node| node.release_connection(self.address));
    }
}
