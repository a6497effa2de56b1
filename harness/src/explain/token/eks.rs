//! Tokens of EKS: a presigned request to AWS STS, in base64url (kubernetes-sigs/aws-iam-authenticator `pkg/token/token.go`).
//!
//! The main type is [`Eks`]. Its signature is not kept.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::about;
use crate::explain::Finding;

/// The beginning of such a token.
pub(super) const PREFIX: &str = "k8s-aws-v1.";

/// The time for which aws-iam-authenticator takes a request, in seconds, whatever `X-Amz-Expires` says (`presignedURLExpiration`).
const LIFETIME: i64 = 15 * 60;

/// The tolerance of AWS for a request from the future, in seconds (AWS Signature Version 4).
const SKEW: i64 = 5 * 60;

/// The header that a token is bound to its cluster by.
const CLUSTER_HEADER: &str = "x-k8s-aws-id";

/// The public parts of such a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eks {
    /// The host that is asked.
    host: String,
    /// The time of the request.
    made: Timestamp,
    /// The region of the credential.
    region: String,
    /// The id of the access key, which is public.
    access_key: String,
    /// `true` if the name of a cluster is signed.
    names_cluster: bool,
}

impl Eks {
    /// Parses the request after the prefix.
    ///
    /// # Errors
    /// The text is not such a request, with the flaw.
    pub(super) fn parse(request: &str) -> Result<Self, &'static str> {
        let bytes = URL_SAFE_NO_PAD
            .decode(request.trim_end_matches('='))
            .map_err(|_| "it is not base64url")?;
        let text = String::from_utf8(bytes).map_err(|_| "it is not an address")?;
        let url = reqwest::Url::parse(&text).map_err(|_| "it is not an address")?;
        let query = |name: &str| {
            let mut pairs = url.query_pairs();
            // Canonical names of AWS, which aws-iam-authenticator compares in lower case.
            pairs
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.into_owned())
        };
        if query("Action").as_deref() != Some("GetCallerIdentity") {
            return Err("it is not a request for the caller's identity");
        }
        let credential = query("X-Amz-Credential").unwrap_or_default();
        let mut scope = credential.split('/');
        let made = query("X-Amz-Date").and_then(|date| {
            let date = DateTime::strptime("%Y%m%dT%H%M%SZ", date).ok()?;
            TimeZone::UTC.to_timestamp(date).ok()
        });
        let signed = query("X-Amz-SignedHeaders").unwrap_or_default();
        Ok(Self {
            host: url.host_str().unwrap_or_default().to_owned(),
            made: made.ok_or("it has no date")?,
            access_key: scope.next().unwrap_or_default().to_owned(),
            region: scope.nth(1).unwrap_or_default().to_owned(),
            names_cluster: signed.split(';').any(|name| name.eq_ignore_ascii_case(CLUSTER_HEADER)),
        })
    }

    /// Returns the findings about the request at the time `now`.
    pub(super) fn findings(&self, now: Timestamp) -> Vec<Finding> {
        let age = now.as_second() - self.made.as_second();
        let temporary = if self.access_key.starts_with("ASIA") {
            " (temporary credentials, which expire on their own)"
        } else {
            ""
        };
        let Self {
            host,
            made,
            region,
            access_key,
            ..
        } = self;
        let of = format!("a token of EKS: a request to {host} that the access key {access_key}{temporary} in {region} signed at {made}");
        let again = "get a new one: `aws eks get-token --cluster-name NAME --region REGION`";
        let mut findings = Vec::new();
        if age > LIFETIME {
            let seen = format!("this is {of}, {age} s ago by the server's clock; it is good for {LIFETIME} s");
            findings.push(Finding::cause("B6", seen, again));
        } else if age < -SKEW {
            let seen = format!(
                "this is {of}, which is {} s ahead of the server's clock; AWS takes {SKEW} s at most",
                -age
            );
            findings.push(Finding::cause(
                "B6",
                seen,
                "correct this machine's clock (NTP), and get a new token",
            ));
        }
        if !self.names_cluster {
            let seen = format!("the request does not sign the header {CLUSTER_HEADER}, so the token is bound to no cluster");
            let settle = "an EKS cluster asks AWS with that header, and AWS then refuses the signature";
            findings.push(about("B6", Finding::likely(seen, again, settle)));
        }
        if findings.is_empty() {
            findings.push(about(
                "B6",
                Finding::unjudged(
                    format!("this is {of}; only the cluster's own webhook can judge it, and asks AWS who signed"),
                    "ask `aws sts get-caller-identity` who you are, then `aws eks list-access-entries --cluster-name NAME` \
                    (or the ConfigMap kube-system/aws-auth) whether the cluster knows that role or user; the token is good for \
                    one cluster only: compare --cluster-name and --region in the kubeconfig",
                ),
            ));
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::Effect;

    /// The request of the report, with the headers `signed`.
    fn token(signed: &str) -> String {
        let url = format!(
            "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256\
            &X-Amz-Credential=AKIAEXAMPLE%2F20261128%2Feu-west-1%2Fsts%2Faws4_request&X-Amz-Date=20261128T060000Z&X-Amz-Expires=60\
            &X-Amz-SignedHeaders={signed}&X-Amz-Signature=c0ffee"
        );
        URL_SAFE_NO_PAD.encode(url)
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn its_request_is_read_and_the_signature_is_not_shown() {
        let found = Eks::parse(&token("host%3Bx-k8s-aws-id"))
            .expect("a request")
            .findings(at("2026-11-28T06:14:00Z"));
        assert_eq!(found[0].effect, Effect::Unjudged);
        let text = format!("{found:?}");
        for part in [
            "AKIAEXAMPLE",
            "eu-west-1",
            "2026-11-28T06:00:00Z",
            "sts.eu-west-1.amazonaws.com",
            "get-caller-identity",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("c0ffee"), "{text}");
    }

    #[test]
    fn it_is_good_for_fifteen_minutes() {
        let eks = Eks::parse(&token("host%3Bx-k8s-aws-id")).expect("a request");
        let found = eks.findings(at("2026-11-28T06:20:00Z"));
        assert_eq!((found.len(), found[0].effect), (1, Effect::Cause));
        assert!(
            found[0].seen.contains("1200 s ago") && found[0].seen.contains("good for 900 s"),
            "{found:?}"
        );
        assert!(eks.findings(at("2026-11-28T05:50:00Z"))[0].seen.contains("600 s ahead"));
    }

    #[test]
    fn it_names_a_cluster() {
        let found = Eks::parse(&token("host")).expect("a request").findings(at("2026-11-28T06:01:00Z"));
        assert!(found[0].seen.contains("bound to no cluster"), "{found:?}");
        assert_eq!(
            Eks::parse("aHR0cHM6Ly9hLnRlc3Q"),
            Err("it is not a request for the caller's identity")
        );
    }
}
