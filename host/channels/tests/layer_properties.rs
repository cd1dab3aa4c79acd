//! Compares the memory layer with a model that keeps everything in lists and searches all of it each time.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::collections::HashMap;
use std::time::Duration;

use narrowboat_channels::{
    ChannelLayer, Delivery, LayerError, LayerLimits, Mailbox, MaybeReady, MemoryLayer,
    UNREAD_OVERHEAD_BYTES,
};
use narrowboat_core::frame::Frame;
use narrowboat_core::message::Message;
use narrowboat_core::name::{ChannelName, GroupName, Tenant};
use proptest::prelude::*;
use tokio::time::{Instant, advance};

/// Two named channels, and two that end with their mailbox.
const CHANNELS: [&str; 4] = ["worker", "other", "specific.1!1", "specific.1!2"];
const GROUPS: [&str; 2] = ["g", "h"];

#[derive(Clone, Debug)]
enum Step {
    Open(usize),
    Close(usize),
    Send(usize, u8),
    Receive(usize),
    Add(usize, usize),
    Discard(usize, usize),
    GroupSend(usize, u8),
    GroupSendFrame(usize, u8),
    Pass(u64),
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    let (channel, group, len) = (0..CHANNELS.len(), 0..GROUPS.len(), 0..80_u8);
    prop_oneof![
        3 => channel.clone().prop_map(Step::Open),
        2 => channel.clone().prop_map(Step::Close),
        6 => (channel.clone(), len.clone()).prop_map(|(to, len)| Step::Send(to, len)),
        6 => channel.clone().prop_map(Step::Receive),
        4 => (group.clone(), channel.clone()).prop_map(|(to, member)| Step::Add(to, member)),
        2 => (group.clone(), channel).prop_map(|(from, member)| Step::Discard(from, member)),
        4 => (group.clone(), len.clone()).prop_map(|(to, len)| Step::GroupSend(to, len)),
        3 => (group, len).prop_map(|(to, len)| Step::GroupSendFrame(to, len)),
        4 => (1..50_u64).prop_map(Step::Pass),
        1 => Just(Step::Flush),
    ]
}

