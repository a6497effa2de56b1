//! Client certificates that an existing cluster's own signer issues. The main function is [`issue`].

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use kube::api::{Api, DeleteParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::ExistingError;
use crate::lab::{Lab, LabError};
use crate::pem;
use crate::pki::{Leaf, PkiError, signing_request};
use crate::process::wait::{Condition, until_gently};

/// The signer of client certificates (certificates.k8s.io/v1 `KubeAPIServerClientSignerName`).
pub(super) const SIGNER: &str = "kubernetes.io/kube-apiserver-client";

/// The shortest lifetime that can be requested, in seconds (kubernetes `pkg/apis/certificates/validation`).
const LIFETIME: i32 = 600;

/// The time that the signer may take for one certificate.
const LIMIT: Duration = Duration::from_secs(10);

/// The reason why a certificate was not issued.
#[derive(Debug, thiserror::Error)]
pub enum NotIssued {
    /// The request cannot be encoded.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The request cannot be created.
    #[error("cannot create a signing request: {0}")]
    Refused(Box<kube::Error>),
    /// The request cannot be approved.
    #[error("cannot approve the signing request: {0}")]
    NotApproved(Box<kube::Error>),
    /// The signer does not sign it.
    #[error("{SIGNER}: {0}")]
    NotSigned(String),
}

/// Returns a name for a signing request, with a random suffix: `authlab-WHAT-HASH`.
pub(super) fn name(what: &str) -> String {
    let mut id = [0_u8; 5];
    rand::RngCore::fill_bytes(&mut rand::thread_rng(), &mut id);
    format!("authlab-{what}-{}", hex::encode(id))
}

/// Returns whether `leaf` ends about when it was asked to: a signer may ignore the lifetime, and certificates cannot be revoked.
pub(super) fn is_short(leaf: &Leaf) -> bool {
    let Ok(block) = pem::first(&leaf.certificate) else {
        return false;
    };
    let end = block.parse_x509().map(|certificate| certificate.validity().not_after.timestamp());
    // Clocks differ, and a signer may begin a certificate a little earlier.
    end.is_ok_and(|end| end - jiff::Timestamp::now().as_second() <= 2 * i64::from(LIFETIME))
}

/// Requests a certificate for `user` in `groups` for the shortest possible time, by a signing request called `name` with `labels` that is
/// approved as its maker. The request is deleted again.
pub(super) async fn issue(
    client: &Client,
    (name, labels): (&str, &BTreeMap<String, String>),
    user: &str,
    groups: &[&str],
) -> Result<Leaf, NotIssued> {
    let requests: Api<CertificateSigningRequest> = Api::all(client.clone());
    let (pem, key) = signing_request(user, groups)?;
    let request = json!({
        "metadata": { "name": name, "labels": labels },
        "spec": {
            "request": base64::engine::general_purpose::STANDARD.encode(pem),
            "signerName": SIGNER,
            "usages": ["digital signature", "client auth"],
            "expirationSeconds": LIFETIME,
        },
    });
    let request = serde_json::from_value(request).expect("it is a signing request");
    let refused = |error| NotIssued::Refused(Box::new(error));
    let made = requests.create(&PostParams::default(), &request).await.map_err(refused)?;
    let signed = signed(&requests, made).await;
    // A request that is not deleted here is found by its label at the end.
    let _ = requests.delete(name, &DeleteParams::default()).await;
    Ok(Leaf {
        certificate: signed?,
        chain: String::new(),
        key,
    })
}

/// Approves the request `made`, and returns the certificate once it is there.
async fn signed(requests: &Api<CertificateSigningRequest>, mut made: CertificateSigningRequest) -> Result<String, NotIssued> {
    let approved =
        json!({ "type": "Approved", "status": "True", "reason": "Authlab", "message": "a certificate of ten minutes for a test" });
    let approved = serde_json::from_value(approved).expect("it is a condition");
    made.status.get_or_insert_default().conditions = Some(vec![approved]);
    made.metadata.managed_fields = None;
    let name = made.name_any();
    let decided = requests.replace_subresource("approval", &name, &PostParams::default(), &made).await;
    decided.map_err(|error| NotIssued::NotApproved(Box::new(error)))?;
    let certificate = until_gently("a certificate", LIMIT, || async {
        let status = requests.get(&name).await?.status.unwrap_or_default();
        let failed = status
            .conditions
            .unwrap_or_default()
            .into_iter()
            .find(|condition| condition.type_ == "Failed");
        Ok::<_, kube::Error>(match (status.certificate, failed) {
            (Some(certificate), _) => Condition::Met(Ok(certificate.0)),
            (None, Some(failed)) => Condition::Met(Err(failed.message.unwrap_or_default())),
            (None, None) => Condition::NotYet("it is not signed".to_owned()),
        })
    });
    let certificate = certificate.await.map_err(|error| NotIssued::NotSigned(error.to_string()))?;
    let certificate = certificate.map_err(NotIssued::NotSigned)?;
    String::from_utf8(certificate).map_err(|error| NotIssued::NotSigned(error.to_string()))
}

impl Lab {
    /// Returns a client certificate for `user` in `groups` that the cluster's own signer has issued for ten minutes. `client` is an
    /// administrator's.
    ///
    /// # Errors
    /// The signing request is refused, or is not signed in time.
    pub async fn signed_certificate(&self, client: &Client, user: &str, groups: &[&str]) -> Result<Leaf, LabError> {
        let issued = issue(client, (&name("certificate"), &self.labels()), user, groups).await;
        issued.map_err(|source| {
            let user = user.to_owned();
            ExistingError::NotIssued { user, source }.into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{Authority, Request};

    #[test]
    fn a_certificate_that_lives_longer_than_it_was_asked_to_is_not_short() {
        let authority = Authority::root("of a cluster").expect("an authority");
        for (seconds, expected) in [(600, true), (900, true), (3600, false), (31_536_000, false)] {
            let request = Request::client("nobody", &[]).lifetime(Duration::from_secs(seconds));
            let leaf = authority.issue(&request).expect("a certificate");
            assert_eq!(is_short(&leaf), expected, "{seconds}");
        }
    }
}
