//! A file with a signing request that was not sent yet: what the API server would refuse.
//!
//! The main function is [`check`]: no input, no output (kubernetes `pkg/apis/certificates/validation/validation.go`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::requested::{Flaw, Requested};
use super::signer::Signer;
use super::{Finding, usages};

/// Checks `text`: the manifest of a CertificateSigningRequest (YAML or JSON), or a signing request itself (PEM).
#[must_use]
pub fn check(text: &str) -> Vec<Finding> {
    if text.trim_start().starts_with("-----BEGIN") {
        return match Requested::read(text) {
            Ok(requested) => vec![right(&requested)],
            Err(flaw) => vec![refused(flaw)],
        };
    }
    let (mut findings, mut manifests) = (Vec::new(), Vec::new());
    for (begin, document) in documents(text) {
        match serde_saphyr::from_str::<Value>(&document) {
            Ok(manifest) => manifests.extend(items(manifest)),
            Err(error) => {
                // The error itself repeats lines of the file, which may have secrets.
                let within = error.location().and_then(|location| usize::try_from(location.line()).ok());
                let line = begin + within.unwrap_or(1).saturating_sub(1);
                findings.push(Finding::of_file(
                    format!("the file is not YAML in line {line}, or before it"),
                    "correct the line; spec.request is base64 on one line: `base64 -w0 < x.csr`",
                ));
            }
        }
    }
    let kind = |manifest: &Value| manifest.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    let requests: Vec<&Value> = manifests.iter().filter(|manifest| kind(manifest) == KIND).collect();
    if requests.is_empty() && findings.is_empty() {
        let kinds: Vec<String> = manifests.iter().map(|manifest| format!("{:?}", kind(manifest))).collect();
        let of = if kinds.is_empty() { "\"\"".to_owned() } else { kinds.join(", ") };
        let change = "give a CertificateSigningRequest, or the signing request itself";
        return vec![Finding::of_file(format!("the file is of the kind {of}"), change)];
    }
    for request in &requests {
        let found = checked(request).into_iter().map(|finding| match (requests.len(), name(request)) {
            (1, _) => finding,
            (_, name) => Finding {
                seen: format!("{name:?}: {}", finding.seen),
                ..finding
            },
        });
        findings.extend(found);
    }
    findings.sort_by_key(Finding::rank);
    findings
}

/// The kind of a signing request.
const KIND: &str = "CertificateSigningRequest";

fn name(manifest: &Value) -> &str {
    manifest.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}

/// Returns the documents with the lines of their beginnings, divided as kubectl does (apimachinery `pkg/util/yaml/decoder.go` `YAMLReader`).
fn documents(text: &str) -> Vec<(usize, String)> {
    let mut documents = vec![(1, String::new())];
    for (index, line) in text.lines().enumerate() {
        let rest = line.strip_prefix("---").map(str::trim);
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('#')) {
            documents.push((index + 2, String::new()));
        } else if let Some((_, document)) = documents.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    let is_content = |line: &str| !matches!(line.trim_start().chars().next(), None | Some('#'));
    documents.retain(|(_, document)| document.lines().any(is_content));
    documents
}

/// Returns the objects of a document: those of a `List`, too.
fn items(manifest: Value) -> Vec<Value> {
    match (
        manifest.get("kind").and_then(Value::as_str),
        manifest.get("items").and_then(Value::as_array),
    ) {
        (Some("List"), Some(items)) => items.clone(),
        _ if manifest.is_null() => Vec::new(),
        _ => vec![manifest],
    }
}

