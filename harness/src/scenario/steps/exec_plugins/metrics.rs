//! A client's metrics about its plugin (k8s.io/client-go `plugin/pkg/client/auth/exec/metrics.go`). kubectl exposes none; components of the
//! cluster are clients, too, and do. [`Running`] is a kube-controller-manager with a kubeconfig of its own and one controller without
//! permissions.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use cucumber::{then, when};
use serde_json::Value;

use crate::cluster::ApiServer;
use crate::credential::Credential;
use crate::pem;
use crate::pki::write_private;
use crate::probe::{Endpoint, Metrics};
use crate::process::wait::{Condition, WaitError, until, until_gently};
use crate::process::{Child, ProcessError, Program, port};
use crate::scenario::steps::clients::Home;
use crate::scenario::steps::{Person, Step};
use crate::scenario::world::World;

/// The time until the client listens, and until it needs its plugin, at most.
const LIMIT: Duration = Duration::from_secs(60);

/// The attempts to start it, since another process may take its port meanwhile.
const PORT_ATTEMPTS: usize = 4;

const CALLS: &str = "rest_client_exec_plugin_call_total";
const TTL: &str = "rest_client_exec_plugin_ttl_seconds";
const ROTATIONS: &str = "rest_client_exec_plugin_certificate_rotation_age_count";

/// The controller manager, and the endpoint of its metrics.
#[derive(Default)]
struct Running(Option<(Child, Endpoint)>);

requires!(issuer, kubectl);
#[when(expr = "{person} runs a controller manager with the plugin")]
async fn runs(world: &mut World, person: Person) -> Step {
    world.person(&person)?;
    let program = world.kubectl()?.with_file_name("kube-controller-manager");
    let home = world.notes::<Home>().path()?.to_owned();
    let (leaf, authority) = world.serving_certificate("a controller manager")?;
    let authority = authority.to_owned();
    write_private(&home.join("serving.crt"), &leaf.full_chain())?;
    write_private(&home.join("serving.key"), leaf.key.expose())?;
    write_private(&home.join("gate"), "")?;
    for attempt in 1.. {
        let port = port::free()?;
        let mut child = started(&program, &home, port).await?;
        let endpoint = endpoint(&home, port, authority.clone());
        let listens = until("a controller manager that serves its metrics", LIMIT, || {
            let running = child.expect_running();
            let endpoint = &endpoint;
            async move {
                running?;
                Ok::<_, ProcessError>(match Metrics::of(endpoint, &Credential::Nothing).await {
                    Ok(_) => Condition::Met(()),
                    Err(error) => Condition::NotYet(error.to_string()),
                })
            }
        });
        match listens.await {
            Ok(()) => {
                world.notes::<Running>().0 = Some((child, endpoint));
                return Ok(());
            }
            Err(WaitError::Failed(ProcessError::Ended { tail, .. }))
                if attempt < PORT_ATTEMPTS && tail.iter().any(|line| line.contains("address already in use")) => {}
            Err(error) => return Err(error.into()),
        }
    }
    unreachable!("the last attempt returns")
}

#[then(expr = "the controller manager counts a plugin call as {string} with the code {word}")]
async fn counts_call(world: &mut World, status: String, code: String) -> Step {
    counted(world, CALLS, &[("call_status", &status), ("code", &code)]).await
}

#[then("the controller manager counts the replacement of a certificate")]
async fn counts_rotation(world: &mut World) -> Step {
    counted(world, ROTATIONS, &[]).await
}

phrases! {
    /// The remaining life of the plugin's credential.
    enum RemainingLife as "remaining_life" {
        OfCertificate = "how long its certificate remains valid",
        Endless = "no certificate that expires",
    }
}

#[then(expr = "the controller manager reports {remaining_life}")]
async fn reports_life(world: &mut World, life: RemainingLife) -> Step {
    let before = jiff::Timestamp::now().as_second();
    let told = now(world).await?.value(TTL, &[]);
    let after = jiff::Timestamp::now().as_second();
    match life {
        RemainingLife::OfCertificate => {
            let end = certificates_end(world)?;
            let told = told.context("it reports none")?;
            #[expect(clippy::cast_precision_loss, reason = "seconds of a day")]
            let (most, least) = ((end - before) as f64, (end - after - 1) as f64);
            expect!(
                told <= most && told >= least,
                "between {least} and {most} seconds in {TTL}",
                "{told}"
            );
        }
        RemainingLife::Endless => expect!(told == Some(f64::INFINITY), "no end in {TTL}", "{told:?}"),
    }
    Ok(())
}

/// Returns the end of the plugin's certificate, in seconds.
fn certificates_end(world: &mut World) -> Step<i64> {
    let answer = std::fs::read_to_string(world.notes::<Home>().path()?.join("answer"))?;
    let answer: Value = serde_json::from_str(&answer)?;
    let certificate = answer["status"]["clientCertificateData"].as_str().context("the plugin gives one")?;
    let block = pem::first(certificate)?;
    Ok(block.parse_x509()?.validity().not_after.timestamp())
}

/// Starts the client. It finds nothing but its plugin, and serves its metrics.
async fn started(program: &Path, home: &Path, port: u16) -> Result<Child, ProcessError> {
    let file = |name: &str| home.join(name).display().to_string();
    let client = Program::new("kube-controller-manager", program, home.join("client.log"))
        .environment("HOME", home)
        // Plugins, and the programs that they use, are found there.
        .inherit(&["PATH"])
        .arguments([
            format!("--kubeconfig={}", file("kubeconfig")),
            format!("--tls-cert-file={}", file("serving.crt")),
            format!("--tls-private-key-file={}", file("serving.key")),
            format!("--secure-port={port}"),
        ])
        .arguments([
            "--bind-address=127.0.0.1",
            "--authorization-always-allow-paths=/metrics",
            // This controller reads cluster roles, which it is not permitted to do.
            "--controllers=clusterrole-aggregation-controller",
            "--leader-elect=false",
        ])
        .listening_on([port]);
    client.start().await
}

fn endpoint(home: &Path, port: u16, authority: String) -> Endpoint {
    Endpoint::of(&ApiServer {
        name: "a controller manager".to_owned(),
        url: format!("https://127.0.0.1:{port}"),
        serving_authority: authority,
        logs: None,
        gate: home.join("gate"),
        client_authorities: None,
        authentication: None,
        request_header_authorities: None,
        own_authorities: None,
    })
}

/// Reads the client's current metrics.
async fn now(world: &mut World) -> Step<Metrics> {
    let (_, endpoint) = world.notes::<Running>().0.as_ref().context("no controller manager runs")?;
    Ok(Metrics::of(endpoint, &Credential::Nothing).await?)
}

/// Waits until the series called `name` with `labels` has counted something.
async fn counted(world: &mut World, name: &str, labels: &[(&str, &str)]) -> Step {
    let (_, endpoint) = world.notes::<Running>().0.as_ref().context("no controller manager runs")?;
    let counted = until_gently("what the controller manager counts", LIMIT, || async {
        let value = Metrics::of(endpoint, &Credential::Nothing).await?.value(name, labels);
        Ok::<_, crate::probe::NoMetrics>(match value {
            Some(value) if value >= 1.0 => Condition::Met(()),
            value => Condition::NotYet(format!("expected at least one in {name} with {labels:?}; seen was {value:?}")),
        })
    });
    Ok(counted.await?)
}
