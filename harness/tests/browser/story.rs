//! Records as real runs write them, created in code: [`run`] is one with everything in it, [`large`] one with many scenarios,
//! [`hostile`] one whose every text tries to be interpreted as markup.

use authlab::event::{
    AnswerReport, Cause, Exchange, Failure, LabReport, Outcome, Presented, ReasonSource, ScenarioReport, ServerRecord, Skip, SkipKind,
    StepReport, Verdict,
};
use authlab::report::record::{PhaseRecord, Recorder, RunRecord, Totals};
use serde_json::json;

const EXPIRED: &str = "x509: certificate has expired or is not yet valid: current time 2026-11-26T21:47:17Z is after 2026-11-26T20:47:17Z";

/// A run of Kubernetes 1.37.2 with passed, failed and skipped scenarios.
pub fn run() -> RunRecord {
    let mut scenarios = vec![expired(0), login(1), proxied(2), skipped(), failed()];
    scenarios.push(earlier());
    record(scenarios)
}

/// A run of `count` scenarios.
pub fn large(count: usize) -> RunRecord {
    let kinds = [expired, login, proxied];
    record((0..count).map(|index| kinds[index % kinds.len()](index)).collect())
}

/// A run whose texts are markup, scripts, and anything else that could break out of a page.
pub fn hostile(text: &str) -> RunRecord {
    let mut record = run();
    record.notes.push(text.to_owned());
    for scenario in &mut record.scenarios {
        let texts = [
            &mut scenario.id,
            &mut scenario.flow,
            &mut scenario.feature,
            &mut scenario.name,
            &mut scenario.place,
        ];
        for one in texts {
            one.push_str(text);
        }
        scenario.rule = Some(text.to_owned());
        scenario.tags.push(text.to_owned());
        scenario.behaviours.push(text.to_owned());
        for step in &mut scenario.steps {
            step.text.push_str(text);
        }
        if let Some(failure) = &mut scenario.failure {
            if let Cause::Differs { expected, seen } = &mut failure.cause {
                expected.push_str(text);
                seen.push_str(text);
            }
            failure.log.push(text.to_owned());
            failure.evidence = Some(text.to_owned());
        }
        for answer in &mut scenario.answers {
            answer.request.push_str(text);
            answer.reason = Some(text.to_owned());
        }
        for exchange in &mut scenario.exchanges {
            exchange.from = text.to_owned();
            exchange.request.push_str(text);
            exchange.answer = Some(text.to_owned());
            exchange.headers.push((text.to_owned(), text.to_owned()));
            exchange.presented.push(Presented::Token {
                header: json!({text: text}),
                claims: json!({"sub": text}),
                signature: text.to_owned(),
            });
            exchange.record = Some(ServerRecord {
                reason: Some(text.to_owned()),
                reason_source: ReasonSource::Log,
                audit_id: Some(text.to_owned()),
                audit_event: Some(json!({"user": {"username": text}})),
                log: vec![text.to_owned()],
                metrics: [(text.to_owned(), (1.0, 2.0))].into(),
            });
        }
    }
    record
}

/// The same run on another version of Kubernetes.
pub fn on(kubernetes: &str) -> RunRecord {
    let mut record = run();
    if let Some(lab) = &mut record.lab {
        lab.kubernetes = kubernetes.to_owned();
    }
    record
}

fn record(mut scenarios: Vec<ScenarioReport>) -> RunRecord {
    scenarios.sort_by(|one, other| one.id.cmp(&other.id));
    let count = |outcome| scenarios.iter().filter(|scenario| scenario.outcome == outcome).count();
    let phase = |name: &str, ms| PhaseRecord {
        name: name.to_owned(),
        ms,
        failed: None,
    };
    RunRecord {
        started: "2026-11-26T21:47:17Z".parse().unwrap(),
        ms: 18_442,
        lab: Some(LabReport {
            cluster: "process".to_owned(),
            kubernetes: "1.37.2".to_owned(),
            identity_provider: "Keycloak 26.7.4 (process)".to_owned(),
        }),
        phases: vec![
            phase("etcd", 412),
            phase("kube-apiserver main", 2_611),
            phase("control plane", 4_902),
            phase("keycloak", 9_330),
        ],
        absent_features: vec!["constrained_impersonation".to_owned()],
        notes: vec!["everything runs as processes: no container engine answers".to_owned()],
        totals: Totals {
            passed: count(Outcome::Passed),
            failed: count(Outcome::Failed),
            skipped: count(Outcome::Skipped),
        },
        scenarios,
        ..Recorder::new().record()
    }
}

