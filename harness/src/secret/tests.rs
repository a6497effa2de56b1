//! Tests of [`redact`]: forms and encodings that are redacted, and texts that stay readable.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use super::*;

const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLXRoYXQtaXMtc2VjcmV0";
const SHORTENED: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbm…";

#[test]
fn what_has_the_form_of_a_secret_is_redacted() {
    for (text, expected) in [
        // Names.
        ("password=hunter22", "password=[redacted]"),
        ("AUTHLAB_PASSWORD=hunter22", "AUTHLAB_PASSWORD=[redacted]"),
        ("KC_BOOTSTRAP_ADMIN_PASSWORD=a b, c", "KC_BOOTSTRAP_ADMIN_PASSWORD=[redacted]"),
        ("it has X_PASSWORD=ab,rest and more", "it has X_PASSWORD=[redacted] and more"),
        (
            r#"{"clientSecret":"x","clientId":"kubernetes"}"#,
            r#"{"clientSecret":"[redacted]","clientId":"kubernetes"}"#,
        ),
        (r#"{"secret": "hunter22"}"#, r#"{"secret": "[redacted]"}"#),
        (
            r#"{"password":"a \"b\", c","user":"alice"}"#,
            r#"{"password":"[redacted]","user":"alice"}"#,
        ),
        ("{'password': 'a b'}", "{'password': '[redacted]'}"),
        (r#"password="a b, 'c'" user="alice""#, r#"password="[redacted]" user="alice""#),
        (
            "    password: correct horse battery\n    user: alice",
            "    password: [redacted]\n    user: alice",
        ),
        ("  token: 0123456789abcdef\n  name: x", "  token: [redacted]\n  name: x"),
        ("  token: \"0123456789abcdef\"\n", "  token: \"[redacted]\"\n"),
        (
            "client_secret=abc&client_id=kubernetes",
            "client_secret=[redacted]&client_id=kubernetes",
        ),
        (
            "device_code=abcd&x=y, code_verifier=abcd-efg",
            "device_code=[redacted]&x=y, code_verifier=[redacted]",
        ),
        (
            "http://127.0.0.1:1/?state=s&code=0a1b2c3d.4e5f",
            "http://127.0.0.1:1/?state=s&code=[redacted]",
        ),
        (r#"{"code":"0a1b2c3d-4e5f.6"}"#, r#"{"code":"[redacted]"}"#),
        ("kubectl --token=0123456789abcdef get pods", "kubectl --token=[redacted] get pods"),
        ("kubectl --token 0123456789abcdef get pods", "kubectl --token [redacted] get pods"),
        (
            "kubectl '--token=a b, c' \"password=d e\" get pods",
            "kubectl '--token=[redacted]' \"password=[redacted]\" get pods",
        ),
        // Headers.
        ("Authorization: Bearer abcdefgh12", "Authorization: Bearer [redacted]"),
        ("authorization: bearer  abcdefgh12", "authorization: bearer  [redacted]"),
        ("AUTHORIZATION: BEARER abcdefgh12", "AUTHORIZATION: BEARER [redacted]"),
        ("Bearer\tabcdefgh12, x", "Bearer\t[redacted], x"),
        ("Authorization: Basic YTpi", "Authorization: Basic [redacted]"),
        ("it sent Basic YWxpY2U6c2VjcmV0.", "it sent Basic [redacted]."),
        (r#"Authorization:["Digest abc def"]"#, r#"Authorization:["Digest [redacted]"]"#),
        ("Cookie: KEYCLOAK_IDENTITY=abc; x=y\nHost: a", "Cookie: [redacted]\nHost: a"),
        (
            "base64url.bearer.authorization.k8s.io.ZXlK, v4",
            "base64url.bearer.authorization.k8s.io.[redacted], v4",
        ),
        // Commands and addresses.
        ("curl -s -u alice:hunter22 https://a", "curl -s -u alice:[redacted] https://a"),
        ("curl --user=\"a:b c\" https://a", "curl --user=\"a:[redacted]\" https://a"),
        ("curl \\\n  -s \\\n  -ualice:hunter22", "curl \\\n  -s \\\n  -ualice:[redacted]"),
        ("https://me:p@ss@mirror/x@1", "https://me:[redacted]@mirror/x@1"),
        (
            "git clone https://ghp_0123456789abcdefghij@host/x",
            "git clone https://[redacted]@host/x",
        ),
        // Tokens and keys.
        (&format!("err=\"{TOKEN}\""), &format!("err=\"{SHORTENED}\"")),
        (&format!("X{TOKEN}"), &format!("X{SHORTENED}")),
        (&format!("Bearer {TOKEN}"), &format!("Bearer {SHORTENED}")),
        (&format!("access_token={TOKEN}&x"), &format!("access_token={SHORTENED}&x")),
        ("abcdef.0123456789abcdef", "abcdef.[redacted]"),
        (
            "-----BEGIN PRIVATE KEY-----\nMIGH\nAgEA\n-----END PRIVATE KEY-----\nx",
            "[redacted PRIVATE KEY]\nx",
        ),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMIGH\n-----END RSA PRIVATE KEY-----",
            "[redacted RSA PRIVATE KEY]",
        ),
        (
            "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBkg4LVWM9nuwNSk3yByxZpY",
            "[redacted EC PRIVATE KEY]",
        ),
        (
            "MHcCAQEEIBkg4LVWM9nuwNSk3yByxZpY\nAwEHoUQD\n-----END EC PRIVATE KEY-----",
            "[redacted]-----END EC PRIVATE KEY-----",
        ),
    ] {
        assert_eq!(redact(text), expected, "{text}");
        assert_eq!(redact(expected), expected, "what is redacted stays as it is");
    }
}

#[test]
fn what_has_the_form_of_a_secret_is_redacted_in_every_encoding() {
    let key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49\nAwEHBG0wawIBAQQg\n-----END PRIVATE KEY-----\n";
    for (text, expected) in [
        (format!("x%22{TOKEN}%22"), format!("x%22{SHORTENED}%22")),
        (
            format!("redirect_uri%3Dx%26access_token%3D{TOKEN}"),
            format!("redirect_uri%3Dx%26access_token%3D{SHORTENED}"),
        ),
        (
            format!(r#"body="{{\"a\":\"\n{TOKEN}\"}}""#),
            format!(r#"body="{{\"a\":\"\n{SHORTENED}\"}}""#),
        ),
        (
            r#""{\"password\":\"a b\",\"x\":\"y\"}""#.to_owned(),
            r#""{\"password\":\"[redacted]\",\"x\":\"y\"}""#.to_owned(),
        ),
        (
            r#""{\\\"password\\\":\\\"a b\\\"}""#.to_owned(),
            r#""{\\\"password\\\":\\\"[redacted]\\\"}""#.to_owned(),
        ),
        (key.replace('\n', "\\n"), "[redacted PRIVATE KEY]\\n".to_owned()),
        (
            "password%3Da%20b%26user%3Dalice".to_owned(),
            "password%3D[redacted]%20b%26user%3Dalice".to_owned(),
        ),
        ("Bearer%20abcdefgh12".to_owned(), "Bearer%20[redacted]".to_owned()),
        ("x=Bearer+abcdefgh12".to_owned(), "x=Bearer+[redacted]".to_owned()),
        (
            format!(r#"{{"data":{{"x":"{}"}}}}"#, STANDARD.encode(TOKEN)),
            r#"{"data":{"x":"[redacted]"}}"#.to_owned(),
        ),
        (
            format!("client-certificate-data: {}\n", STANDARD.encode(key)),
            "client-certificate-data: [redacted]\n".to_owned(),
        ),
        (
            format!("x={}", URL_SAFE_NO_PAD.encode(r#"{"password":"a b"}"#)),
            "x=[redacted]".to_owned(),
        ),
        (hex::encode(TOKEN), REDACTED.to_owned()),
    ] {
        assert_eq!(redact(&text), expected, "{text}");
    }
}

#[test]
fn base64_that_is_broken_into_lines_is_read_as_one() {
    let encoded = STANDARD.encode(format!("{{\"x\":\"{}\",\"y\":\"{TOKEN}\"}}", "a".repeat(100)));
    let lines: Vec<&str> = encoded
        .as_bytes()
        .chunks(76)
        .map(|line| std::str::from_utf8(line).expect("base64"))
        .collect();
    for newline in ["\n", "\r\n", "\n    "] {
        let text = format!("it is\n{}\nand more", lines.join(newline));
        assert_eq!(redact(&text), "it is\n[redacted]\nand more");
    }
}

#[test]
fn what_is_known_is_redacted_in_every_encoding_and_alignment() {
    let value = "correct horse/battery, staple+7?";
    let _held = Secret::new(value);
    assert_eq!(redact(&format!("said {value}!")), "said [redacted]!");
    for offset in 0..6 {
        let around = format!("{}{value}{}", &"{\"a\":"[..offset.min(5)], &"}]".repeat(offset));
        for encoded in [
            STANDARD.encode(&around),
            URL_SAFE_NO_PAD.encode(&around),
            hex::encode(&around),
            hex::encode_upper(&around),
        ] {
            assert_eq!(redact(&format!("x \"{encoded}\" y")), "x \"[redacted]\" y", "{around} {encoded}");
            // The text right before it has the same characters.
            let glued = format!("a/b{encoded}");
            assert!(redact(&glued).starts_with(REDACTED), "{glued}");
        }
        let percent: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
        let twice: String = form_urlencoded::byte_serialize(percent.as_bytes()).collect();
        let all: String = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
        for encoded in [percent, twice, all, json!(value).to_string().trim_matches('"').replace('/', "\\/")] {
            assert_eq!(redact(&format!("x={encoded}&y=z")), "x=[redacted]&y=z", "{encoded}");
        }
        let within = STANDARD.encode(json!({ "data": STANDARD.encode(&around) }).to_string());
        assert_eq!(redact(&format!("({within})")), "([redacted])");
    }
}

#[test]
fn a_known_key_is_redacted_line_by_line_and_its_public_half_stays() {
    let lines = [
        "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg4U7Yk3Yt0rV9mX2v",
        "8Q1wZ3uJ5n6yT4s7c0bLdKfGhRaNCAASx2p9o8i7u6y5t4r3e2w1q0plmkonijb",
        "uhbvgytfcxdreszwaq1234567890abcdefghijk=",
    ];
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
    let _held = Secret::new(&*pem);
    for line in &lines[..2] {
        assert_eq!(redact(&format!("  log: {line}")), "  log: [redacted]");
    }
    assert_eq!(redact(lines[2]), lines[2]);
}

#[test]
fn a_static_token_is_known_and_a_public_value_is_not() {
    let text = "audit id 3f2504e04f8941d39a0c0305e82c3301 by 9f86d081884c7d659a2feaa0c55ad015";
    assert_eq!(redact(text), text);
    let (_held, _public) = (
        Secret::new("9f86d081884c7d659a2feaa0c55ad015"),
        Secret::public("3f2504e04f8941d39a0c0305e82c3301"),
    );
    assert_eq!(redact(text), "audit id 3f2504e04f8941d39a0c0305e82c3301 by [redacted]");
}

#[test]
fn what_people_need_stays_readable() {
    let certificate = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        STANDARD
            .encode([7; 480])
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect::<Vec<_>>()
            .join("\n")
    );
    for text in [
        "E1124 12:00:01.2 4242 authentication.go:75] \"Unable to authenticate the request\" err=\"[invalid bearer token, oidc: verify token: oidc: expected audience \\\"kubernetes\\\" got [\\\"other\\\"]]\"",
        "the bearer tokens of service accounts, bearer authentication and basic authentication",
        "rpc error: code = Unavailable desc = error reading from server, exit code=137, status code=Unauthenticated",
        "I1 tokencleaner.go:1] \"Deleting expired secret\" secret=\"kube-system/bootstrap-token-abcdef\"",
        r#"{"annotations":{"authentication.k8s.io/legacy-token":"system:serviceaccount:a:b","authentication.k8s.io/stale-token":"subject: x, seconds after warning threshold: 1"}}"#,
        r#"{"kind":"Role","rules":[{"resources":["secrets","serviceaccounts/token"],"verbs":["get"]}],"automountServiceAccountToken":false}"#,
        r#"secrets "bootstrap-token-abcdef" not found: token: it has expired"#,
        "--service-account-signing-key-file=/labs/a/service-accounts.key --token-auth-file=/labs/a/tokens.csv",
        "error: --client-secret requires --client-id; name it with --password-file FILE",
        "docker run -u 1000:1000 image; ls /a/b/c:d@e; https://user@host/x?y=a:b@c",
        "TOKEN=\"$(kubectl create token alice)\"",
        "TOKEN=$(kubectl create token alice)",
        "-----BEGIN PRIVATE KEY----- was expected, and something else found in the file",
        "aud=kubernetes, the framework-tools.example.companies, a.b.c",
        "alice in system:authenticated, credential-id JTI=2c1c7c9e-52bd-4d45-b2a8-8f1b1b7a1111",
        &certificate,
        &format!("certificate-authority-data: {}", STANDARD.encode(&certificate)),
    ] {
        assert_eq!(redact(text), text);
    }
}

#[test]
fn fields_are_redacted_by_their_names() {
    let mut value = json!({
        "password": "x",
        "user": { "name": "alice", "clientSecret": "y", "tokens": 3, "token": TOKEN },
        "data": { "ssh-password": ["a", "b"], "token": "", "secret": { "name": "kept" } },
        "annotations": { "authentication.k8s.io/legacy-token": "system:serviceaccount:a:b" },
        "headers": [["Authorization", "abc"], ["cookie", "a=b"], ["Accept", "token"], ["Authorization", "Basic [redacted]"]],
        "text": "password=z",
    });
    redact_value(&mut value);
    let expected = json!({
        "password": REDACTED,
        "user": { "name": "alice", "clientSecret": REDACTED, "tokens": 3, "token": SHORTENED },
        "data": { "ssh-password": [REDACTED, REDACTED], "token": "", "secret": { "name": "kept" } },
        "annotations": { "authentication.k8s.io/legacy-token": "system:serviceaccount:a:b" },
        "headers": [["Authorization", REDACTED], ["cookie", REDACTED], ["Accept", "token"], ["Authorization", "Basic [redacted]"]],
        "text": "password=[redacted]",
    });
    assert_eq!(value, expected);
}

#[test]
fn a_secret_hides_itself() {
    let secret = Secret::new("hunter22-hidden");
    assert_eq!(format!("{secret} {secret:?}"), "[redacted] [redacted]");
    assert_eq!(secret.expose(), "hunter22-hidden");
    assert_eq!(String::from(secret.clone()), "hunter22-hidden");
    let read: Secret = serde_json::from_str(&serde_json::to_string(&secret).expect("a string")).expect("a string");
    assert!(read == secret);
}
