//! Tokens that are no JSON Web Token: whose they are, and who can judge them.
//!
//! The main function is [`findings`]. Such a token is no mistake by itself: files, Secrets and webhooks know tokens of any form.

use jiff::Timestamp;

use super::kind::{Encoding, Kind, Wrapping};
use super::{Evidence, about, bootstrap};
use crate::explain::{Finding, Known, OtherAuthenticators};

/// The place where a token in compact form is defined.
const COMPACT: &str = "three base64url parts with dots between them";

/// Returns the findings about a token of `kind`, which is not a JSON Web Token.
pub(super) fn findings(token: &str, kind: &Kind, known: &Known, evidence: &Evidence, now: Timestamp) -> Vec<Finding> {
    let others = known.others;
    let one = match kind {
        Kind::Eks(Ok(request)) => return request.findings(now),
        Kind::Jwt(_) => return Vec::new(),
        Kind::Empty => cause("the token is empty", "give a token: the API server takes an empty one for none"),
        Kind::Wrapped(wrapping) => wrapped(*wrapping),
        Kind::Encoded(Encoding::Padded) => cause(
            "a part of the token ends in `=`, and the API server reads base64url without padding (RFC 7515 §2)",
            "remove each `=` at the end of a part: `tr -d =`",
        ),
        Kind::Encoded(Encoding::Standard) => cause(
            "the token is encoded with `+` and `/`, and the API server reads base64url, with `-` and `_` (RFC 7515 §2)",
            "replace them: `tr +/ -_`",
        ),
        Kind::Encoded(Encoding::Twice) => cause(
            "the token is in base64 once more, as the `data` of a Secret is, and no API server decodes it",
            "give the token itself: `kubectl get secret NAME -o jsonpath={.data.token} | base64 -d`",
        ),
        Kind::Encrypted => about(
            "B6",
            Finding::likely(
                "the token has five parts: it is encrypted (RFC 7516), and the API server reads signed tokens of three parts only",
                "make the issuer send a signed ID token: turn off its encryption for this client (id_token_encrypted_response_alg)",
                "only a token webhook could decrypt it: ask the cluster's operator whether there is one",
            ),
        ),
        Kind::Eks(Err(why)) => about(
            "B6",
            Finding::likely(
                format!("the token begins like one of EKS (k8s-aws-v1.), but {why}"),
                "get a new one: `aws eks get-token --cluster-name NAME`",
                "compare its length with that of a new one: it may have been cut",
            ),
        ),
        Kind::OpenShift => unjudged(
            "this is a token of OpenShift's OAuth server (sha256~…), which only OpenShift's own API servers know, for 24 hours by default",
            "ask `oc whoami` on that cluster, and `oc login` for a new one",
        ),
        Kind::Rancher(name) => unjudged(
            format!(
                "this is the token {name} of Rancher, which only Rancher's own address knows, or a cluster with its authentication endpoint"
            ),
            format!(
                "ask Rancher whether it is expired: `kubectl get tokens.management.cattle.io {name}` on Rancher's own cluster; compare the server in the kubeconfig with Rancher's address"
            ),
        ),
        Kind::Google => unjudged(
            "this is an access token of Google (ya29.…), which GKE asks Google about, and an API server with an issuer does not know",
            "for GKE ask `gcloud auth print-access-token` for a new one (they last an hour) and use gke-gcloud-auth-plugin; \
            for the issuer https://accounts.google.com an ID token is needed: `gcloud auth print-identity-token`",
        ),
        Kind::Bootstrap(id) => bootstrap::judge(token, id, others, evidence.bootstrap.as_ref(), now),
        Kind::Garbled => opaque(
            "the token has three parts, but is not a JWT (expected three base64url parts of a JSON header, JSON claims, and a signature)",
            others,
        ),
        Kind::Opaque => opaque(&format!("this is not a JWT (expected {COMPACT})"), others),
    };
    vec![one]
}

fn cause(seen: impl Into<String>, change: impl Into<String>) -> Finding {
    Finding::cause("B6", seen, change)
}

fn unjudged(seen: impl Into<String>, ask: impl Into<String>) -> Finding {
    about("B6", Finding::unjudged(seen, ask))
}