fn scenario(flow: &str, file: &str, feature: &str, name: &str, behaviours: &[&str]) -> ScenarioReport {
    ScenarioReport {
        id: format!("{flow}/{file}::{name}"),
        flow: flow.to_owned(),
        feature: feature.to_owned(),
        rule: None,
        name: name.to_owned(),
        place: format!("features/{flow}/{file}.feature:12"),
        tags: behaviours
            .iter()
            .chain(&["requires:client_certificates"])
            .map(|&tag| tag.to_owned())
            .collect(),
        behaviours: behaviours.iter().map(|&id| id.to_owned()).collect(),
        run_with: Vec::new(),
        outcome: Outcome::Passed,
        skipped: None,
        failure: None,
        ms: 143,
        inversion: None,
        answers: Vec::new(),
        steps: Vec::new(),
        exchanges: Vec::new(),
    }
}

fn step(text: &str, outcome: Option<Outcome>, ms: u64) -> StepReport {
    StepReport {
        text: text.to_owned(),
        outcome,
        ms,
    }
}

fn audit_id(index: usize, request: usize) -> String {
    format!("{index:08x}-5d2f-4c51-9d6e-{request:012x}")
}

fn certificate(subject: &str, not_after: &str, index: usize) -> Presented {
    Presented::Certificate {
        subject: subject.to_owned(),
        issuer: "CN=authlab clients".to_owned(),
        serial: format!("4411{index}"),
        not_before: "2026-11-26T19:47:17Z".to_owned(),
        not_after: not_after.to_owned(),
        extended_key_usages: vec!["client_auth".to_owned()],
    }
}

fn token(index: usize, user: &str) -> Presented {
    Presented::Token {
        header: json!({"alg": "RS256", "kid": "nFqv6dH1TtQoQW3f0yQh2dKxw7k", "typ": "JWT"}),
        claims: json!({
            "iss": "https://127.0.0.1:38443/realms/authlab", "aud": "kubernetes", "sub": "0b186b96-5f0f-4c0e-9e55-6e0d6b0d9a11",
            "exp": 1_795_730_537 + index, "iat": 1_795_730_237, "jti": audit_id(index, 9), "email": format!("{user}@example.org"),
            "email_verified": true, "groups": ["platform-team", "developers"], "preferred_username": user, "typ": "ID", "azp": "kubernetes"
        }),
        signature: "kX3_a9".to_owned(),
    }
}

fn audit_event(user: &str, groups: &[&str], path: &str, code: u16) -> serde_json::Value {
    json!({
        "stage": "ResponseComplete", "verb": "create", "requestURI": path, "user": {"username": user, "groups": groups},
        "sourceIPs": ["127.0.0.1"], "responseStatus": {"code": code}, "annotations": {"authorization.k8s.io/decision": "allow"}
    })
}

fn asked(who: &str, request: &str, step: usize) -> Exchange {
    Exchange {
        step: Some(step),
        at_ms: 20 * step as u64,
        ms: 9,
        from: who.to_owned(),
        to: "API server main".to_owned(),
        request: request.to_owned(),
        headers: vec![("accept".to_owned(), "application/json".to_owned())],
        status: Some(201),
        verdict: Verdict::Accepted,
        ..Exchange::default()
    }
}

const WHO_AM_I: &str = "POST /apis/authentication.k8s.io/v1/selfsubjectreviews";

