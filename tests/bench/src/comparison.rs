//! The comparisons of a run: a load, the servers that carry it, and the goals.

use narrowboat_core::manifest::Language;

use crate::client::{EchoLoad, Load};
use crate::guest::CallKind;
use crate::measurement::BenchMetric;
use crate::peer::Peer;
use crate::run::BenchPart;
use crate::section::Goal;
use crate::service::{RoomDelivery, Service};

/// The number of connections of an echo load.
pub(crate) const CONNECTIONS: usize = 50;

/// The larger numbers of connections of an echo load. The default limits of a machine allow 20,000 open files and 65,530
/// mappings for each process.
const MANY_CONNECTIONS: [usize; 3] = [1_000, 8_000, 15_000];

/// The default length of a text, in bytes.
pub(crate) const PAYLOAD: usize = 64;

/// The numbers of members of a room.
const MEMBERS: [usize; 4] = [10, 100, 1_000, 8_000];

/// The numbers of members of the rooms that have goals, and that are measured with one text in flight too.
const GOAL_MEMBERS: [usize; 2] = [10, 1_000];

/// The number of texts of a room in flight.
const IN_FLIGHT: usize = 4;

/// The largest room in which Django Channels takes part. In larger ones a round would deliver too few texts.
const CHANNELS_MEMBERS: usize = 100;

/// The largest room in which source plugins take part.
const SOURCE_MEMBERS: usize = 1_000;

/// The host with each isolation.
const HOSTS: [Peer; 2] = [Peer::InstancePerConnection, Peer::SharedInstance];

const CHANNELS: [Peer; 2] = [Peer::Uvicorn, Peer::Daphne];

const SOURCES: [Peer; 2] = [Peer::Source(Language::Python), Peer::Source(Language::JavaScript)];

/// One load on several servers.
pub(crate) struct Comparison {
    /// The part of the run.
    pub(crate) part: BenchPart,
    /// The title in the report.
    pub(crate) title: String,
    /// The service of the servers.
    pub(crate) service: Service,
    /// The load.
    pub(crate) load: Load,
    /// The servers. The first is the baseline of the ratios.
    pub(crate) peers: Vec<Peer>,
    /// The goals.
    pub(crate) goals: Vec<Goal>,
}

/// The comparisons with fixed loads, in the order of the report.
pub(crate) fn all_comparisons() -> Vec<Comparison> {
    let mut all = Vec::new();
    for (in_flight, bound) in [(1, 1.3), (16, 1.8)] {
        all.extend([PAYLOAD, 1_024].map(|payload| compare_echo(payload, in_flight, bound)));
    }
    all.extend(MANY_CONNECTIONS.map(compare_many_connections));
    all.extend(GOAL_MEMBERS.map(|members| compare_broadcast(members, IN_FLIGHT)));
    all.extend(MEMBERS.map(|members| compare_frames(members, IN_FLIGHT)));
    all.extend(MEMBERS.map(|members| compare_handlers(members, IN_FLIGHT)));
    for members in GOAL_MEMBERS {
        all.extend(
            [compare_broadcast, compare_frames, compare_handlers]
                .map(|compare| compare(members, 1)),
        );
    }
    all.push(compare_connects());
    all
}

/// The latency of echoes at `rate` messages a second.
pub(crate) fn compare_latency(rate: u64) -> Comparison {
    Comparison {
        part: BenchPart::Latency,
        title: format!(
            "Echo of {PAYLOAD} B, {CONNECTIONS} connections, {rate} a second: half of Bun's rate"
        ),
        service: Service::Echo,
        load: Load::Paced { connections: CONNECTIONS, payload: PAYLOAD, rate },
        peers: [&[Peer::Bun, Peer::Gorilla, Peer::Bare, Peer::Ws], &HOSTS[..]].concat(),
        goals: Vec::new(),
    }
}

/// The load of `compare_latency` without a fixed rate.
pub(crate) fn full_echo_load() -> Load {
    Load::Echo(EchoLoad { connections: CONNECTIONS, payload: PAYLOAD, in_flight: 1 })
}