fn limits() -> LayerLimits {
    LayerLimits {
        capacity: 3,
        expiry: Duration::from_secs(60),
        group_expiry: Duration::from_secs(200),
        message_bytes: 85,
        mailbox_bytes: 120,
        unread_bytes: 4 * UNREAD_OVERHEAD_BYTES + 200,
        groups_per_channel: 1,
        memberships: 3,
        ..LayerLimits::default()
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Waiting {
    until: Instant,
    delivery: Delivery,
}

#[derive(Debug)]
struct Membership {
    group: usize,
    channel: usize,
    until: Instant,
    /// Distinguishes memberships that were added or renewed at the same time.
    serial: u64,
}

/// A simple and slow implementation of a layer.
struct Model {
    limits: LayerLimits,
    waiting: HashMap<usize, Vec<Waiting>>,
    open: [bool; CHANNELS.len()],
    members: Vec<Membership>,
    serial: u64,
    dropped: u64,
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Done,
    Full,
    UnreadFull,
    TooLarge,
    TooManyGroups,
    TooManyMemberships,
    Busy,
}

impl From<LayerError> for Outcome {
    fn from(error: LayerError) -> Self {
        match error {
            LayerError::ChannelFull { .. } => Self::Full,
            LayerError::UnreadFull { .. } => Self::UnreadFull,
            LayerError::TooLarge { .. } => Self::TooLarge,
            LayerError::TooManyGroups { .. } => Self::TooManyGroups,
            LayerError::TooManyMemberships { .. } => Self::TooManyMemberships,
            LayerError::ChannelBusy { .. } => Self::Busy,
            other => panic!("{other}"),
        }
    }
}

fn is_unique(channel: usize) -> bool {
    CHANNELS[channel].contains('!')
}

impl Model {
    fn new(limits: LayerLimits) -> Self {
        Self {
            limits,
            waiting: HashMap::new(),
            open: [false; CHANNELS.len()],
            members: Vec::new(),
            serial: 0,
            dropped: 0,
        }
    }

    fn expire(&mut self) {
        let now = Instant::now();
        for waiting in self.waiting.values_mut() {
            waiting.retain(|one| one.until > now);
        }
        let expired = |m: &&Membership| !is_unique(m.channel) && m.until <= now;
        while let Some(first) =
            self.members.iter().filter(expired).map(|m| (m.until, m.serial)).min()
        {
            let is_first = |m: &Membership| (m.until, m.serial) == first;
            let member = self.members.iter_mut().find(|m| is_first(m)).unwrap();
            if self.open[member.channel] {
                self.serial += 1;
                (member.until, member.serial) = (now + self.limits.group_expiry, self.serial);
            } else {
                self.remove(is_first);
            }
        }
    }

    fn unread(&self) -> usize {
        let unread = self.waiting.iter().filter(|(channel, _)| !self.open[**channel]);
        unread
            .flat_map(|(_, waiting)| waiting)
            .map(|one| one.delivery.len() + UNREAD_OVERHEAD_BYTES)
            .sum()
    }

    fn offer(&mut self, to: usize, delivery: Delivery) -> Outcome {
        if is_unique(to) && !self.open[to] {
            return Outcome::Done;
        }
        let len = delivery.len();
        let waiting = self.waiting.get(&to).map_or(&[][..], Vec::as_slice);
        let bytes: usize = waiting.iter().map(|one| one.delivery.len()).sum();
        let over = !waiting.is_empty() && bytes + len > self.limits.mailbox_bytes;
        if waiting.len() >= self.limits.capacity || over {
            return Outcome::Full;
        }
        if !self.open[to] && self.unread() + len + UNREAD_OVERHEAD_BYTES > self.limits.unread_bytes
        {
            return Outcome::UnreadFull;
        }
        let until = Instant::now() + self.limits.expiry;
        self.waiting.entry(to).or_default().push(Waiting { until, delivery });
        Outcome::Done
    }

    fn send(&mut self, to: usize, delivery: Delivery) -> Outcome {
        if delivery.len() > self.limits.message_bytes {
            return Outcome::TooLarge;
        }
        self.offer(to, delivery)
    }

    /// The order of the members matters if the limit on unread bytes is reached between two.
    fn group_send(&mut self, group: usize, delivery: &Delivery) -> Outcome {
        if delivery.len() > self.limits.message_bytes {
            return Outcome::TooLarge;
        }
        let members: Vec<usize> =
            self.members.iter().filter(|m| m.group == group).map(|m| m.channel).collect();
        for channel in members {
            self.dropped += u64::from(self.offer(channel, delivery.clone()) != Outcome::Done);
        }
        Outcome::Done
    }

    fn add(&mut self, group: usize, channel: usize) -> Outcome {
        if is_unique(channel) && !self.open[channel] {
            return Outcome::Done;
        }
        let until = Instant::now() + self.limits.group_expiry;
        self.serial += 1;
        let serial = self.serial;
        let same = |m: &&mut Membership| m.group == group && m.channel == channel;
        if let Some(member) = self.members.iter_mut().find(same) {
            (member.until, member.serial) = (until, serial);
            return Outcome::Done;
        }
        if self.members.iter().filter(|m| m.channel == channel).count()
            >= self.limits.groups_per_channel
        {
            return Outcome::TooManyGroups;
        }
        if self.members.len() >= self.limits.memberships {
            return Outcome::TooManyMemberships;
        }
        self.members.push(Membership { group, channel, until, serial });
        Outcome::Done
    }

    fn remove(&mut self, leaves: impl Fn(&Membership) -> bool) {
        // As in the layer, the last member of the group takes the place of the one that left.
        while let Some(at) = self.members.iter().position(&leaves) {
            let group = self.members[at].group;
            let last = self.members.iter().rposition(|m| m.group == group).unwrap();
            self.members.swap(at, last);
            self.members.remove(last);
        }
    }

    fn close(&mut self, channel: usize) {
        self.open[channel] = false;
        if is_unique(channel) {
            self.waiting.remove(&channel);
            self.remove(|m| m.channel == channel);
        }
    }

    fn receive(&mut self, channel: usize) -> Option<Delivery> {
        let waiting = self.waiting.get_mut(&channel)?;
        (!waiting.is_empty()).then(|| waiting.remove(0).delivery)
    }
}

/// The layer and its mailboxes.
struct Real {
    layer: MemoryLayer,
    tenant: Tenant,
    channels: Vec<ChannelName>,
    groups: Vec<GroupName>,
    mailboxes: HashMap<usize, Mailbox>,
}

fn outcome<T>(answer: MaybeReady<'_, Result<T, LayerError>>) -> Outcome {
    answer.into_ready().ok().unwrap().map_or_else(Outcome::from, |_| Outcome::Done)
}

impl Real {
    fn new(limits: LayerLimits) -> Self {
        Self {
            layer: MemoryLayer::new(limits),
            tenant: Tenant::default_tenant(),
            channels: CHANNELS.iter().map(|name| name.parse().unwrap()).collect(),
            groups: GROUPS.iter().map(|name| name.parse().unwrap()).collect(),
            mailboxes: HashMap::new(),
        }
    }

    fn open(&mut self, channel: usize) -> Outcome {
        match self
            .layer
            .open_channel(&self.tenant, &self.channels[channel])
            .into_ready()
            .ok()
            .unwrap()
        {
            Ok(mailbox) => {
                self.mailboxes.insert(channel, mailbox);
                Outcome::Done
            }
            Err(error) => error.into(),
        }
    }
}

/// A message of at least 11 bytes, which `serial` distinguishes.
fn message(serial: usize, len: u8) -> Message {
    let mut bytes = b"\x82\xa4type\xa4".to_vec();
    bytes.extend(format!("{:04}", serial % 10_000).bytes());
    bytes.extend(b"\xa1x\xc4");
    bytes.push(len);
    bytes.resize(bytes.len() + usize::from(len), 0);
    Message::parse(bytes.into(), usize::MAX).unwrap()
}

fn frame(serial: usize, len: u8) -> Frame {
    Frame::Text(format!("{serial:len$}", len = usize::from(len)).into())
}

async fn run(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let (mut model, mut real) = (Model::new(limits()), Real::new(limits()));
    for (serial, step) in steps.into_iter().enumerate() {
        model.expire();
        apply(&mut model, &mut real, serial, step).await?;
        prop_assert_eq!(model.dropped, real.layer.status().dropped_count);
    }
    model.expire();
    for channel in 0..CHANNELS.len() {
        if !model.open[channel] {
            prop_assert_eq!(real.open(channel), Outcome::Done);
        }
        let mailbox = real.mailboxes.get_mut(&channel).unwrap();
        while let Some(delivery) = model.receive(channel) {
            prop_assert_eq!(mailbox.try_recv(), Some(delivery));
        }
        prop_assert_eq!(mailbox.try_recv(), None);
    }
    Ok(())
}

async fn apply(
    model: &mut Model,
    real: &mut Real,
    serial: usize,
    step: Step,
) -> Result<(), TestCaseError> {
    let Real { layer, tenant, channels, groups, mailboxes } = real;
    match step {
        Step::Open(channel) => {
            let expected = if model.open[channel] { Outcome::Busy } else { Outcome::Done };
            model.open[channel] = true;
            prop_assert_eq!(real.open(channel), expected);
        }
        Step::Close(channel) => {
            model.close(channel);
            mailboxes.remove(&channel);
        }
        Step::Send(to, len) => {
            let message = message(serial, len);
            let expected = model.send(to, Delivery::Message(message.clone()));
            let probed = layer.check_send(
                tenant,
                &channels[to],
                narrowboat_channels::QueueLoad::default(),
                message.len(),
            );
            prop_assert_eq!(&probed.map_or_else(Outcome::from, |()| Outcome::Done), &expected);
            prop_assert_eq!(outcome(layer.send(tenant, &channels[to], message)), expected);
        }
        Step::Receive(channel) => {
            if let Some(mailbox) = mailboxes.get_mut(&channel) {
                prop_assert_eq!(mailbox.try_recv(), model.receive(channel));
            }
        }
        Step::Add(to, member) => {
            let added = outcome(layer.group_add(tenant, &groups[to], &channels[member]));
            prop_assert_eq!(added, model.add(to, member));
        }
        Step::Discard(from, member) => {
            model.remove(|m| m.group == from && m.channel == member);
            prop_assert_eq!(
                outcome(layer.group_discard(tenant, &groups[from], &channels[member])),
                Outcome::Done
            );
        }
        Step::GroupSend(to, len) => {
            let message = message(serial, len);
            let expected = model.group_send(to, &Delivery::Message(message.clone()));
            prop_assert_eq!(outcome(layer.group_send(tenant, &groups[to], message)), expected);
        }
        Step::GroupSendFrame(to, len) => {
            let frame = frame(serial, len);
            let expected = model.group_send(to, &Delivery::Frame(frame.clone()));
            prop_assert_eq!(outcome(layer.group_send_frame(tenant, &groups[to], frame)), expected);
        }
        Step::Pass(seconds) => {
            advance(Duration::from_secs(seconds)).await;
            // Any operation, so that memberships expire or are renewed before the next step changes the reader.
            layer.group_discard(tenant, &groups[0], &"nobody".parse().unwrap());
        }
        Step::Flush => {
            model.waiting.clear();
            model.members.clear();
            prop_assert_eq!(outcome(layer.flush(tenant)), Outcome::Done);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn any_sequence_of_operations_has_the_results_of_the_model(steps in prop::collection::vec(step(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(steps))?;
    }
}
