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
mod run;
mod section;
mod service;
mod socket;
mod spread;
mod swap;
mod table;

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
    run: run::BenchArgs,
    #[command(subcommand)]
    role: Option<Role>,
}

/// The other roles, which the run starts.
#[derive(Subcommand)]
enum Role {
    /// Serve by tokio-tungstenite alone
    Bare(bare::BareArgs),
    /// Serve echo by tokio-tungstenite and an instance of a component a connection
    Guest(guest::GuestArgs),
    /// Have a server echo, and print what it took
    Load(client::echo::EchoArgs),
    /// The same at a given rate, with how long it takes
    PacedLoad(client::paced::PacedArgs),
    /// Fill a room, and print what its deliveries took
    RoomLoad(client::room::RoomArgs),
    /// Open and close connections, and print what they took
    ConnectsLoad(client::connects::ConnectsArgs),
    /// Open connections that do nothing and print what each holds
    Idle(client::idle::IdleArgs),
    /// Have a plugin misbehave, until killed
    Rude(client::misbehaving::MisbehavingArgs),
    /// Call a component without a socket, and print what it took
    Call(call::CallArgs),
    /// Publish on one host to members on another, beside channels_redis
    Layer(layer::LayerArgs),
    /// Be the clients of one such round
    LayerLoad(layer::load::LayerLoadArgs),
    /// Swap a plugin under thousands of open connections, and print what they noticed
    Swap(swap::SwapArgs),
    /// Be the connections of one such run, and the one who swaps
    SwapCourse(swap::under_load::SwapCourseArgs),
    /// Swap on an idle host, and print how soon new connections get the new code
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
        Some(Role::Layer(arguments)) => layer::run(&arguments),
        Some(Role::LayerLoad(arguments)) => output::print_json(&layer::load::run(&arguments)?),
        Some(Role::Swap(arguments)) => swap::run(&arguments),
        Some(Role::SwapCourse(arguments)) => {
            output::print_json(&swap::under_load::run(&arguments)?)
        }
        Some(Role::SwapIdle(arguments)) => output::print_json(&swap::idle::run(&arguments)?),
    }
}
