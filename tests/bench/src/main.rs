//! `make bench`: what Narrowboat costs beside a bare tokio-tungstenite server; `make swap-bench`: what
//! connections notice when a plugin is swapped under them; `make layer-bench`: what passes between hosts.
//!
//! One program in several roles, each a process of its own: without a subcommand it is the run, which
//! starts the servers and the clients, gathers what they measured and prints it.

mod bare;
mod comparison;
mod component;
mod cpu;
mod guest;
mod idle;
mod layer;
mod limits;
mod load;
mod memory;
mod peer;
mod process;
mod report;
mod run;
mod socket;
mod spread;
mod swap;
mod table;
mod tell;

use clap::{Parser, Subcommand};

/// Measures Narrowboat beside a bare tokio-tungstenite server
#[derive(Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  narrowboat-bench                     two minutes
  narrowboat-bench --quick             half a minute, wider spread
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
    /// Serve echo by tokio-tungstenite alone
    Bare,
    /// Serve echo by tokio-tungstenite and an instance of a component a connection
    Guest(guest::Arguments),
    /// Load a server and print what it took
    Load(load::Arguments),
    /// Open connections that do nothing and print what each holds
    Idle(idle::Arguments),
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
        Some(Role::Bare) => bare::serve(),
        Some(Role::Guest(arguments)) => guest::serve(&arguments),
        Some(Role::Load(arguments)) => tell::answer(&load::run(&arguments)?),
        Some(Role::Idle(arguments)) => tell::answer(&idle::run(&arguments)?),
        Some(Role::Layer(arguments)) => layer::run(&arguments),
        Some(Role::LayerLoad(arguments)) => tell::answer(&layer::load::run(&arguments)?),
        Some(Role::Swap(arguments)) => swap::run(&arguments),
        Some(Role::SwapCourse(arguments)) => tell::answer(&swap::course::run(&arguments)?),
        Some(Role::SwapIdle(arguments)) => tell::answer(&swap::idle::run(&arguments)?),
    }
}