/// An expired certificate, and its valid twin.
fn expired(index: usize) -> ScenarioReport {
    let name = if index == 0 {
        "Mallory's expired certificate is refused".to_owned()
    } else {
        format!("Mallory's expired certificate is refused [number {index}]")
    };
    let refused = Exchange {
        presented: vec![certificate("CN=alice,O=platform-team", "2026-11-26T20:47:17Z", index)],
        status: Some(401),
        verdict: Verdict::Unauthenticated,
        answer: Some("Unauthorized".to_owned()),
        record: Some(ServerRecord {
            reason: Some(EXPIRED.to_owned()),
            reason_source: ReasonSource::Log,
            audit_id: Some(audit_id(index, 1)),
            audit_event: Some(
                json!({"stage": "ResponseStarted", "verb": "create", "user": {}, "responseStatus": {"code": 401, "message": "Unauthorized"}}),
            ),
            log: vec![format!(
                "E1126 21:47:17.{index:06}   31355 authentication.go:75] \"Unable to authenticate the request\" err=\"[{EXPIRED}, verifying certificate SN=44110, SKID=, AKID= failed: {EXPIRED}]\""
            )],
            metrics: [("authentication_attempts{result=\"failure\"}".to_owned(), (3.0, 4.0))].into(),
        }),
        ..asked("mallory", WHO_AM_I, 1)
    };
    let accepted = Exchange {
        presented: vec![certificate("CN=alice,O=platform-team", "2026-11-26T22:47:17Z", index + 1)],
        answer: Some("alice in platform-team, system:authenticated".to_owned()),
        record: Some(ServerRecord {
            reason_source: ReasonSource::None,
            audit_id: Some(audit_id(index, 2)),
            audit_event: Some(audit_event("alice", &["platform-team", "system:authenticated"], WHO_AM_I, 201)),
            ..ServerRecord::default()
        }),
        ..asked("alice", WHO_AM_I, 3)
    };
    ScenarioReport {
        rule: Some("A certificate counts between its two dates, and at no other time".to_owned()),
        steps: vec![
            step(
                "Given Mallory holds a client certificate that expired an hour ago",
                Some(Outcome::Passed),
                4,
            ),
            step("When she asks the API server who she is", Some(Outcome::Passed), 12),
            step(
                "Then she is refused as unauthenticated, because \"x509: certificate has expired or is not yet valid\"",
                Some(Outcome::Passed),
                0,
            ),
            step("But Alice, with a valid certificate, is still accepted", Some(Outcome::Passed), 11),
        ],
        answers: vec![
            answer("mallory → main: who am I", Verdict::Unauthenticated, 401, Some(EXPIRED), None),
            answer("alice → main: who am I", Verdict::Accepted, 201, None, Some("alice")),
        ],
        exchanges: vec![refused, accepted],
        ..scenario("external_certificates", "trust", "Whom the API server trusts", &name, &["X4"])
    }
}

fn answer(request: &str, verdict: Verdict, status: u16, reason: Option<&str>, user: Option<&str>) -> AnswerReport {
    AnswerReport {
        request: request.to_owned(),
        verdict,
        status: Some(status),
        reason: reason.map(str::to_owned),
        reason_source: if reason.is_some() { ReasonSource::Log } else { ReasonSource::None },
        audit_id: None,
        user: user.map(str::to_owned),
    }
}

