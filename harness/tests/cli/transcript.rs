//! The output of a walk-through, with the parts that differ between runs replaced by names, so that it can be stored and compared.
//!
//! Commands and prose stay as they are; of the messages of curl, kubectl and openssl about their own work, only those are kept that do
//! not depend on the installed build.

use std::sync::LazyLock;

use regex::Regex;

/// Replacements, applied in this order to every line of output.
static NAMED: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let named = [
        (r"\x1b\[[0-9;]*m", ""),
        // curl's progress, which may precede anything else in the line.
        (r"^[\s\d.kMG:-]*(--:--:--|\d:\d\d:\d\d)[ \d.kMG]*\r?", ""),
        (r"eyJ[\w-]+\.[\w-]+\.[\w-]*", "<TOKEN>"),
        (r"\b(token|ca\.crt|certificate-authority-data): [\w+/=]{40,}", "$1: <BASE64>"),
        // A Secret repeats its namespace, which begins with "walk-".
        (r"\bnamespace: d2Fsay[\w+/=]+", "namespace: <BASE64>"),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<UID>"),
        // The unique names of a walk-through.
        (r"\b(walk|user2|demo-rbac-\w+)-[0-9a-f]{8}\b", "$1-<ID>"),
        (r"X509SHA256=[0-9a-f]{64}", "X509SHA256=<FINGERPRINT>"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<TIME>"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:<PORT>"),
        (
            r#"("(exp|iat|nbf|auth_time|warnafter|expires_in|refresh_expires_in|token)": )\d+"#,
            "$1<NUMBER>",
        ),
        (r#"("(session_state|sid)": )"[^"]*""#, r#"$1"<SESSION>""#),
        (r#"(resourceVersion"?: )"\d+""#, r#"$1"<NUMBER>""#),
        (r#"("(architecture|operatingSystem)": )"[^"]*""#, r#"$1"<MACHINE>""#),
        (r"v1\.\d\d\.\d+", "v<KUBERNETES>"),
        // kubectl shows its headers in any order.
        (r"(curl -v -XGET) .* ('https:)", "$1 <HEADERS> $2"),
        (r"(?i)(user-agent: )(kubectl|curl)/[^\x22]*", "$1$2/<BUILD>"),
        (r"^(subject|issuer)= *", "$1="),
        // kubectl's mark of the current context; curl's own lines have a star and fewer blanks.
        (r"^\* {4,}", "(current)   "),
        // Columns are as wide as the ages in them.
        (r"(\S)( {2,})\b\d+[smhd](\d+[smhd])?\b", "$1$2<AGE>"),
        (r"(\S) {2,}", "$1   "),
        (r"[IWE]\d{4} [\d:.]+ +\d+ [\w.]+:\d+\] ", "<LOG> "),
        (r" in \d+ milliseconds", ""),
        // Newer API servers name either one of two rights that would have helped, depending on earlier requests.
        (
            r"^(Error from server \(Forbidden\): ).* cannot impersonate.*",
            "$1<WHO> cannot impersonate <WHOM>",
        ),
    ];
    named.map(|(pattern, name)| (Regex::new(pattern).unwrap(), name)).into()
});

/// Lines of output about how a tool works rather than what happened.
static LEFT_OUT: LazyLock<Regex> = LazyLock::new(|| {
    let about = [
        // curl's progress, connection and TLS, and irrelevant headers.
        r" *% Total",
        r" *Dload ",
        r"[*] ",
        r"[*]$",
        r"[{}] \[\d+ bytes data\]",
        r"Note: Unnecessary use of -X",
        r"[<>] ?$",
        r"< (?i:audit-id|cache-control|content-length|date|x-kubernetes-pf)",
        r"> (?i:host|accept)",
        r"More details here: ",
        r"curl failed to verify",
        r"establish a secure connection",
        r"how to fix it, please",
        // openssl's messages.
        r"(Certificate request self-signature|Signature) ok",
        r"Warning: ignoring -extensions",
        r"Getting CA Private Key",
        r"Generating RSA",
        r"writing RSA key",
        r"e is 65537",
        r"[.+*]{4,}",
        // kubectl's log, except for the requests.
        r"<LOG> .*(Config loaded|Request Body|Response Body|Response Headers|HTTP Trace|HTTP Statistics|cert_rotation|cert-rotation|envvar)",
        r"<LOG> .*(?i:feature gate|reflector|handling)",
        r"<LOG>  +",
        "\t(?:[A-Z][\\w-]+: |\\{)",
        r" > milliseconds",
        r" >$",
    ];
    Regex::new(&format!("^({})", about.join("|"))).unwrap()
});

/// Returns `printed` in its stored form; `places` are paths of this run, with their names.
pub fn kept(printed: &str, places: &[(&str, &str)]) -> String {
    let mut kept = String::new();
    let mut typed = false;
    for line in printed.lines() {
        typed = line.starts_with("$ ") || (typed && line.starts_with("> "));
        if typed || line.starts_with("# ") || line == "#" {
            kept.push_str(line);
            kept.push('\n');
            continue;
        }
        let mut text = places.iter().fold(line.to_owned(), |text, (path, name)| text.replace(path, name));
        for (pattern, name) in NAMED.iter() {
            text = pattern.replace_all(&text, *name).into_owned();
        }
        if text.starts_with("subject=") || text.starts_with("issuer=") {
            text = text.replace(" = ", "=");
        }
        text = with_sorted_scope(&text);
        let nothing_but_progress = text.is_empty() && !line.is_empty();
        if !nothing_but_progress && !LEFT_OUT.is_match(&text) {
            kept.push_str(text.trim_end());
            kept.push('\n');
        }
    }
    kept
}

/// Keycloak lists the scopes of a token in any order.
fn with_sorted_scope(line: &str) -> String {
    static SCOPE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"("scope": )"([^"]*)""#).unwrap());
    let sorted = SCOPE.replace(line, |found: &regex::Captures| {
        let mut scopes: Vec<&str> = found[2].split(' ').collect();
        scopes.sort_unstable();
        format!("{}\"{}\"", &found[1], scopes.join(" "))
    });
    sorted.into_owned()
}

#[test]
fn what_is_different_each_time_has_a_name() {
    let token = format!("ey{}.eyJpc3MiOiJ4In0.c2lnbmF0dXJl", "JhbGciOiJSUzI1NiJ9");
    let printed = format!(
        "# Prose, at 127.0.0.1:1\n$ curl 127.0.0.1:1 \\\n> -d x\n  0 0 0 --:--:-- --:--:--     0*   Trying 127.0.0.1:6443...\n> authorization: Bearer {token}\n\
         {{\n  \"exp\": 123,\n  \"scope\": \"openid profile email\",\n  \"user\": \"alice\"\n}}\nlab-node   Ready    <none>   4m22s   v1.37.2\n* Connected\n*         user1\n"
    );
    let expected = "# Prose, at 127.0.0.1:1\n$ curl 127.0.0.1:1 \\\n> -d x\n> authorization: Bearer <TOKEN>\n{\n  \"exp\": <NUMBER>,\n  \"scope\": \"email openid profile\",\n  \"user\": \"alice\"\n}\n\
                    lab-node   Ready   <none>   <AGE>   v<KUBERNETES>\n(current)   user1\n";
    assert_eq!(kept(&printed, &[]), expected);
}
