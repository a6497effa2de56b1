//! The readers, one test each.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use super::{fixture, give};
use crate::configuration::document::Document;
use crate::configuration::{refusal, tool};
use crate::credential::exec::ExecInfo;
use crate::explain::certificate::{self, Authorities};
use crate::explain::issuers::{self, Issuer, KeySet};
use crate::explain::token::{self, Evidence};
use crate::explain::{Known, rights, signing_request, waiting};
use crate::kubeconfig::{ExecConfig, contexts, read_with};
use crate::printable::printable;
use crate::project::Project;
use crate::report::{cucumber, html, junit, saved};
use crate::secret::redact;
use crate::token_shape::TokenShape;
use crate::{pem, probe, trial};

/// The signature of the tokens here, which nothing may show.
const SIGNATURE: &str = "c2lnbmF0dXJlLW9mLXRoaXMtdG9rZW4tYW5kLW9mLW5vLW90aGVy";

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().expect("a time")
}

/// Returns a PEM block with 48 bytes in it.
fn block(label: &str) -> String {
    pem::encode(label, &[7; 48]).expect("a label")
}

fn text(input: &[u8]) -> String {
    String::from_utf8_lossy(input).into_owned()
}

fn seeds(paths: &[&str]) -> Vec<Vec<u8>> {
    paths.iter().map(|path| std::fs::read(fixture(path)).expect("a fixture")).collect()
}

/// Returns the files with the extension `extension` in `directory` of the fixtures.
fn all(directory: &str, extension: &str) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(fixture(directory)).expect("a directory of fixtures");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a fixture")).collect()
}

fn configured() -> Vec<Issuer> {
    let files = all("init", "yaml").into_iter().chain(seeds(&["configurations/authn.yaml"]));
    let mut issuers: Vec<Issuer> = files
        .filter_map(|file| issuers::of_configuration(&text(&file)).ok())
        .flatten()
        .collect();
    let shapes = TokenShape::all().iter().filter_map(TokenShape::configuration);
    issuers.extend(shapes.enumerate().filter_map(|(index, entry)| issuers::of_entry(index, &entry)));
    issuers
}

/// A header and claims, with an empty line between them, become a token; other inputs are tokens as they are.
fn token_of(input: &[u8]) -> String {
    let between = input.windows(2).position(|two| two == b"\n\n");
    between.map_or_else(
        || text(input),
        |at| {
            let encoded = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
            format!("{}.{}.{SIGNATURE}", encoded(&input[..at]), encoded(&input[at + 2..]))
        },
    )
}

#[test]
#[ignore = "it makes secrets of anything: foreign_input::tests runs it in a process of its own"]
fn tokens() {
    let of_shape = |shape: &TokenShape| {
        let claims = serde_json::to_string(&shape.claims(None, &serde_json::Map::new())).expect("JSON");
        format!("{{\"alg\":\"RS256\",\"kid\":\"a\",\"typ\":\"JWT\"}}\n\n{claims}").into_bytes()
    };
    let mut sound: Vec<Vec<u8>> = TokenShape::all().iter().map(of_shape).collect();
    sound.extend(sound.iter().map(|seed| token_of(seed).into_bytes()).collect::<Vec<_>>());
    sound.extend([
        br#"{"alg":"RS256","kid":"a"}

{"aud":["https://kubernetes.default.svc"],"exp":1780000000,"iat":1770000000,"iss":"https://kubernetes.default.svc","jti":"a","kubernetes.io":{"namespace":"ci","node":{"name":"n","uid":"u"},"pod":{"name":"p","uid":"u"},"serviceaccount":{"name":"deployer","uid":"u"},"warnafter":1770003607},"nbf":1770000000,"sub":"system:serviceaccount:ci:deployer"}"#.to_vec(),
        b"abcdef.0123456789abcdef".to_vec(),
        b"k8s-aws-v1.aHR0cHM6Ly9zdHMuYW1hem9uYXdzLmNvbS8_QWN0aW9uPUdldENhbGxlcklkZW50aXR5JlgtQW16LURhdGU9MjAyNjA2MDFUMTIwMDAwWiZYLUFtei1FeHBpcmVzPTYw".to_vec(),
        b"sha256~0123456789012345678901234567890123456789012".to_vec(),
        b"Bearer \"eyJhbGciOiJub25lIn0.e30.\"".to_vec(),
    ]);
    let servers = [
        Known::default(),
        Known {
            issuers: configured(),
            all: true,
            service_account_issuers: vec!["https://kubernetes.default.svc".to_owned()],
            ..Known::default()
        },
    ];
    give("tokens", sound, |input| {
        let token = token_of(input);
        for known in &servers {
            for finding in token::check(&token, known, &Evidence::default(), now()) {
                let said = format!("{} {}", finding.seen, finding.change.as_deref().unwrap_or_default());
                if said.contains(SIGNATURE) {
                    return Err(format!("a finding shows the signature: {said}"));
                }
            }
        }
        Ok(true)
    });
}