/// A login at Keycloak, and a request with its token.
fn login(index: usize) -> ScenarioReport {
    let id_token = token(index, "alice");
    let login = Exchange {
        to: "Keycloak".to_owned(),
        request: "POST /realms/authlab/protocol/openid-connect/token".to_owned(),
        headers: vec![("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned())],
        presented: vec![Presented::Opaque {
            described_as: "password".to_owned(),
        }],
        status: Some(200),
        issued: vec![id_token.clone()],
        answer: Some("tokens for alice, for 300 s".to_owned()),
        ..asked("alice", "", 0)
    };
    let accepted = Exchange {
        presented: vec![id_token],
        headers: vec![("authorization".to_owned(), "Bearer eyJhbGciOiJSUzI1NiJ9.….kX3_a9…".to_owned())],
        answer: Some("https://127.0.0.1:38443/realms/authlab#alice in platform-team, developers, system:authenticated".to_owned()),
        record: Some(ServerRecord {
            reason_source: ReasonSource::None,
            audit_id: Some(audit_id(index, 3)),
            audit_event: Some(audit_event(
                "oidc:alice",
                &["oidc:platform-team", "oidc:developers", "system:authenticated"],
                WHO_AM_I,
                201,
            )),
            ..ServerRecord::default()
        }),
        ..asked("alice", WHO_AM_I, 1)
    };
    ScenarioReport {
        steps: vec![
            step("Given Alice has logged in at Keycloak", Some(Outcome::Passed), 44),
            step("When she asks the API server who she is", Some(Outcome::Passed), 12),
            step(
                "Then she is accepted as \"oidc:alice\" in the groups \"oidc:platform-team\" and \"oidc:developers\"",
                Some(Outcome::Passed),
                0,
            ),
        ],
        answers: vec![answer("alice → main: who am I", Verdict::Accepted, 201, None, Some("oidc:alice"))],
        exchanges: vec![login, accepted],
        ..scenario(
            "oidc",
            "login",
            "Logging in",
            &format!("Alice logs in [number {index}]"),
            &["O1", "O2"],
        )
    }
}

/// A request through the auth proxy, as several parties record it.
fn proxied(index: usize) -> ScenarioReport {
    let mut scenario = login(index);
    let to_proxy = Exchange {
        to: "auth proxy impersonating".to_owned(),
        ..scenario.exchanges[1].clone()
    };
    let onward = Exchange {
        from: "auth proxy impersonating".to_owned(),
        headers: vec![
            ("impersonate-user".to_owned(), "alice".to_owned()),
            ("impersonate-group".to_owned(), "platform-team".to_owned()),
        ],
        presented: vec![certificate("CN=auth-proxy", "2026-11-26T22:47:17Z", index)],
        status: Some(403),
        verdict: Verdict::Forbidden,
        answer: Some("users \"alice\" is forbidden: User \"auth-proxy\" cannot impersonate resource \"users\" in API group \"\" at the cluster scope".to_owned()),
        record: Some(ServerRecord {
            reason: Some("users \"alice\" is forbidden: User \"auth-proxy\" cannot impersonate resource \"users\"".to_owned()),
            reason_source: ReasonSource::Body,
            audit_id: Some(audit_id(index, 4)),
            ..ServerRecord::default()
        }),
        ..asked("", "GET /api/v1/nodes", 1)
    };
    scenario.exchanges = vec![scenario.exchanges[0].clone(), to_proxy, onward];
    ScenarioReport {
        answers: vec![answer(
            "alice → auth proxy: GET /api/v1/nodes",
            Verdict::Forbidden,
            403,
            Some("User \"auth-proxy\" cannot impersonate resource \"users\""),
            None,
        )],
        steps: scenario.steps,
        exchanges: scenario.exchanges,
        ..self::scenario(
            "auth_proxy",
            "impersonating",
            "A proxy that impersonates",
            &format!("The proxy may not act as Alice [number {index}]"),
            &["G1", "I2"],
        )
    }
}

fn skipped() -> ScenarioReport {
    ScenarioReport {
        outcome: Outcome::Skipped,
        tags: ["I20", "requires:client_certificates", "requires:constrained_impersonation"]
            .map(str::to_owned)
            .to_vec(),
        skipped: Some(Skip {
            kind: SkipKind::Version,
            because: "Kubernetes 1.30 has no `constrained_impersonation` (from 1.36 on)".to_owned(),
        }),
        ms: 0,
        ..scenario(
            "impersonation",
            "constrained",
            "Constrained impersonation",
            "Carol may act as Bob on one node",
            &["I20"],
        )
    }
}

fn failed() -> ScenarioReport {
    let mut scenario = expired(7);
    let name = "Mallory's certificate of another authority is refused".to_owned();
    scenario.steps[2].outcome = Some(Outcome::Failed);
    scenario.steps[3].outcome = None;
    scenario.exchanges.truncate(1);
    scenario.answers.truncate(1);
    ScenarioReport {
        id: format!("external_certificates/trust::{name}"),
        name,
        behaviours: vec!["X3".to_owned()],
        outcome: Outcome::Failed,
        failure: Some(Failure {
            step: "Then she is refused as unauthenticated, because \"certificate signed by unknown authority\"".to_owned(),
            place: "features/external_certificates/trust.feature:31".to_owned(),
            definition: Some("harness/src/scenario/steps/answers/refusals.rs:26".to_owned()),
            cause: Cause::Differs {
                expected: "a reason with `certificate signed by unknown authority`".to_owned(),
                seen: format!("`{EXPIRED}`"),
            },
            log: vec!["E1126 21:47:17.000031   31355 authentication.go:75] \"Unable to authenticate the request\"".to_owned()],
            evidence: Some("evidence/mallory-s-certificate".to_owned()),
        }),
        ..scenario
    }
}

/// A record of an earlier version, which stored neither steps nor requests.
fn earlier() -> ScenarioReport {
    ScenarioReport {
        answers: vec![answer(
            "bob → main: GET /api/v1/nodes",
            Verdict::Forbidden,
            403,
            Some("nodes is forbidden: User \"bob\" cannot list resource \"nodes\""),
            None,
        )],
        ..scenario("anonymous", "nobody", "No credential at all", "Bob may not list nodes", &["F8"])
    }
}
