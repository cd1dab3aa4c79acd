//! A thousand tenants, each with a source of its own.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::open_connection::{OpenConnection, run_clients};
use super::source_figure::SourceFigure;
use super::source_folder::SourceFolder;
use super::source_host::{SourceHost, SourceHosts};
use crate::cpu::CpuTime;
use crate::memory::anonymous_bytes;
use crate::output::print_progress;

/// The number of tenants.
const TENANTS: usize = 1_000;

/// The pause before the memory is read.
const SETTLE_TIME: Duration = Duration::from_secs(2);

/// Starts a host, opens a connection to each tenant, and returns the memory of a tenant.
pub(super) fn measure(hosts: &SourceHosts<'_>) -> anyhow::Result<Vec<SourceFigure>> {
    let mut host = hosts.set_up("tenants", "")?;
    for number in 0..TENANTS {
        add_tenant(&mut host, &tenant_name(number))?;
    }
    let began = Instant::now();
    let server = host.start("serve")?;
    let started = began.elapsed().as_secs_f64();
    let started_cpu = CpuTime::of_process(server.pid())?.total().as_secs_f64();
    let before = anonymous_bytes(server.pid())?;
    let (_open, failures) = run_clients(connect_to_all(server.address()))?;
    let after = anonymous_bytes(server.pid())?;
    let mib = |bytes: i64| bytes as f64 / TENANTS as f64 / f64::from(1 << 20);
    let title = |text| format!("{TENANTS} tenants with a source each, {text}");
    Ok(vec![
        SourceFigure::single(
            title("anonymous memory of a tenant with a connection"),
            "MiB",
            mib(after),
        )
        .at_most(hosts.language().aims.tenant),
        SourceFigure::single(title("the same before the connections"), "MiB", mib(before)),
        SourceFigure::single(title("tenants that do not answer"), "", failures as f64).at_most(0.0),
        SourceFigure::single(title("from the start to listening"), "s", started),
        SourceFigure::single(title("CPU of the start"), "s", started_cpu),
    ])
}

fn tenant_name(number: usize) -> String {
    format!("t{number}")
}

fn add_tenant(host: &mut SourceHost<'_>, name: &str) -> anyhow::Result<()> {
    let parent = host.folder().join("tenants").join(name);
    SourceFolder::create(
        host.language(),
        &parent,
        "named",
        &host.language().named.replace("NAME", name),
    )?;
    host.configure(&format!(
        "[tenants.{name}]\npath = \"/{name}\"\n\
         [tenants.{name}.plugins.named]\nsource = \"tenants/{name}/named\"\n\
         [[tenants.{name}.routes]]\npath = \"/\"\nplugin = \"named\"\n"
    ));
    Ok(())
}

/// Opens a connection to each tenant. Returns the connections, and the number of tenants that do not answer.
async fn connect_to_all(server: SocketAddr) -> anyhow::Result<(Vec<OpenConnection>, usize)> {
    let (mut open, mut failures) = (Vec::new(), 0);
    for number in 0..TENANTS {
        match ask_tenant(server, &tenant_name(number)).await {
            Ok(connection) => open.push(connection),
            Err(error) => {
                if failures == 0 {
                    print_progress(&format!("the first tenant that does not answer: {error:#}"));
                }
                failures += 1;
            }
        }
    }
    tokio::time::sleep(SETTLE_TIME).await;
    Ok((open, failures))
}

async fn ask_tenant(server: SocketAddr, name: &str) -> anyhow::Result<OpenConnection> {
    let mut connection = OpenConnection::open(server, &format!("/{name}/")).await?;
    let answer = connection.ask("hello").await?;
    ensure!(answer == format!("{name}: hello"), "tenant {name} answered {answer:?}");
    Ok(connection)
}