#[test]
#[ignore = "it makes secrets of anything: foreign_input::tests runs it in a process of its own"]
fn sets_of_keys() {
    let sound = [
        r#"{"keys":[{"kty":"RSA","kid":"a","use":"sig","alg":"RS256","n":"sXchDaQebHnPiGvyDOAT4saGEUetSyo9MKLOoWFsueri23bOdgWp4Dy1WlUzewbgBHod5pcM9H95GQRV3JDXboIRROSBigeC5yjU1hGzHHyXss8UDprecbAYxknTcQkhslANGRUZmdTOQ5qTRsLAt6BTYuyvVRdhS8exSZEy_c4gs_7svlJJQ4H9_NxsiIoLwAEk7-Q3UXERGYw_75IDrGA84-lA_-Ct4eTlXHBIY2EaV7t7LjJaynVJCpkv4LKjTTAumiGUIuQhrNhZLuF_RJLqHpM2kgWFLU7-VTdL1VbC2tejvcI2BlMkEpk1BzBZI0KQB0GaDWFLN-aEAw3vRw","e":"AQAB"}]}"#,
        r#"{"keys":[{"kty":"EC","kid":"b","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
        r#"{"keys":[{"kty":"EC","crv":"P-521","x":"AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt","y":"AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1"}]}"#,
    ];
    // Signatures of the lengths that RSA with 2048 bits and the curves make.
    let tokens = [256, 64, 96, 132].map(|length| format!("eyJhbGciOiJSUzI1NiJ9.e30.{}", URL_SAFE_NO_PAD.encode(vec![7; length])));
    give("sets_of_keys", sound.map(|set| set.as_bytes().to_vec()).into(), |input| {
        let Ok(set) = KeySet::parse(&text(input)) else { return Ok(false) };
        let _ = (set.ids(), set.unreadable().is_some());
        for key in set.tried(Some("a")).chain(set.tried(None)) {
            let _ = (key.kind(), key.is_verifiable_here());
            for algorithm in ["RS256", "PS512", "ES256", "ES384", "ES512", "EdDSA", "none", ""] {
                if tokens.iter().any(|token| key.signed(token, algorithm)) {
                    return Err(format!("a key made the signature that no key made ({algorithm})"));
                }
            }
        }
        Ok(true)
    });
}

/// Returns the certificates of the fixtures, DER.
fn certificates() -> Vec<Vec<u8>> {
    let files = all("explain/certificates", "crt")
        .into_iter()
        .chain(all("explain/server_certificates", "crt"));
    files
        .flat_map(|file| pem::blocks(&text(&file)))
        .map(|block| block.contents)
        .collect()
}

