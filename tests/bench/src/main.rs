//! The benchmarks. `make bench` compares Narrowboat with other servers. `make swap-bench` measures the effect of swaps
//! on open connections, and `make room-bench` rooms and hibernation. `make layer-bench` measures messages between hosts, and
//! `make source-bench` source plugins.
//!
//! One program in several roles, each a process of its own: without a subcommand it is the run, which
//! starts the servers and the clients, and prints their results.

mod bare;
mod call;
mod client;
mod comparison;
mod component;
mod cpu;
mod fairness;
mod file_limit;
mod guest;
mod layer;
mod measurement;
mod memory;
mod narrowboat_only;
mod output;
mod peer;
mod process;
mod report;
mod rooms;
mod run;
mod section;
mod service;
mod socket;
mod source_plugins;
mod spread;
mod swap;
mod table;

use clap::{Parser, Subcommand};

/// Compares Narrowboat with other servers
#[derive(Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  narrowboat-bench                     an hour
  narrowboat-bench --quick             some minutes, wider spread
  narrowboat-bench --only echo,idle    two parts of it
  narrowboat-bench --verbose           with the owners of memory and mappings
  narrowboat-bench rooms               rooms and hibernation, some minutes
  narrowboat-bench source              source plugins in each language, some minutes
  narrowboat-bench layer               one host to another over Redis, some minutes
  narrowboat-bench swap                swaps under 8000 connections, some minutes"
)]
struct Cli {
    #[command(flatten)]
    run: run::BenchArgs,
    #[command(subcommand)]
    role: Option<Role>,
}

/// The other roles. The run starts most of them.
#[derive(Subcommand)]
enum Role {
    /// Serve with tokio-tungstenite only
    Bare(bare::BareArgs),
    /// Serve echo with tokio-tungstenite and one component instance for each connection
    Guest(guest::GuestArgs),
    /// Measure the echoes of a server
    Load(client::echo::EchoArgs),
    /// Measure the latency of echoes at a fixed rate
    PacedLoad(client::paced::PacedArgs),
    /// Measure the deliveries in a room
    RoomLoad(client::room::RoomArgs),
    /// Measure opening and closing connections
    ConnectsLoad(client::connects::ConnectsArgs),
    /// Measure the memory of idle connections
    Idle(client::idle::IdleArgs),
    /// Make a plugin misbehave until the process is killed
    Rude(client::misbehaving::MisbehavingArgs),
    /// Measure guest calls without a socket
    Call(call::CallArgs),
    /// Measure rooms and hibernation, and compare with the aims
    Rooms(rooms::RoomsArgs),
    /// Measure source plugins in each language, and compare with the aims
    Source(source_plugins::SourceArgs),
    /// Measure messages between two hosts, and compare with channels_redis
    Layer(layer::LayerArgs),
    /// Run the clients of one round of `layer`
    LayerLoad(layer::load::LayerLoadArgs),
    /// Swap a plugin under thousands of open connections, and report the effects
    Swap(swap::SwapArgs),
    /// Run the clients of `swap`, and swap the plugin
    SwapCourse(swap::under_load::SwapCourseArgs),
    /// Swap on an idle host, and measure the time until new connections get the new code
    SwapIdle(swap::idle::SwapIdleArgs),
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match cli.role {
        None => run::run(&cli.run),
        Some(Role::Bare(arguments)) => bare::serve(&arguments),
        Some(Role::Guest(arguments)) => guest::serve(&arguments),
        Some(Role::Load(arguments)) => output::print_json(&client::echo::run(&arguments)?),
        Some(Role::PacedLoad(arguments)) => output::print_json(&client::paced::run(&arguments)?),
        Some(Role::RoomLoad(arguments)) => output::print_json(&client::room::run(&arguments)?),
        Some(Role::ConnectsLoad(arguments)) => {
            output::print_json(&client::connects::run(&arguments)?)
        }
        Some(Role::Rude(arguments)) => client::misbehaving::run(&arguments),
        Some(Role::Idle(arguments)) => output::print_json(&client::idle::run(&arguments)?),
        Some(Role::Call(arguments)) => output::print_json(&call::run(&arguments)?),
        Some(Role::Rooms(arguments)) => rooms::run(&arguments),
        Some(Role::Source(arguments)) => source_plugins::run(&arguments),
        Some(Role::Layer(arguments)) => layer::run(&arguments),
        Some(Role::LayerLoad(arguments)) => output::print_json(&layer::load::run(&arguments)?),
        Some(Role::Swap(arguments)) => swap::run(&arguments),
        Some(Role::SwapCourse(arguments)) => {
            output::print_json(&swap::under_load::run(&arguments)?)
        }
        Some(Role::SwapIdle(arguments)) => output::print_json(&swap::idle::run(&arguments)?),
    }
}
