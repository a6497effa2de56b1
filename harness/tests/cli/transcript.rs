//! The output of a walk-through's steps as pages show it: text that differs between runs is `…`, and messages of curl, kubectl and openssl
//! about their own work are left out if they depend on the installed build.
//!
//! The main functions are [`outputs`] and [`shown`].

use std::sync::LazyLock;

use authlab::walk_through::Step;
use regex::Regex;

/// Replacements, applied in this order to every line of output.
static DIFFERENT: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let different = [
        (r"\x1b\[[0-9;]*m", ""),
        // curl's progress, which may precede anything else in the line.
        (r"^[\s\d.kMG:-]*(--:--:--|\d:\d\d:\d\d)[ \d.kMG]*\r?", ""),
        (r"eyJ[\w-]+\.[\w-]+\.[\w-]*", "…"),
        (r"\b(token|ca\.crt|certificate-authority-data): [\w+/=]{40,}", "$1: …"),
        // A Secret repeats its namespace, which begins with "walk-".
        (r"\bnamespace: d2Fsay[\w+/=]+", "namespace: …"),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "…"),
        // The unique names of a walk-through.
        (r"\b(walk|user2|demo-rbac-\w+)-[0-9a-f]{8}\b", "$1-…"),
        (r"X509SHA256=[0-9a-f]{64}", "X509SHA256=…"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "…"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:…"),
        (
            r#"("(exp|iat|nbf|auth_time|warnafter|expires_in|refresh_expires_in|token)": )\d+"#,
            "$1…",
        ),
        (r#"("(session_state|sid)": )"[^"]*""#, r#"$1"…""#),
        (r#"(resourceVersion"?: )"\d+""#, r#"$1"…""#),
        (r#"("(architecture|operatingSystem)": )"[^"]*""#, r#"$1"…""#),
        (r"v1\.\d\d\.\d+", "v1.…"),
        // kubectl shows its headers in any order.
        (r"(curl -v -XGET) .* ('https:)", "$1 … $2"),
        (r"(?i)(user-agent: )(kubectl|curl)/[^\x22]*", "$1$2/…"),
        (r"^(subject|issuer)= *", "$1="),
        // kubectl's mark of the current context; curl's own lines have a star and fewer blanks.
        (r"^\* {4,}", "(current)   "),
        // Columns are as wide as the ages in them.
        (r"(\S)( {2,})\b\d+[smhd](\d+[smhd])?\b", "$1$2…"),
        (r"(\S) {2,}", "$1   "),
        (r"[IWE]\d{4} [\d:.]+ +\d+ [\w.]+:\d+\] ", "… "),
        (r" in \d+ milliseconds", ""),
        // Newer API servers name either one of two rights that would have helped, depending on earlier requests.
        (
            r"^(Error from server \(Forbidden\): ).* cannot impersonate.*",
            "$1… cannot impersonate …",
        ),
    ];
    different.map(|(pattern, shown)| (Regex::new(pattern).unwrap(), shown)).into()
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
        r"… .*(Config loaded|Request Body|Response Body|Response Headers|HTTP Trace|HTTP Statistics|cert_rotation|cert-rotation|envvar)",
        r"… .*(?i:feature gate|reflector|handling)",
        r"…  +",
        "\t(?:[A-Z][\\w-]+: |\\{)",
        r" > milliseconds",
        r" >$",
    ];
    Regex::new(&format!("^({})", about.join("|"))).unwrap()
});

/// Returns the output of each of `steps` in `printed`, in which a script shows each step before its output.
pub fn outputs<'a>(steps: &[Step], printed: &'a str) -> Vec<&'a str> {
    let mut outputs = Vec::new();
    let mut rest = printed;
    for (index, step) in steps.iter().enumerate() {
        let prose = step.prose.iter().map(|line| format!("# {line}").trim_end().to_owned() + "\n");
        let mark = |index| if index == 0 { "$" } else { ">" };
        let command = step
            .command
            .lines()
            .enumerate()
            .map(|(index, line)| format!("{} {line}\n", mark(index)));
        let heading: String = prose.chain(command).collect();
        let (before, after) = rest
            .split_once(&format!("\n{heading}"))
            .unwrap_or_else(|| panic!("expected\n{heading}\nin\n{rest}"));
        if index > 0 {
            outputs.push(before);
        }
        rest = after;
    }
    outputs.push(rest);
    outputs
}