#[test]
#[ignore = "it makes secrets of anything: foreign_input::tests runs it in a process of its own"]
fn certificates_and_bundles() {
    let authority = text(&seeds(&["explain/certificates/ca.crt"])[0]);
    let authorities = Authorities {
        clients: Some(&authority),
        serving: Some(&authority),
        ..Authorities::default()
    };
    give("certificates", certificates(), |input| {
        let chain = pem::encode(pem::CERTIFICATE, input).expect("a label") + &authority;
        drop(certificate::check(&chain, &authorities, &Known::default(), now()));
        drop(certificate::check(&chain, &Authorities::default(), &Known::default(), now()));
        drop(certificate::bundle::check(&chain, "ca.crt", now()));
        Ok(true)
    });
    let mut bundles = all("explain/certificates", "crt");
    bundles.push(
        b"{\"kind\":\"ConfigMap\",\"data\":{\"ca.crt\":\"-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----\\n\"}}".to_vec(),
    );
    give("bundles", bundles, |input| {
        drop(certificate::bundle::check(&text(input), "ca.crt", now()));
        drop(certificate::check(&text(input), &authorities, &Known::default(), now()));
        Ok(true)
    });
}

#[test]
#[ignore = "it makes secrets of anything: foreign_input::tests runs it in a process of its own"]
fn signing_requests() {
    let all: Vec<serde_json::Value> = serde_json::from_slice(&seeds(&["explain/signing_requests.json"])[0]).expect("JSON");
    let encoded = all.iter().filter_map(|one| one["spec"]["request"].as_str());
    let texts = encoded.map(|text| base64::engine::general_purpose::STANDARD.decode(text).expect("base64"));
    let der: Vec<Vec<u8>> = texts.flat_map(|pem| pem::blocks(&text(&pem))).map(|block| block.contents).collect();
    give("signing_requests", der, |input| {
        let pem = pem::encode("CERTIFICATE REQUEST", input).expect("a label");
        let _ = crate::pki::Requested::read(&pem).is_ok();
        Ok(signing_request::Requested::read(&pem).is_ok())
    });
    let objects = all.iter().map(|one| one.to_string().into_bytes()).collect();
    give("objects_of_signing_requests", objects, |input| {
        drop(signing_request::manifest(&text(input)));
        if let Ok(object) = serde_json::from_slice(input) {
            drop(signing_request::check(&object, now()));
        }
        Ok(true)
    });
}

#[test]
#[ignore = "it makes secrets of anything: foreign_input::tests runs it in a process of its own"]
fn kubeconfigs() {
    let cluster = "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: c, user: u, namespace: team-a}}]\n\
        clusters:\n- name: c\n  cluster: {server: 'https://10.0.0.1:6443', certificate-authority: CA.crt, proxy-url: 'socks5://p:1'}\nusers:\n- name: u\n  user:\n";
    let users = [
        "    token: abc\n",
        "    client-certificate: CERT.crt\n    client-key-data: QUJD\n",
        "    username: a\n    password: b\n",
        "    as: alice\n    as-groups: [dev]\n    as-user-extra: {k: [v]}\n    tokenFile: /token\n",
        "    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      command: ./aws\n      args: [eks, get-token]\n      env: [{name: A, value: b}]\n      \
         interactiveMode: Never\n",
        "    auth-provider:\n      name: oidc\n      config: {idp-issuer-url: 'https://i', client-id: k, id-token: eyJhbGciOiJub25lIn0.e30.}\n",
    ];
    let sound = users.map(|user| format!("{cluster}{user}").into_bytes()).to_vec();
    give("kubeconfigs", sound, |input| {
        let read = |path: &Path| match path.to_str() {
            Some("config") => Ok(input.to_vec()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        let files = [PathBuf::from("config")];
        let _ = read_with(&files, None, &read, now()).is_ok();
        Ok(contexts(&files, &read).is_ok())
    });
}

#[test]
#[ignore = "it makes secrets of anything: foreign_input::tests runs it in a process of its own"]
fn exec_credentials() {
    let sound = [
        r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{"interactive":false,"cluster":{"server":"https://s","certificate-authority-data":"QUJD","config":{"audience":"k"}}},"status":{"token":"abc","expirationTimestamp":"2026-06-01T13:00:00Z"}}"#.to_owned(),
        serde_json::json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "spec": { "interactive": true },
            "status": { "clientCertificateData": block("CERTIFICATE"), "clientKeyData": block("PRIVATE KEY") } })
        .to_string(),
    ];
    let exec = ExecConfig {
        api_version: "client.authentication.k8s.io/v1".to_owned(),
        command: "plugin".to_owned(),
        ..ExecConfig::default()
    };
    give("exec_credentials", sound.map(String::into_bytes).into(), |input| {
        let _ = crate::kubeconfig::plugin::answer::read(input, &exec).is_ok();
        Ok(ExecInfo::read(&text(input)).is_ok())
    });
}

