//! The meaning of an answer for the credential that was asked about. The main function is [`outcome`].

use super::{Answered, Status};
use crate::credential::{Credential, Presentation};
use crate::explain::{Basis, Finding, Outcome};
use crate::pem;
use crate::pki::Holder;
use crate::probe::Endpoint;

/// The user of requests without a credential (kubernetes/apiserver `pkg/authentication/user`).
pub const ANONYMOUS: &str = "system:anonymous";

/// The meaning of an answer for the credential that was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The outcome.
    pub outcome: Outcome,
    /// The user that the API server takes the caller for; `None` unless it accepts the credential.
    pub user: Option<String>,
    /// The reason that the answer says nothing about the credential, or less than was asked.
    pub finding: Option<Finding>,
}

impl Judgement {
    fn accepted(user: &str, finding: Option<Finding>) -> Self {
        Self {
            outcome: Outcome::Accepted,
            user: Some(user.to_owned()),
            finding,
        }
    }

    fn without_user(outcome: Outcome, finding: Option<Finding>) -> Self {
        Self {
            outcome,
            user: None,
            finding,
        }
    }
}

/// Returns the meaning of `answered` for `credential`, which was asked about at `endpoint`.
///
/// Only an API server's own answer judges a credential, and only if the credential was sent ([`withheld`]) and has arrived: a credential
/// whose sender is anonymous to the API server was dropped on the way, unless API servers take it for none themselves.
#[must_use]
pub fn outcome(endpoint: &Endpoint, credential: &Credential, answered: &Answered) -> Judgement {
    if !answered.is_of_api_server() {
        let is_answer = *answered != Answered::Nothing;
        return Judgement::without_user(if is_answer { Outcome::NotAnApiServer } else { Outcome::NoAnswer }, None);
    }
    if let Some(finding) = withheld(endpoint, credential) {
        return Judgement::without_user(Outcome::NotJudged, Some(finding));
    }
    let sent = endpoint.presented(credential);
    if user(answered) == Some(ANONYMOUS)
        && let Some(finding) = dropped(endpoint, &sent)
    {
        return Judgement::without_user(Outcome::NotJudged, Some(finding));
    }
    match answered {
        Answered::Review(identity) => Judgement::accepted(&identity.user, None),
        Answered::Status(status) if status.refuses_path() => Judgement::without_user(Outcome::NotJudged, None),
        Answered::Status(status) => match accepted(status, &sent) {
            Some(user) => Judgement::accepted(user, Some(review_forbidden(user, status))),
            None if matches!(status.code, 400 | 401 | 403 | 422) => Judgement::without_user(Outcome::Refused, None),
            None => Judgement::without_user(Outcome::NotJudged, None),
        },
        _ => Judgement::without_user(Outcome::NotJudged, None),
    }
}

/// Returns the finding for a credential that is not sent, since the connection has no TLS; `None` if it is sent, or there is none.
#[must_use]
pub fn withheld(endpoint: &Endpoint, credential: &Credential) -> Option<Finding> {
    let (all, sent) = (credential.presentation(), endpoint.presented(credential));
    let is_withheld = all.certificate.is_some() != sent.certificate.is_some() || all.headers.len() != sent.headers.len();
    is_withheld.then(not_sent)
}

/// Returns the finding for a credential that is not sent, since the connection has no TLS. It may be one of an exec plugin, which is not run.
#[must_use]
pub fn not_sent() -> Finding {
    Finding::unjudged(
        "the credential was not sent: without TLS (http://, or no scheme), kubectl sends no credential and runs no exec plugin",
        "the API server at its https:// address",
    )
}

/// Returns the user that the API server took the caller for.
fn user(answered: &Answered) -> Option<&str> {
    match answered {
        Answered::Review(identity) => Some(&identity.user),
        Answered::Status(status) if status.of_api_server && status.code == 403 => status.user.as_deref(),
        _ => None,
    }
}

/// Returns the user that the API server took the caller for before it refused the review; `None` if it is not the user that was asked for:
/// the caller's own in place of the impersonated one, or nobody.
fn accepted<'a>(status: &'a Status, sent: &Presentation) -> Option<&'a str> {
    let user = status.user.as_deref().filter(|_| status.refuses_review())?;
    match header(sent, "impersonate-user") {
        Some(wanted) => (user == wanted).then_some(user),
        None => (user != ANONYMOUS).then_some(user),
    }
}