/// Checks the manifest of one request.
fn checked(manifest: &Value) -> Vec<Finding> {
    let field = |path: &str| manifest.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let mut findings = Vec::new();
    if field("/apiVersion") != "certificates.k8s.io/v1" {
        findings.push(Finding::of_file(
            format!(
                "the apiVersion is {:?} (expected \"certificates.k8s.io/v1\", the only one since 1.22)",
                field("/apiVersion")
            ),
            "write `apiVersion: certificates.k8s.io/v1`, with spec.signerName and spec.usages",
        ));
    }
    let (signer, usages) = (field("/spec/signerName"), usages(manifest));
    if signer.is_empty() || usages.is_empty() {
        let missing = if signer.is_empty() { "spec.signerName" } else { "spec.usages" };
        findings.push(Finding::cause(
            "C19",
            format!("{missing} is missing, and has no default in v1"),
            format!("write {missing}"),
        ));
    }
    if signer == "kubernetes.io/legacy-unknown" {
        findings.push(Finding::of_file(
            "the signer kubernetes.io/legacy-unknown is refused (API server: \"the legacy signerName is not allowed via this API version\")",
            "for a client of the API server: kubernetes.io/kube-apiserver-client; for a server: cert-manager or a signer of your own",
        ));
    }
    if let Some(seconds) = manifest
        .pointer("/spec/expirationSeconds")
        .and_then(Value::as_i64)
        .filter(|seconds| *seconds < 600)
    {
        let seen = format!("spec.expirationSeconds is {seconds} (expected 600 or more)");
        findings.push(Finding::cause("C11", seen, "write 600 or more"));
    }
    match decoded(field("/spec/request")).and_then(|text| Requested::read(&text)) {
        Err(flaw) => findings.push(refused(flaw)),
        Ok(requested) => {
            if Signer::of(signer) == Signer::Client && requested.organizations.iter().any(|group| group == "system:masters") {
                findings.push(Finding::cause(
                    "C6",
                    "the request has the organization \"system:masters\", which the signer kubernetes.io/kube-apiserver-client is not used for",
                    "name a group of your own, and bind it to cluster-admin if it must be so",
                ));
            }
            findings.extend(Signer::of(signer).broken(&requested, &usages).map(|broken| {
                let seen = format!("once approved, the signer would refuse it ({:?}): {}", broken.words, broken.has);
                Finding::cause("C12", seen, broken.change)
            }));
            findings.push(right(&requested));
        }
    }
    findings
}

fn refused(flaw: Flaw) -> Finding {
    Finding::cause("C7", flaw.seen, flaw.change)
}

fn right(requested: &Requested) -> Finding {
    let names = [&requested.dns[..], &requested.addresses].concat();
    let names = if names.is_empty() {
        String::new()
    } else {
        format!(", the names {names:?}")
    };
    Finding::right(format!(
        "the request is signed with its own key, and asks for {:?} in {:?}{names}",
        requested.common_name, requested.organizations
    ))
}

