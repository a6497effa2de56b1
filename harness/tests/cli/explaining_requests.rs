//! `authlab explain --signing-request` on a running lab: each state that a request can stay in, produced for real.

use base64::Engine as _;
use serde_json::{Value, json};

use crate::explaining::{Bench, expect};
use crate::stage::{Said, shared, wait};

const CLIENT: &str = "kubernetes.io/kube-apiserver-client";

/// Signing requests in the shared lab, created as its administrator.
struct Requests(Bench);

impl Requests {
    fn kubectl(arguments: &[&str]) -> Said {
        shared().stage.authlab(&[&["shell", "--", "kubectl"], arguments].concat())
    }

    /// Creates a request with the name given.
    fn make(&self, name: &str, signer: &str, usages: &[&str]) {
        let (request, _key) = authlab::pki::signing_request("alice", &["dev"]).unwrap();
        let encoded = base64::engine::general_purpose::STANDARD.encode(request);
        let object = json!({ "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": { "name": name },
            "spec": { "request": encoded, "signerName": signer, "usages": usages } });
        let file = self.0.file(name, &object.to_string());
        Self::kubectl(&["create", "--filename", file.to_str().unwrap()]).success();
    }

    fn explain(name: &str) -> Said {
        shared().stage.authlab(&["explain", "--json", "--signing-request", name])
    }

    /// Returns the explanation once the request is in that state: controllers work in the background.
    fn explained(name: &str, state: &str) -> Said {
        use authlab::process::wait::Condition;
        wait("the state of the request", std::time::Duration::from_secs(20), || {
            let said = Self::explain(name);
            let told: Value = serde_json::from_str(&said.out).unwrap();
            if told["state"] == state {
                Condition::Met(said)
            } else {
                Condition::NotYet(told.to_string())
            }
        })
    }
}

#[test]
fn a_request_says_what_it_waits_for() {
    let requests = Requests(Bench::new());
    requests.make("explained-undecided", CLIENT, &["client auth"]);
    expect(
        Requests::explained("explained-undecided", "pending"),
        "C16",
        &[
            "it was neither approved nor denied",
            "kubectl certificate approve explained-undecided",
        ],
    );
    requests.make("explained-unsigned", "example.com/nobody", &["client auth"]);
    Requests::kubectl(&["certificate", "approve", "explained-unsigned"]).success();
    expect(
        Requests::explained("explained-unsigned", "approved"),
        "C13",
        &[
            "KubectlApprove",
            "\"example.com/nobody\"",
            "it needs a controller that is installed in the cluster",
        ],
    );
    requests.make("explained-denied", CLIENT, &["client auth"]);
    Requests::kubectl(&["certificate", "deny", "explained-denied"]).success();
    expect(
        Requests::explained("explained-denied", "denied"),
        "C14",
        &["KubectlDeny", "it is never signed"],
    );
    requests.make("explained-failed", CLIENT, &["server auth", "client auth"]);
    Requests::kubectl(&["certificate", "approve", "explained-failed"]).success();
    expect(
        Requests::explained("explained-failed", "failed"),
        "C12",
        &[
            "SignerValidationFailure",
            "invalid usage for client certificate: server auth",
            "[\"server auth\", \"client auth\"]",
        ],
    );
    Requests::kubectl(&["delete", "csr", "explained-failed"]).success();
    expect(
        Requests::explained("explained-failed", "gone"),
        "",
        &["no signing request named \"explained-failed\""],
    );
}

#[test]
fn a_request_that_was_signed_says_who_its_certificate_makes_of_its_holder() {
    let requests = Requests(Bench::new());
    requests.make("explained-signed", CLIENT, &["client auth"]);
    Requests::kubectl(&["certificate", "approve", "explained-signed"]).success();
    let told = Requests::explained("explained-signed", "issued").json();
    let findings = told["findings"].as_array().unwrap();
    assert_eq!(findings[0]["behaviour"], "X2", "{told}");
    assert_eq!(
        findings[0]["seen"],
        "the user is \"alice\" (common name), the groups are [\"dev\"] (organizations)"
    );
    let text = shared()
        .stage
        .authlab(&["explain", "--signing-request", "explained-signed"])
        .success();
    assert!(
        text.contains(": issued\n") && text.contains("Note: the certificate is valid until "),
        "{text}"
    );
}

#[test]
fn who_may_not_read_a_request_is_told_so() {
    let requests = Requests(Bench::new());
    let kubeconfig = requests.0.home.path().join("bob.kubeconfig");
    let kubeconfig = kubeconfig.to_str().unwrap();
    shared().stage.authlab(&["kubeconfig", "bob", "--output", kubeconfig]).success();
    let said = shared()
        .stage
        .authlab(&["explain", "--json", "--signing-request", "any", "--kubeconfig", kubeconfig]);
    expect(
        said,
        "",
        &[
            "cannot be read",
            "User \"bob\" cannot get resource",
            "use a credential that may `get`",
        ],
    );
}
