//! What is asked of Redis.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::World;
use super::queue::{Claim, Confirmation, Kind, Operation};
use crate::layer::{Delivery, LayerError};
use crate::name::{ChannelName, GroupName, Tenant};

/// Memberships that may be overdue. Beyond it they last until they expire.
const MOST_OVERDUE: usize = 1_000_000;

/// One thing to be done, in the order it was asked for.
pub(super) enum Op {
    Membership(Membership),
    Put(Put),
    GroupSend(GroupSend),
    Claim(Claim),
    /// A reader that waits is to wait no longer: shard and the number Redis gave its connection.
    Unblock(usize, i64),
    /// To be told once what was before is done.
    Confirm(Confirmation),
}

/// A membership to begin or to end.
pub(super) struct Membership {
    pub(super) world: Arc<World>,
    pub(super) group: GroupName,
    pub(super) channel: ChannelName,
    pub(super) begins: bool,
}

/// A message for one key.
pub(super) struct Put {
    pub(super) shard: usize,
    pub(super) key: String,
    /// When it was sent.
    pub(super) at: f64,
    /// Where it stood in the key before, if it was taken out of it.
    pub(super) score: Option<f64>,
    pub(super) capacity: usize,
    pub(super) wire: Vec<u8>,
    /// How many channels it is for.
    pub(super) receivers: u64,
    /// Whoever waits to hear of it, and the channel to name.
    pub(super) reply: Option<(ChannelName, oneshot::Sender<Result<(), LayerError>>)>,
}

/// A message or frame for a group.
pub(super) struct GroupSend {
    pub(super) world: Arc<World>,
    pub(super) group: GroupName,
    pub(super) delivery: Delivery,
    /// When it was sent.
    pub(super) at: f64,
}

impl Operation for Op {
    fn bytes(&self) -> usize {
        match self {
            Self::Put(put) => put.wire.len(),
            Self::GroupSend(send) => send.delivery.len(),
            Self::Membership(_) | Self::Claim(_) | Self::Unblock(..) | Self::Confirm(_) => 0,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Put(_) | Self::GroupSend(_) => Kind::Message,
            Self::Membership(_) => Kind::Membership,
            Self::Claim(_) | Self::Unblock(..) | Self::Confirm(_) => Kind::Other,
        }
    }

    fn confirm(told: Confirmation) -> Self {
        Self::Confirm(told)
    }

    fn claim(claim: Claim) -> Self {
        Self::Claim(claim)
    }
}

/// Memberships that could not be written when they began or ended. Those that began are known to the open channels.
#[derive(Default)]
pub(super) struct Overdue(Mutex<State>);

#[derive(Default)]
struct State {
    any: bool,
    ended: HashSet<(Tenant, GroupName, ChannelName)>,
}

impl Overdue {
    /// Notes a membership.
    pub(super) fn note(&self, Membership { world, group, channel, begins }: Membership) {
        let key = (world.tenant.clone(), group, channel);
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.any = true;
        if begins {
            state.ended.remove(&key);
        } else if state.ended.len() < MOST_OVERDUE {
            state.ended.insert(key);
        }
    }

    /// Whether any has been noted since they were [taken](Self::take).
    pub(super) fn any(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).any
    }

    /// Takes those that ended.
    pub(super) fn take(&self) -> HashSet<(Tenant, GroupName, ChannelName)> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.any = false;
        std::mem::take(&mut state.ended)
    }
}