fn compare_echo(payload: usize, in_flight: usize, bound: f64) -> Comparison {
    let mut peers = vec![Peer::Bun, Peer::Gorilla, Peer::Bare, Peer::Ws];
    peers.extend(HOSTS);
    if payload == PAYLOAD {
        peers.extend([CallKind::Plain, CallKind::Fiber].map(Peer::Guest));
        peers.push(Peer::OnGuestThread);
        peers.extend(SOURCES);
        peers.extend(CHANNELS);
    }
    Comparison {
        part: BenchPart::Echo,
        title: format!("Echo of {payload} B, {CONNECTIONS} connections, {in_flight} in flight"),
        service: Service::Echo,
        load: Load::Echo(EchoLoad { connections: CONNECTIONS, payload, in_flight }),
        peers,
        goals: HOSTS.map(|peer| cpu_goal(peer, bound)).to_vec(),
    }
}

/// The cost of an echo among many connections.
fn compare_many_connections(connections: usize) -> Comparison {
    Comparison {
        part: BenchPart::Echo,
        title: format!("Echo of {PAYLOAD} B, {connections} connections, 1 in flight"),
        service: Service::Echo,
        load: Load::Echo(EchoLoad { connections, payload: PAYLOAD, in_flight: 1 }),
        peers: [&[Peer::Bun, Peer::Bare], &HOSTS[..]].concat(),
        goals: Vec::new(),
    }
}

fn compare_broadcast(members: usize, in_flight: usize) -> Comparison {
    Comparison {
        part: BenchPart::Broadcast,
        title: format!("The broadcast plugin, {}, a delivery", room_title(members, in_flight)),
        service: Service::Room(RoomDelivery::Broadcast),
        load: room_load(members, in_flight),
        peers: vec![Peer::Bun, Peer::Gorilla, Peer::Bare, Peer::Ws, Peer::SharedInstance],
        goals: frame_goals(members, &[Peer::SharedInstance]),
    }
}

fn compare_frames(members: usize, in_flight: usize) -> Comparison {
    Comparison {
        part: BenchPart::Frames,
        title: format!(
            "A group by group-send-frame, {}, a delivery",
            room_title(members, in_flight)
        ),
        service: Service::Room(RoomDelivery::Frame),
        load: room_load(members, in_flight),
        peers: [&[Peer::Bun, Peer::Gorilla, Peer::Bare, Peer::Ws], &HOSTS[..]].concat(),
        goals: frame_goals(members, &HOSTS),
    }
}

fn compare_handlers(members: usize, in_flight: usize) -> Comparison {
    let mut peers = vec![Peer::Bun, Peer::Gorilla, Peer::Ws];
    peers.extend(HOSTS);
    if members <= SOURCE_MEMBERS {
        peers.extend(SOURCES);
    }
    if members <= CHANNELS_MEMBERS {
        peers.extend(CHANNELS);
    }
    let bounds = [(Peer::SharedInstance, 1.6), (Peer::InstancePerConnection, 2.2)];
    let goals = bounds.map(|(peer, bound)| cpu_goal(peer, bound)).to_vec();
    Comparison {
        part: BenchPart::Group,
        title: format!("A group through handlers, {}, a delivery", room_title(members, in_flight)),
        service: Service::Room(RoomDelivery::Handler),
        load: room_load(members, in_flight),
        peers,
        goals: if has_room_goal(members) { goals } else { Vec::new() },
    }
}

fn compare_connects() -> Comparison {
    Comparison {
        part: BenchPart::Connects,
        title: "Connections opened and closed, 32 at a time, each".to_owned(),
        service: Service::Echo,
        load: Load::Connects { at_once: 32 },
        peers: [&[Peer::Bun, Peer::Gorilla, Peer::Bare, Peer::Ws], &HOSTS[..]].concat(),
        goals: Vec::new(),
    }
}

fn room_title(members: usize, in_flight: usize) -> String {
    format!("{members} members, {in_flight} in flight")
}

fn room_load(members: usize, in_flight: usize) -> Load {
    Load::Room { members, payload: PAYLOAD, in_flight }
}

/// The goals of a room whose members' consumers do not run.
fn frame_goals(members: usize, peers: &[Peer]) -> Vec<Goal> {
    let bound = if members == 10 { 1.25 } else { 1.1 };
    let goals = peers.iter().map(|peer| cpu_goal(*peer, bound));
    if has_room_goal(members) { goals.collect() } else { Vec::new() }
}

/// Whether the rooms of this size have goals.
fn has_room_goal(members: usize) -> bool {
    GOAL_MEMBERS.contains(&members)
}

/// A goal for the processor time, against Bun.
fn cpu_goal(peer: Peer, times: f64) -> Goal {
    Goal { peer, figure: BenchMetric::Cpu, to: Peer::Bun, times }
}