/// The API server takes the text between the first two blanks of the header, and ignores the rest
/// (kubernetes/apiserver `pkg/authentication/request/bearertoken/bearertoken.go`).
fn wrapped(wrapping: Wrapping) -> Finding {
    match wrapping {
        Wrapping::Scheme => cause(
            "the token begins with the word `Bearer`, which the client adds itself: the API server takes the word for the token",
            "give the token alone, without `Bearer`",
        ),
        Wrapping::Quotes => cause(
            "the token begins with a quotation mark, which is sent as a part of it",
            "give the token alone, without quotation marks (`jq -r` prints it so)",
        ),
        Wrapping::Whitespace => cause(
            "the token has white space in it: the API server ignores what follows a blank, and clients refuse to send a line break",
            "give the token on one line: `tr -d '[:space:]'`",
        ),
        Wrapping::Json => cause(
            "the token is a whole JSON document",
            "give the token in it alone: `jq -r .id_token` of an issuer's answer, `jq -r .status.token` of a plugin's",
        ),
    }
}

/// A token of no known form. Only where nothing else reads tokens, its form is the cause.
fn opaque(seen: &str, others: Option<OtherAuthenticators>) -> Finding {
    let change = "present an ID token of an issuer that the API server knows, or a service account's token";
    match others {
        Some(others) if others == OtherAuthenticators::default() => cause(
            format!("{seen}, and the API server reads no other tokens: it has no token file, no bootstrap tokens and no token webhook"),
            change,
        ),
        Some(others) => {
            let all = [
                (others.file, "its token file (--token-auth-file)"),
                (others.bootstrap, "its bootstrap tokens"),
                (others.webhook, "its token webhook"),
            ];
            let those: Vec<&str> = all.into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect();
            unjudged(
                format!("{seen}, so only {} can know it", those.join(", or ")),
                "look there: a row of the file begins with the token, and the webhook's own log says why it refused",
            )
        }
        None => unjudged(
            format!("{seen}, so only the API server's token file, its bootstrap tokens or its token webhook can know it"),
            "ask who gave it to you, and for which cluster; the API server's flags say what it has \
            (--token-auth-file, --enable-bootstrap-token-auth, --authentication-token-webhook-config-file)",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::{Basis, Effect};

    fn found(token: &str, others: Option<OtherAuthenticators>) -> Finding {
        let known = Known {
            others,
            ..Known::default()
        };
        let mut found = findings(token, &Kind::of(token), &known, &Evidence::default(), Timestamp::UNIX_EPOCH);
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    #[test]
    fn a_token_of_another_kind_is_not_called_a_cause() {
        for (token, part) in [
            ("sha256~0123456789abcdef0123456789abcdef0123456789a", "OpenShift"),
            ("kubeconfig-user-abcde:0123456789", "kubeconfig-user-abcde of Rancher"),
            ("ya29.a0Example", "access token of Google"),
            ("07401b.f395accd246ae52d", "kube-system/bootstrap-token-07401b"),
            ("static-token", "is not a JWT"),
            ("not.a.token", "is not a JWT"),
        ] {
            let one = found(token, None);
            assert_eq!(one.effect, Effect::Unjudged, "{one:?}");
            assert!(one.seen.contains(part), "{one:?}");
            let secret = token.rsplit(['.', ':', '~']).next().unwrap_or_default();
            assert!(token == "not.a.token" || !format!("{one:?}").contains(secret), "{one:?}");
        }
        let encrypted = found("eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a.b.c.d", None);
        assert_eq!((encrypted.effect, encrypted.basis), (Effect::Cause, Basis::Likely));
    }

    #[test]
    fn the_configuration_settles_what_the_form_does_not() {
        let nothing = Some(OtherAuthenticators::default());
        let one = found("static-token", nothing);
        assert_eq!((one.effect, one.basis), (Effect::Cause, Basis::Compared));
        assert!(one.seen.contains("no token webhook"), "{one:?}");
        assert_eq!(found("07401b.f395accd246ae52d", nothing).effect, Effect::Cause);
        let file = Some(OtherAuthenticators {
            file: true,
            ..OtherAuthenticators::default()
        });
        assert!(
            found("static-token", file)
                .seen
                .contains("only its token file (--token-auth-file) can know it")
        );
    }

    #[test]
    fn what_is_around_a_token_is_the_cause() {
        for (token, part) in [
            ("Bearer abc", "begins with the word `Bearer`"),
            ("\"abc\"", "quotation mark"),
            ("a\nb", "white space"),
            ("{\"token\":1}", "JSON document"),
            ("", "empty"),
        ] {
            let one = found(token, None);
            assert_eq!((one.effect, one.basis), (Effect::Cause, Basis::Compared));
            assert!(one.seen.contains(part), "{one:?}");
        }
    }
}
