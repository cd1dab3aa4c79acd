//! `make bench`: what Narrowboat costs beside other servers; `make swap-bench`: what
//! connections notice when a plugin is swapped under them; `make layer-bench`: what passes between hosts.
//!
//! One program in several roles, each a process of its own: without a subcommand it is the run, which
//! starts the servers and the clients, gathers what they measured and prints it.

mod bare;
mod call;
mod client;
mod component;
mod cpu;
mod fairness;
mod guest;
mod layer;
mod limits;
mod measured;
mod memory;
mod peer;
mod process;
mod report;
mod run;
mod section;
mod service;
mod single;
mod socket;
mod spread;
mod swap;
mod table;
mod tell;

use clap::{Parser, Subcommand};

/// Measures Narrowboat beside other servers
#[derive(Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  narrowboat-bench                     half an hour
  narrowboat-bench --quick             some minutes, wider spread
  narrowboat-bench --only echo,idle    two parts of it
  narrowboat-bench --verbose           with the owners of memory and mappings
  narrowboat-bench layer               one host to another over Redis, some minutes
  narrowboat-bench swap                swaps under 8000 connections, some minutes"
)]
struct Cli {
    #[command(flatten)]
    run: run::Arguments,
    #[command(subcommand)]
    role: Option<Role>,
}

/// The other roles, which the run starts.
#[derive(Subcommand)]
enum Role {
    /// Serve by tokio-tungstenite alone
    Bare(bare::Arguments),
    /// Serve echo by tokio-tungstenite and an instance of a component a connection
    Guest(guest::Arguments),
    /// Have a server echo, and print what it took
    Load(client::echo::Arguments),
    /// The same at a given rate, with how long it takes
    PacedLoad(client::paced::Arguments),
    /// Fill a room, and print what its deliveries took
    RoomLoad(client::room::Arguments),
    /// Open and close connections, and print what they took
    ConnectsLoad(client::connects::Arguments),
    /// Open connections that do nothing and print what each holds
    Idle(client::idle::Arguments),
    /// Have a plugin misbehave, until killed
    Rude(client::rude::Arguments),
    /// Call a component without a socket, and print what it took
    Call(call::Arguments),
    /// Publish on one host to members on another, beside channels_redis
    Layer(layer::Arguments),
    /// Be the clients of one such round
    LayerLoad(layer::load::Arguments),
    /// Swap a plugin under thousands of open connections, and print what they noticed
    Swap(swap::Arguments),
    /// Be the connections of one such run, and the one who swaps
    SwapCourse(swap::course::Arguments),
    /// Swap on an idle host, and print how soon new connections get the new code
    SwapIdle(swap::idle::Arguments),
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match cli.role {
        None => run::run(&cli.run),
        Some(Role::Bare(arguments)) => bare::serve(&arguments),
        Some(Role::Guest(arguments)) => guest::serve(&arguments),
        Some(Role::Load(arguments)) => tell::answer(&client::echo::run(&arguments)?),
        Some(Role::PacedLoad(arguments)) => tell::answer(&client::paced::run(&arguments)?),
        Some(Role::RoomLoad(arguments)) => tell::answer(&client::room::run(&arguments)?),
        Some(Role::ConnectsLoad(arguments)) => tell::answer(&client::connects::run(&arguments)?),
        Some(Role::Rude(arguments)) => client::rude::run(&arguments),
        Some(Role::Idle(arguments)) => tell::answer(&client::idle::run(&arguments)?),
        Some(Role::Call(arguments)) => tell::answer(&call::run(&arguments)?),
        Some(Role::Layer(arguments)) => layer::run(&arguments),
        Some(Role::LayerLoad(arguments)) => tell::answer(&layer::load::run(&arguments)?),
        Some(Role::Swap(arguments)) => swap::run(&arguments),
        Some(Role::SwapCourse(arguments)) => tell::answer(&swap::course::run(&arguments)?),
        Some(Role::SwapIdle(arguments)) => tell::answer(&swap::idle::run(&arguments)?),
    }
}