/// Words of API servers about configurations that they refuse.
const WORDS: [&str; 4] = [
    "jwt[0].issuer.url: Invalid value: \"http://a\": URL scheme must be https",
    "[jwt[0].claimMappings.username.expression: Invalid value: \"claims.email\": variable 'claims.email_verified' must be used in, jwt[1].issuer.url: Required value]",
    "strict decoding error: unknown field \"jwt[0].issuer.audience\", unknown field \"jwt[0].x\"",
    "error converting YAML to JSON: yaml: line 7: mapping values are not allowed in this context",
];

#[test]
#[ignore = "it makes secrets of anything: foreign_input::tests runs it in a process of its own"]
fn configurations_of_api_servers() {
    let mut sound = seeds(&[
        "configurations/authn.yaml",
        "configurations/authz.yaml",
        "init/authn.yaml",
        "configurations/kind/authn.yaml",
    ]);
    let shapes: Vec<_> = TokenShape::all().iter().filter_map(TokenShape::configuration).collect();
    sound.push(
        serde_json::json!({ "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": shapes, "anonymous": { "enabled": false } })
            .to_string()
            .into_bytes(),
    );
    give("configurations_of_api_servers", sound, |input| {
        let text = text(input);
        let _ = (issuers::of_configuration(&text).is_ok(), trial::redirect::redirect(&text).is_ok());
        let kinds = ["AuthenticationConfiguration", "AuthorizationConfiguration"];
        let Ok(document) = Document::of_text(Path::new("authn.yaml"), text, &kinds) else {
            return Ok(false);
        };
        for words in WORDS {
            drop(refusal::mistakes(Some(&document), words));
        }
        Ok(true)
    });
}

#[test]
#[ignore = "it makes secrets of anything: foreign_input::tests runs it in a process of its own"]
fn words_of_api_servers() {
    let file = text(&seeds(&["configurations/authn.yaml"])[0]);
    let document = Document::of_text(Path::new("authn.yaml"), file.clone(), &["AuthenticationConfiguration"]).expect("a sound file");
    let issuer = Issuer::by_flags("https://login.example.com", "kubernetes");
    let mut sound = WORDS.map(|words| words.as_bytes().to_vec()).to_vec();
    sound.extend(
        [
            "E0601 12:00:00.000000       7 oidc.go:512] \"Unable to authenticate the request\" err=\"[invalid bearer token, oidc: verify token: oidc: expected audience \\\"k\\\" got [\\\"a\\\"]]\"\n",
            "E0601 12:00:00.000000       7 oidc.go:272] oidc authenticator: initializing plugin: Get \"https://login.example.com/.well-known/openid-configuration\": dial tcp: lookup login.example.com: no such host\n",
            "forbidden: User \"alice\" cannot list resource \"pods\" in API group \"\" in the namespace \"team-a\": RBAC: clusterrole.rbac.authorization.k8s.io \"x\" not found",
            "# TYPE a counter\na{issuer_hash=\"sha256:0\",result=\"success\"} 1.5e+09\n",
        ]
        .map(|words| words.as_bytes().to_vec()),
    );
    give("words_of_api_servers", sound, |input| {
        let words = text(input);
        drop(refusal::mistakes(Some(&document), &words));
        drop(refusal::with_lines_of(&words, &file, &file));
        let _ = (probe::failure(&words), rights::Denied::read(&words).is_some());
        let _ = [true, false].map(|alone| waiting::attempt(&words, &issuer, alone));
        Ok(true)
    });
}