/// Returns `output` as pages show it; `places` are paths of this run.
pub fn shown(output: &str, places: &[&str]) -> Vec<String> {
    let mut shown = Vec::new();
    for line in output.lines() {
        let mut text = places.iter().fold(line.to_owned(), |text, path| text.replace(path, "…"));
        for (pattern, replacement) in DIFFERENT.iter() {
            text = pattern.replace_all(&text, *replacement).into_owned();
        }
        if text.starts_with("subject=") || text.starts_with("issuer=") {
            text = text.replace(" = ", "=");
        }
        text = with_sorted_scope(&text);
        let nothing_but_progress = text.is_empty() && !line.is_empty();
        if !nothing_but_progress && !LEFT_OUT.is_match(&text) {
            shown.push(text.trim_end().replace("(current)   ", "*   "));
        }
    }
    while shown.last().is_some_and(String::is_empty) {
        shown.pop();
    }
    aligned(shown)
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

/// Aligns the columns of a table of kubectl, which begins with a line in capitals.
fn aligned(lines: Vec<String>) -> Vec<String> {
    static GAP: LazyLock<Regex> = LazyLock::new(|| Regex::new(" {3,}").unwrap());
    let is_heading = |line: &String| line.contains("   ") && line.chars().all(|c| c.is_ascii_uppercase() || c == ' ');
    let Some(heading) = lines.iter().position(is_heading) else {
        return lines;
    };
    let rows: Vec<Vec<&str>> = lines[heading..].iter().map(|line| GAP.split(line).collect()).collect();
    let mut widths = vec![0; rows.iter().map(Vec::len).max().unwrap()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let pad = |(cell, width): (&&str, &usize)| format!("{cell:0$}   ", *width);
    let padded = rows.iter().map(|row| row.iter().zip(&widths).map(pad).collect::<String>());
    let padded = padded.map(|row| row.trim_end().to_owned());
    lines[..heading].iter().cloned().chain(padded).collect()
}

#[test]
fn what_is_different_each_time_is_left_open() {
    let token = format!("ey{}.eyJpc3MiOiJ4In0.c2lnbmF0dXJl", "JhbGciOiJSUzI1NiJ9");
    let printed = format!(
        "  0 0 0 --:--:-- --:--:--     0*   Trying 127.0.0.1:6443...\n> authorization: Bearer {token}\n\
         {{\n  \"exp\": 123,\n  \"scope\": \"openid profile email\",\n  \"user\": \"alice\"\n}}\n* Connected\n\n\n"
    );
    let expected = "> authorization: Bearer …\n{\n  \"exp\": …,\n  \"scope\": \"email openid profile\",\n  \"user\": \"alice\"\n}";
    assert_eq!(shown(&printed, &[]).join("\n"), expected);
}

#[test]
fn a_table_is_as_wide_as_what_is_left_of_it() {
    let printed = "NAME       STATUS   AGE     VERSION\nlab-node   Ready    4m22s   v1.37.2\n";
    assert_eq!(
        shown(printed, &[]),
        ["NAME       STATUS   AGE   VERSION", "lab-node   Ready    …     v1.…"]
    );
    let printed = "CURRENT   NAME    CLUSTER   NAMESPACE\n          admin   lab       walk-0123abcd\n*         user1   lab       \n";
    let expected = [
        "CURRENT   NAME    CLUSTER   NAMESPACE",
        "          admin   lab       walk-…",
        "*         user1   lab",
    ];
    assert_eq!(shown(printed, &[]), expected);
}

#[test]
fn an_output_is_what_stands_between_two_steps() {
    let step = |prose: &[&str], command: &str| Step {
        prose: prose.iter().map(|line| (*line).to_owned()).collect(),
        command: command.to_owned(),
    };
    let steps = [
        step(&["Title", "", "More."], ""),
        step(&["Why."], "cat <<A\nA"),
        step(&[], "true"),
        step(&[], "true"),
    ];
    let printed = "\n# Title\n#\n# More.\n\n# Why.\n$ cat <<A\n> A\nno end of line\n$ true\n\n$ true\nend\n";
    assert_eq!(outputs(&steps, printed), ["", "no end of line", "", "end\n"]);
}