/// Returns the finding for a caller without an identity who has sent a credential; `None` if an API server takes that for no credential.
///
/// A token that no authenticator knows is refused (kubernetes/apiserver `pkg/authentication/request/bearertoken`), and so is a certificate
/// that is not verified; but one without a common name is verified, and gives no user (`pkg/authentication/request/x509`,
/// `CommonNameUserConversion`). Anybody with the right may act as nobody.
fn dropped(endpoint: &Endpoint, sent: &Presentation) -> Option<Finding> {
    if header(sent, "impersonate-user") == Some(ANONYMOUS) {
        return None;
    }
    let mut words = header(sent, "authorization").unwrap_or_default().splitn(3, ' ');
    let is_bearer =
        words.next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer")) && words.next().is_some_and(|token| !token.is_empty());
    let has_user = sent.certificate.as_ref().is_some_and(|leaf| !is_nameless(&leaf.certificate));
    let (what, otherwise) = match (is_bearer, has_user) {
        (true, _) => ("the token", ""),
        (false, true) => ("the client certificate", ", or the API server is started without --client-ca-file"),
        (false, false) => return None,
    };
    Some(Finding::likely(
        format!(
            "the API server takes the caller for {ANONYMOUS}: {what} has not arrived, since one that it does not know is answered 401; something in front \
             of it dropped it{otherwise}"
        ),
        format!(
            "give the API server's own address in `server:`, or have the proxy or load balancer at {} pass on TLS, or the header Authorization",
            endpoint.url
        ),
        "the same request at the API server's own address; or its audit log, which has the request as one of system:anonymous",
    ))
}

/// Returns `true` if the first certificate of `chain` can be read and has no common name.
fn is_nameless(chain: &str) -> bool {
    let first = pem::first(chain).ok();
    let certificate = first.as_ref().and_then(|block| block.parse_x509().ok());
    let holder = certificate.and_then(|certificate| Holder::read(certificate.subject()).ok());
    holder.is_some_and(|holder| holder.user.is_empty())
}

/// Returns the finding for a caller whom the API server knows, and who may not ask who this is.
fn review_forbidden(user: &str, status: &Status) -> Finding {
    // The role is for authenticated users.
    let change = (user != ANONYMOUS).then(|| {
        "let everybody ask again who they are: `kubectl create clusterrolebinding system:basic-user --clusterrole=system:basic-user \
         --group=system:authenticated`"
            .to_owned()
    });
    Finding {
        basis: Basis::Proved,
        change,
        ..Finding::remark(format!(
            "the API server takes the caller for {user:?}: the credential is accepted, and only the review that names the caller is forbidden: {}",
            status.message
        ))
    }
}

