//! A bootstrap token, compared with its Secret (kubernetes `plugin/pkg/auth/authenticator/token/bootstrap/bootstrap.go`).
//!
//! The main function is [`judge`]; neither the token's secret part nor the Secret's is ever shown.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use super::about;
use crate::explain::{Finding, OtherAuthenticators};

/// The type of such a Secret (k8s.io/cluster-bootstrap `token/api/types.go`).
const TYPE: &str = "bootstrap.kubernetes.io/token";

/// Returns the path of the Secret of the token with `id`.
pub(super) fn path(id: &str) -> String {
    format!("/api/v1/namespaces/kube-system/secrets/bootstrap-token-{id}")
}

/// Returns the finding about `token`, whose id is `id`: `secret` is its Secret, null if there is none, and `None` if it cannot be read.
pub(super) fn judge(token: &str, id: &str, others: Option<OtherAuthenticators>, secret: Option<&Value>, now: Timestamp) -> Finding {
    if others.is_some_and(|others| others == OtherAuthenticators::default()) {
        return Finding::cause(
            "T2",
            format!("this has the form of a bootstrap token ({id}), and the API server runs without --enable-bootstrap-token-auth"),
            "start it with --enable-bootstrap-token-auth=true, or present another credential",
        );
    }
    let name = format!("kube-system/bootstrap-token-{id}");
    let Some(secret) = secret else {
        let seen = format!("this has the form of a bootstrap token, which the Secret {name} describes");
        let ask = format!(
            "ask `kubectl -n kube-system get secret bootstrap-token-{id} -o yaml`: its type is {TYPE}, usage-bootstrap-authentication is \
            \"true\", expiration is in the future, and token-secret is the part after the dot; the API server needs \
            --enable-bootstrap-token-auth. `kubeadm token create` makes a new one"
        );
        return about("T3", Finding::unjudged(seen, ask));
    };
    let cause = |seen: String| Finding::cause("T3", seen, "make a new one: `kubeadm token create`");
    if secret.is_null() {
        return cause(format!(
            "this has the form of a bootstrap token, and there is no Secret {name}: it was deleted, or never made"
        ));
    }
    let data = |key: &str| {
        let text = secret.pointer(&format!("/data/{key}")).and_then(Value::as_str)?;
        String::from_utf8(STANDARD.decode(text).ok()?).ok()
    };
    let kind = secret.get("type").and_then(Value::as_str).unwrap_or_default();
    if kind != TYPE {
        return cause(format!(
            "the Secret {name} of the bootstrap token has the type {kind:?}, and only {TYPE} counts"
        ));
    }
    if data("token-secret").as_deref() != token.split_once('.').map(|(_, secret)| secret) {
        return cause(format!(
            "the part of the bootstrap token after the dot is not the token-secret of the Secret {name}"
        ));
    }
    if data("token-id").as_deref() != Some(id) {
        return cause(format!("the Secret {name} of the bootstrap token names another token-id"));
    }
    if let Some(end) = data("expiration").filter(|end| !end.is_empty()) {
        match end.parse::<Timestamp>() {
            Ok(at) if at > now => {}
            Ok(_) => return cause(format!("the bootstrap token expired at {end}, by the Secret {name}")),
            Err(_) => {
                return cause(format!(
                    "the expiration of the Secret {name} is {end:?}, which the API server cannot read as a time"
                ));
            }
        }
    }
    let usage = data("usage-bootstrap-authentication");
    if usage.as_deref() != Some("true") {
        return Finding::cause(
            "T3",
            format!("the Secret {name} of the bootstrap token does not say usage-bootstrap-authentication: \"true\""),
            "set it there, or make a new one: `kubeadm token create --usages authentication,signing`",
        );
    }
    about(
        "T1",
        Finding::right(format!("the bootstrap token is that of the Secret {name}, which is valid")),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::explain::Effect;

    const TOKEN: &str = "07401b.f395accd246ae52d";

    fn found(changes: &Value) -> Finding {
        let mut data = json!({
            "token-id": "07401b", "token-secret": "f395accd246ae52d", "usage-bootstrap-authentication": "true",
            "expiration": "1970-01-01T01:00:00Z",
        });
        let mut kind = json!(TYPE);
        for (name, value) in changes.as_object().expect("an object") {
            if name == "type" {
                kind = value.clone()
            } else {
                data[name] = value.clone()
            }
        }
        let data: serde_json::Map<String, Value> = data
            .as_object()
            .expect("an object")
            .iter()
            .map(|(name, value)| (name.clone(), STANDARD.encode(value.as_str().unwrap_or_default()).into()))
            .collect();
        let secret = json!({ "type": kind, "data": data });
        judge(TOKEN, "07401b", None, Some(&secret), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_bootstrap_token_is_compared_with_its_secret() {
        assert_eq!(found(&json!({})).effect, Effect::Right);
        assert_eq!(found(&json!({ "expiration": "" })).effect, Effect::Right);
        for (changes, part) in [
            (json!({ "type": "Opaque" }), "only bootstrap.kubernetes.io/token counts"),
            (json!({ "token-secret": "0123456789abcdef" }), "is not the token-secret"),
            (json!({ "token-id": "07401c" }), "another token-id"),
            (json!({ "expiration": "1969-12-31T00:00:00Z" }), "expired at 1969-12-31"),
            (json!({ "expiration": "tomorrow" }), "cannot read as a time"),
            (
                json!({ "usage-bootstrap-authentication": "false" }),
                "does not say usage-bootstrap-authentication",
            ),
        ] {
            let one = found(&changes);
            assert_eq!(one.effect, Effect::Cause, "{changes}");
            assert!(one.seen.contains(part), "{one:?}");
            let text = format!("{one:?}");
            assert!(!text.contains("f395accd246ae52d") && !text.contains("0123456789abcdef"), "{text}");
        }
        let gone = judge(TOKEN, "07401b", None, Some(&Value::Null), Timestamp::UNIX_EPOCH);
        assert!(gone.seen.contains("there is no Secret"), "{gone:?}");
        assert_eq!(judge(TOKEN, "07401b", None, None, Timestamp::UNIX_EPOCH).effect, Effect::Unjudged);
        let nothing = Some(OtherAuthenticators::default());
        assert_eq!(judge(TOKEN, "07401b", nothing, None, Timestamp::UNIX_EPOCH).behaviour, Some("T2"));
    }
}
