//! `narrowboat drain`

use std::time::Duration;

use super::arguments::DrainArgs;
use super::cli_error::CliError;
use super::client::AdminClient;
use super::output::{eprint_line, print_line};
use narrowboat_server::api::{DrainRequest, DrainStatus, HostStatus};

/// The time between two requests for the number of connections left.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

pub(super) fn run(arguments: &DrainArgs) -> Result<(), CliError> {
    let client = AdminClient::new(&arguments.host)?;
    let drain = DrainRequest { duration: Some(arguments.duration.clone()) };
    let mut draining: DrainStatus = client.post("/v1/drain", &drain)?;
    let mut printed = None;
    while draining.remaining > 0 {
        if printed != Some(draining.remaining) {
            let DrainStatus { total, remaining, seconds_remaining } = draining;
            eprint_line(format_args!(
                "{remaining} of {total} connections are left, {seconds_remaining} s to go"
            ));
            printed = Some(draining.remaining);
        }
        std::thread::sleep(POLL_INTERVAL);
        let status: HostStatus = client.get("/v1/status")?;
        let Some(now) = status.draining else { break };
        draining = now;
    }
    print_line("drained: no connection is left")
}