/// Returns the value of the first header named `name`, in lower case.
fn header<'a>(sent: &'a Presentation, name: &str) -> Option<&'a str> {
    let mut named = sent.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
    named.next().map(|(_, value)| value.expose())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::judge;
    use super::super::tests::{answer, endpoint, token};
    use super::*;
    use crate::kubeconfig::ClusterConfig;
    use crate::pki::{Authority, Flaw, Request};
    use crate::secret::Secret;

    fn review(user: &str) -> Answered {
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview",
            "status": { "userInfo": { "username": user, "groups": ["dev"] } },
        });
        judge(&answer(201, &[("audit-id", "1")], &review.to_string()))
    }

    fn refusal(code: u16, message: &str) -> Answered {
        let status = json!({ "apiVersion": "v1", "kind": "Status", "status": "Failure", "message": message, "code": code });
        judge(&answer(code, &[("audit-id", "1")], &status.to_string()))
    }

    fn forbidden(user: &str, what: &str) -> Answered {
        refusal(403, &format!("this is forbidden: User {user:?} cannot {what}"))
    }

    const REVIEW: &str = "create resource \"selfsubjectreviews\" in API group \"authentication.k8s.io\" at the cluster scope";
    const PATH: &str = "post path \"/k8s/apis/authentication.k8s.io/v1/selfsubjectreviews\"";
    const IMPERSONATION: &str = "impersonate resource \"users\" in API group \"\" at the cluster scope";

    fn acting(user: &str) -> Credential {
        Credential::of(vec![token()], vec![("Impersonate-User".to_owned(), user.to_owned())])
    }

    fn leaf(request: &Request) -> Credential {
        Authority::root("clients").unwrap().issue(request).unwrap().into()
    }

    fn plain() -> Endpoint {
        Endpoint::kubectl(&ClusterConfig {
            server: "http://api.test:8001".to_owned(),
            ..ClusterConfig::default()
        })
        .unwrap()
    }

    #[test]
    fn an_api_servers_answer_accepts_or_refuses_or_leaves_it_open() {
        use Outcome::{Accepted, NoAnswer, NotAnApiServer, NotJudged, Refused};
        for (credential, answered, expected, user) in [
            (token(), review("alice"), Accepted, Some("alice")),
            // A refusal of the review names the user.
            (token(), forbidden("alice", REVIEW), Accepted, Some("alice")),
            (token(), forbidden("alice", PATH), NotJudged, None),
            (Credential::Nothing, forbidden(ANONYMOUS, PATH), NotJudged, None),
            (token(), refusal(401, "Unauthorized"), Refused, None),
            (token(), refusal(400, "a header is wrong"), Refused, None),
            (token(), refusal(404, "not found"), NotJudged, None),
            (token(), refusal(503, "later"), NotJudged, None),
            // A proxy that acts for its callers, and may not.
            (token(), forbidden("proxy", IMPERSONATION), Refused, None),
            (Credential::Nothing, review(ANONYMOUS), Accepted, Some(ANONYMOUS)),
            (Credential::Nothing, forbidden(ANONYMOUS, REVIEW), Refused, None),
            (acting("bob"), review("bob"), Accepted, Some("bob")),
            (acting("bob"), forbidden("bob", REVIEW), Accepted, Some("bob")),
            (acting("bob"), forbidden("alice", REVIEW), Refused, None),
            (acting("bob"), forbidden("alice", IMPERSONATION), Refused, None),
            (token(), judge(&answer(200, &[], "ok")), NotAnApiServer, None),
            (token(), judge(&answer(401, &[], "no")), NotAnApiServer, None),
            (token(), Answered::Nothing, NoAnswer, None),
        ] {
            let judged = outcome(&endpoint(), &credential, &answered);
            assert_eq!(
                (judged.outcome, judged.user.as_deref()),
                (expected, user),
                "{credential}: {answered:?}"
            );
            let is_told = matches!(answered, Answered::Status(_)) && user.is_some();
            assert_eq!(judged.finding.is_some(), is_told, "{credential}: {judged:?}");
        }
    }

    #[test]
    fn a_credential_of_an_anonymous_caller_was_dropped() {
        for answered in [review(ANONYMOUS), forbidden(ANONYMOUS, REVIEW), forbidden(ANONYMOUS, PATH)] {
            for (credential, words) in [
                (token(), "the token has not arrived"),
                (
                    leaf(&Request::client("alice", &[])),
                    "or the API server is started without --client-ca-file",
                ),
                (acting("bob"), "the token has not arrived"),
            ] {
                let judged = outcome(&endpoint(), &credential, &answered);
                assert_eq!((judged.outcome, judged.user), (Outcome::NotJudged, None), "{credential}");
                let finding = judged.finding.expect("a finding");
                assert!(finding.basis == Basis::Likely && finding.seen.contains(words), "{finding:?}");
            }
        }
    }

    #[test]
    fn what_an_api_server_takes_for_no_credential_was_not_dropped() {
        let authorization = |value: &str| Credential::Authorization(Secret::new(value));
        let nameless = leaf(&Request::flawed("alice", &[], Flaw::NoCommonName));
        for credential in [
            nameless.clone(),
            authorization("Basic x"),
            authorization("Bearer "),
            authorization("Bearer  x"),
        ] {
            let judged = outcome(&endpoint(), &credential, &review(ANONYMOUS));
            assert_eq!(judged, Judgement::accepted(ANONYMOUS, None), "{credential}");
            let judged = outcome(&endpoint(), &credential, &forbidden(ANONYMOUS, REVIEW));
            assert_eq!(judged, Judgement::without_user(Outcome::Refused, None), "{credential}");
        }
        // A token beside the certificate would have been judged.
        let both = Credential::Together(vec![nameless, token()]);
        assert_eq!(outcome(&endpoint(), &both, &review(ANONYMOUS)).outcome, Outcome::NotJudged);
    }

    #[test]
    fn whoever_acts_as_nobody_is_accepted_as_nobody() {
        let judged = outcome(&endpoint(), &acting(ANONYMOUS), &review(ANONYMOUS));
        assert_eq!(judged, Judgement::accepted(ANONYMOUS, None));
        let judged = outcome(&endpoint(), &acting(ANONYMOUS), &forbidden(ANONYMOUS, REVIEW));
        assert_eq!((judged.outcome, judged.user.as_deref()), (Outcome::Accepted, Some(ANONYMOUS)));
        // The role that lets users ask is not for the anonymous one.
        assert!(judged.finding.is_some_and(|finding| finding.change.is_none()));
    }

    #[test]
    fn a_credential_that_was_withheld_is_not_judged() {
        let certificate = leaf(&Request::client("alice", &[]));
        for credential in [token(), certificate, acting("bob")] {
            for answered in [review("bob"), review(ANONYMOUS), refusal(401, "Unauthorized")] {
                let judged = outcome(&plain(), &credential, &answered);
                assert_eq!((judged.outcome, judged.user), (Outcome::NotJudged, None), "{credential}");
                assert!(judged.finding.is_some_and(|finding| finding.seen.contains("was not sent")));
            }
            assert!(withheld(&endpoint(), &credential).is_none());
        }
        // `kubectl proxy`: the caller is whoever started it, and may act as another user.
        let bare = Credential::of(Vec::new(), vec![("Impersonate-User".to_owned(), "bob".to_owned())]);
        for credential in [Credential::Nothing, bare] {
            assert_eq!(outcome(&plain(), &credential, &review("bob")), Judgement::accepted("bob", None));
        }
    }
}