#[test]
#[ignore = "it makes secrets of anything: foreign_input::tests runs it in a process of its own"]
fn files_of_tools() {
    let mut sound = all("configurations", "yaml");
    sound.extend(seeds(&["configurations/kind/kind.yaml", "configurations/k3s/config.yaml"]));
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("config.yaml");
    give("files_of_tools", sound, |input| {
        std::fs::write(&path, input).expect("a file");
        let _ = tool::read(&path).is_ok();
        Ok(true)
    });
}

#[test]
#[ignore = "it makes secrets of anything: foreign_input::tests runs it in a process of its own"]
fn projects_and_manifests() {
    let project = concat!(
        "kubernetes = \"1.34..1.37\"\nmanifests = [\"team.yaml\"]\n[api-server]\nauthentication-configuration = \"authn.yaml\"\n",
        "flags = { anonymous-auth = false }\n[features]\npaths = [\".\"]\ntags = { smoke = \"before every merge\" }\n",
        "[people.alice]\nissuer = \"https://login.example.com\"\nlike = \"entra-v2\"\nclaims = { groups = [\"team-a\"], n = 1 }\nwithout = [\"oid\"]\n",
        "[people.bob]\ncertificate = { common-name = \"bob\", organizations = [\"ops\"] }\n",
        "[people.deployer]\nservice-account = \"ci/deployer\"\n[people.dana]\ncontext = \"dana@prod\"\n",
    );
    give("projects", vec![project.as_bytes().to_vec()], |input| {
        Ok(Project::of_text(&text(input), "authlab.toml".to_owned(), fixture("init")).is_ok())
    });
    give("manifests", seeds(&["init/team.yaml", "configurations/config-map.yaml"]), |input| {
        Ok(trial::manifest::read("team.yaml", &text(input)).is_ok())
    });
}

#[test]
#[ignore = "it makes secrets of anything: foreign_input::tests runs it in a process of its own"]
fn records_of_runs() {
    give("records_of_runs", seeds(&["foreign_input/run.json"]), |input| {
        let Ok(record) = saved::parse(Path::new("run.json"), input) else {
            return Ok(false);
        };
        let records = [record];
        let page = html::draw(&records);
        if page.matches("<script").count() != page.matches("</script>").count() {
            return Err("a text of the record opens or ends a script of the page".to_owned());
        }
        junit::draw(&records).map_err(|error| error.to_string())?;
        cucumber::draw(&records).map_err(|error| error.to_string())?;
        Ok(true)
    });
}

#[test]
#[ignore = "it makes secrets of anything: foreign_input::tests runs it in a process of its own"]
fn texts_with_secrets() {
    let token = format!("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.{SIGNATURE}");
    let sound = [
        format!("Authorization: Bearer {token}\r\n"),
        format!("{{\"status\":{{\"token\":\"{token}\"}},\"password\":\"hunter2hunter2\"}}"),
        block("EC PRIVATE KEY"),
        "client_secret=abcdefgh12345678&grant_type=password&password=hunter2hunter2".to_owned(),
    ];
    give("texts_with_secrets", sound.map(String::into_bytes).into(), |input| {
        let text = text(input);
        let redacted = redact(&text).into_owned();
        // A signed token that is whole in the text is not whole in what is shown.
        if text.contains(&token) && redacted.contains(&token) {
            return Err(format!("a token is shown: {redacted:?}"));
        }
        let shown = printable(&redacted);
        match shown.chars().find(|sign| sign.is_control() && !matches!(sign, '\n' | '\t')) {
            Some(sign) => Err(format!("{sign:?} is printed")),
            None => Ok(true),
        }
    });
}
