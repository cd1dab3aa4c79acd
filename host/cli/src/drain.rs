//! `narrowboat drain`

use std::time::Duration;

use super::CliError;
use super::arguments::DrainArgs;
use super::client::AdminClient;
use super::output::{eprint_line, print_line};
use narrowboat_server::api::{DrainRequest, DrainStatus, HostStatus};

/// The rest between two looks at what is left.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

pub(super) fn run(arguments: &DrainArgs) -> Result<(), CliError> {
    let client = AdminClient::new(&arguments.host)?;
    let drain = DrainRequest { duration: Some(arguments.duration.clone()) };
    let mut draining: DrainStatus = client.post("/v1/drain", &drain)?;
    let mut told = None;
    while draining.remaining > 0 {
        if told != Some(draining.remaining) {
            let DrainStatus { total, remaining, seconds_remaining } = draining;
            eprint_line(format_args!(
                "{remaining} of {total} connections are left, {seconds_remaining} s to go"
            ));
            told = Some(draining.remaining);
        }
        std::thread::sleep(POLL_INTERVAL);
        let status: HostStatus = client.get("/v1/status")?;
        let Some(now) = status.draining else { break };
        draining = now;
    }
    print_line("drained: no connection is left")
}
