//! `narrowboat drain`

use std::time::Duration;

use super::Failure;
use super::arguments::DrainArgs;
use super::client::Client;
use super::output::{note, print_line};
use narrowboat_server::api::{Drain, Draining, Status};

/// The rest between two looks at what is left.
const LOOK: Duration = Duration::from_millis(500);

pub(super) fn run(arguments: &DrainArgs) -> Result<(), Failure> {
    let client = Client::new(&arguments.host)?;
    let drain = Drain { over: Some(arguments.over.clone()) };
    let mut draining: Draining = client.post("/v1/drain", &drain)?;
    let mut told = None;
    while draining.left > 0 {
        if told != Some(draining.left) {
            let Draining { of, left, seconds } = draining;
            note(format_args!("{left} of {of} connections are left, {seconds} s to go"));
            told = Some(draining.left);
        }
        std::thread::sleep(LOOK);
        let status: Status = client.get("/v1/status")?;
        let Some(now) = status.draining else { break };
        draining = now;
    }
    print_line("drained: no connection is left")
}