/// Decodes spec.request as Go does (`encoding/base64`, which skips line breaks and nothing else).
fn decoded(text: &str) -> Result<String, Flaw> {
    let flaw = |seen: &str, change: &str| {
        Err(Flaw {
            seen: seen.to_owned(),
            change: change.to_owned(),
        })
    };
    let encode = "write the output of `base64 -w0 < x.csr` there (macOS: `base64 -i x.csr`), on one line";
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return flaw("spec.request is empty", encode);
    }
    if trimmed.contains("$(") || trimmed.starts_with('`') || trimmed.starts_with('$') || trimmed.contains("{{") {
        return flaw(
            &format!("spec.request is the literal text {trimmed:?}: nobody carried out the command (API server: \"illegal base64 data\")"),
            &format!("{encode}; or let a shell fill it in, with an unquoted `kubectl apply -f - <<EOF`"),
        );
    }
    if trimmed.starts_with("-----BEGIN") {
        return flaw("spec.request is PEM text (expected: base64 of it)", encode);
    }
    let joined: String = text.chars().filter(|letter| !matches!(letter, '\r' | '\n')).collect();
    let Ok(bytes) = STANDARD.decode(&joined) else {
        let blanks = if joined.contains([' ', '\t']) { ": it has blanks" } else { "" };
        return flaw(
            &format!("spec.request is not base64{blanks} (API server: \"illegal base64 data\")"),
            encode,
        );
    };
    // DER begins with a sequence.
    if bytes.first() == Some(&0x30) {
        return flaw(
            "spec.request is base64 of DER (expected: of PEM text)",
            "write it as PEM first: `openssl req -inform DER -in FILE | base64 -w0`",
        );
    }
    let decoded = String::from_utf8_lossy(&bytes).into_owned();
    if decoded.trim_start().starts_with("LS0tLS1CRUdJTi") {
        return flaw("spec.request was encoded twice", "encode it once: `base64 -w0 < x.csr`");
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::explain::Effect;
    use crate::pki::signing_request;

    fn manifest(request: &str, signer: &str, usages: &[&str]) -> String {
        json!({ "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": { "name": "a" },
            "spec": { "request": request, "signerName": signer, "usages": usages } })
        .to_string()
    }

    fn first(text: &str) -> (Option<&'static str>, String) {
        let found = check(text);
        assert!(found[0].effect == Effect::Cause, "{found:?}");
        let change = found[0].change.clone().unwrap_or_default();
        (found[0].behaviour, format!("{} → {change}", found[0].seen))
    }

    const CLIENT: &str = "kubernetes.io/kube-apiserver-client";

    #[test]
    fn a_sound_file_is_right() {
        let (pem, _) = signing_request("alice", &["dev"]).expect("a request");
        let found = check(&manifest(&STANDARD.encode(&pem), CLIENT, &["client auth"]));
        assert_eq!((found.len(), found[0].effect), (1, Effect::Right));
        assert_eq!(
            found[0].seen,
            "the request is signed with its own key, and asks for \"alice\" in [\"dev\"]"
        );
        assert_eq!(check(&pem)[0].effect, Effect::Right);
        // As a YAML block scalar, with line breaks.
        let encoded = STANDARD.encode(&pem);
        let (one, two) = encoded.split_at(60);
        let yaml = format!(
            "apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nspec:\n  signerName: {CLIENT}\n  usages: [client auth]\n  request: |\n    {one}\n    {two}\n"
        );
        assert_eq!(check(&yaml).len(), 1);
    }

    #[test]
    fn each_document_of_a_file_is_read() {
        let (pem, _) = signing_request("alice", &[]).expect("a request");
        let sound = manifest(&STANDARD.encode(&pem), CLIENT, &["client auth"]);
        let other = "---\n# only this\n--- # more\nkind: Namespace\nmetadata: {name: n}\n---\n";
        let found = check(&format!("{other}{sound}\n"));
        assert_eq!((found.len(), found[0].effect), (1, Effect::Right), "{found:?}");
        let wrong = sound
            .replace("\"name\":\"a\"", "\"name\":\"b\"")
            .replace("client auth", "server auth");
        let (behaviour, said) = first(&format!("{sound}\n---\n{wrong}\n"));
        assert!(behaviour == Some("C12") && said.starts_with("\"b\": once approved"), "{said}");
        let list = format!("{{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": [{sound}]}}");
        assert_eq!(check(&list)[0].effect, Effect::Right);
        assert!(first(other).1.contains("of the kind \"Namespace\""));
        // A PEM line is no end of a document.
        assert_eq!(documents("a: |\n-----BEGIN A-----\n---\nb: 1\n").len(), 2);
    }

    #[test]
    fn what_is_not_yaml_is_told_with_its_line_alone() {
        for (text, line) in [
            ("kind: Secret\n---\nkind: a\npassword: s3cret: s3cret\n", "line 4"),
            ("token: s3cret\n  s3cret: [\n", "line "),
        ] {
            let (_, said) = first(text);
            assert!(said.contains(line) && !said.contains("s3cret"), "{said}");
        }
    }

    #[test]
    fn whatever_the_api_server_refuses_is_said_with_its_remedy() {
        let (pem, key) = signing_request("alice", &[]).expect("a request");
        let (masters, _) = signing_request("alice", &["system:masters"]).expect("a request");
        let new = pem.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST");
        let der = &crate::pem::first(&pem).expect("PEM").contents;
        let encoded = STANDARD.encode(&pem);
        let of = |request: &str| first(&manifest(request, CLIENT, &["client auth"]));
        for (request, part) in [
            (STANDARD.encode(&new), "leave out the word NEW"),
            ("$(cat x.csr | base64)".to_owned(), "nobody carried out the command"),
            ("$(cat x.csr | base64 | tr -d \"\\n\")".to_owned(), "base64 -w0 < x.csr"),
            (pem.clone(), "is PEM text"),
            (STANDARD.encode(der), "openssl req -inform DER"),
            (STANDARD.encode(&encoded), "encoded twice"),
            (encoded.replacen('V', "V ", 1), "it has blanks"),
            (STANDARD.encode("hello"), "no PEM text"),
            (STANDARD.encode(key.expose()), "make a new key"),
            (String::new(), "is empty"),
        ] {
            let (behaviour, said) = of(&request);
            assert_eq!(behaviour, Some("C7"), "{said}");
            assert!(said.contains(part), "{part}: {said}");
        }
        assert_eq!(of(&STANDARD.encode(&masters)).0, Some("C6"));
        assert!(first(&new).1.contains("leave out the word NEW"));
        let (behaviour, said) = first(&manifest(&encoded, CLIENT, &["server auth"]));
        assert_eq!(behaviour, Some("C12"));
        assert!(said.contains("invalid usage for client certificate: server auth"), "{said}");
        assert!(
            first(&manifest(&encoded, "kubernetes.io/legacy-unknown", &["client auth"]))
                .1
                .contains("cert-manager")
        );
        assert_eq!(first(&manifest(&encoded, "", &["client auth"])).0, Some("C19"));
        let old = manifest(&encoded, CLIENT, &["client auth"]).replace("k8s.io/v1", "k8s.io/v1beta1");
        assert!(first(&old).1.contains("the only one since 1.22"));
        let short = manifest(&encoded, CLIENT, &["client auth"]).replace("\"spec\":{", "\"spec\":{\"expirationSeconds\":60,");
        assert_eq!(first(&short).0, Some("C11"));
    }
}
