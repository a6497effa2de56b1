//! Judging the certificates of authorities that a configuration has. The main functions are [`judge`], for one file, and [`shared`].
//!
//! Each is read as Go reads it ([`bundle`]). Go verifies no signature of an authority that is itself trusted, so how it is signed is no
//! finding: SHA-1 matters below an authority only. Authorities that nothing needs are none, either.

use jiff::Timestamp;

use super::finding::Finding;
use super::rules::{self, Rule};
use crate::explain::certificate::bundle::{self, Authority, Block, Content};
use crate::explain::certificate::time;

/// The time before the end of a certificate in which it should be renewed, in seconds.
const SOON: i64 = 30 * 24 * 3600;

/// The smallest RSA key that Go takes since 1.24 (`crypto/rsa`, `checkKeySize`).
const SMALLEST: usize = 1024;

/// The smallest RSA key of a publicly trusted authority (CA/Browser Forum, Baseline Requirements §6.1.5).
const USUAL: usize = 2048;

/// The flag that names the authorities of client certificates.
const CLIENTS: &str = "--client-ca-file";

/// The flag that names the authorities of front proxies.
const PROXIES: &str = "--requestheader-client-ca-file";

/// The authorities in a file, or in a field of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The field: `--client-ca-file`, or `jwt[0].issuer.certificateAuthority`.
    pub field: String,
    /// The file, as it is shown; `None` for the AuthenticationConfiguration.
    pub file: Option<String>,
    /// PEM text.
    pub text: String,
    /// The place of the text in the file.
    pub lines: Lines,
    /// The URL of the issuer whose server they are for.
    pub issuer: Option<String>,
}

/// The place of a text in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// Each of its lines is one of the file, after this number of others.
    After(usize),
    /// The file has it in another form, in this line.
    In(usize),
}

impl Bundle {
    fn line(&self, line: usize) -> usize {
        match self.lines {
            Lines::After(before) => before + line,
            Lines::In(only) => only,
        }
    }

    fn found(&self, rule: &'static Rule, line: usize, message: String) -> Finding {
        Finding {
            file: self.file.clone(),
            issuer: self.issuer.clone(),
            ..Finding::new(rule, message).at((self.field.clone(), Some(self.line(line))))
        }
    }

    /// Returns `true` if the authorities are those of clients; otherwise they are those of an issuer's server.
    fn is_for_clients(&self) -> bool {
        [CLIENTS, PROXIES].contains(&self.field.as_str())
    }
}

/// Returns the findings about `bundle` at `now`.
pub(super) fn judge(given: &Bundle, now: Timestamp) -> Vec<Finding> {
    let blocks = bundle::blocks(&given.text);
    let mut findings: Vec<Finding> = blocks.iter().filter_map(|block| of_block(given, block)).collect();
    findings.extend(damaged(given, &blocks));
    if !bundle::is_accepted(&given.text) {
        findings.extend(not_accepted(given, &blocks));
        return findings;
    }
    let all = certificates(&blocks);
    findings.extend(dates(given, &all, now));
    for (index, (line, authority)) in all.iter().enumerate() {
        findings.extend(of_authority(given, *line, authority));
        if let Some((first, _)) = all[..index].iter().find(|(_, other)| other.der == authority.der) {
            let message = format!("{:?} is in the file twice: also in line {}", authority.subject, given.line(*first));
            findings.push(given.found(&rules::CA_TWICE, *line, message).change("remove one of them"));
        }
    }
    findings
}

/// Returns the certificates among `blocks`, each with its line.
fn certificates(blocks: &[Block]) -> Vec<(usize, &Authority)> {
    let all = blocks.iter().filter_map(|block| match &block.content {
        Content::Certificate(authority) => Some((block.line, &**authority)),
        _ => None,
    });
    all.collect()
}

/// Returns the finding about a block that is skipped.
fn of_block(given: &Bundle, block: &Block) -> Option<Finding> {
    let Content::Skipped { label, has_headers } = &block.content else {
        return None;
    };
    if label.ends_with("PRIVATE KEY") {
        let message = "a private key is in the file, which everybody may read who reads its certificates".to_owned();
        let change = "take the key out, and make a new one: an API server needs none here";
        return Some(given.found(&rules::KEY_IN_CA_FILE, block.line, message).change(change));
    }
    let why = if *has_headers {
        "it has header lines".to_owned()
    } else {
        format!("it is called {label:?}")
    };
    let message = format!("a block is skipped without a word: {why}");
    Some(
        given
            .found(&rules::CA_SKIPPED, block.line, message)
            .change(bundle::relabelled(label)),
    )
}

/// Returns the findings about certificates that are not complete PEM blocks: Go skips them without a word.
fn damaged(given: &Bundle, blocks: &[Block]) -> Vec<Finding> {
    let begins = given
        .text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains("-----BEGIN CERTIFICATE-----"));
    let unread = begins
        .map(|(index, _)| index + 1)
        .filter(|line| !blocks.iter().any(|block| block.line == *line));
    let has_any = blocks.iter().any(|block| matches!(block.content, Content::Certificate(_)));
    let unread = unread.filter(|_| has_any).map(|line| {
        let message = "a certificate is damaged, and skipped without a word".to_owned();
        let change = "give the whole certificate, with BEGIN and END in lines of their own";
        given.found(&rules::CA_SKIPPED, line, message).change(change)
    });
    unread.collect()
}

/// Returns the finding about a file that API servers refuse; `None` for a field of the configuration, about which they say so themselves.
fn not_accepted(given: &Bundle, blocks: &[Block]) -> Option<Finding> {
    given.file.as_ref()?;
    let unreadable = blocks.iter().find(|block| block.content == Content::Unreadable);
    let (line, message) = match unreadable {
        Some(block) => (
            block.line,
            "a block is called a certificate and cannot be read as one, so API servers do not start",
        ),
        None if given.text.trim().is_empty() => (1, "the file is empty, so API servers do not start"),
        None => (1, "the file has no certificate that Go reads, so API servers do not start"),
    };
    let change = match unreadable {
        Some(_) => "take it out, or give the whole certificate",
        None => bundle::as_pem(&given.text),
    };
    Some(given.found(&rules::CA_UNREADABLE, line, message.to_owned()).change(change))
}

/// Returns the findings about the dates of certificates that are not replaced by another one of the same name and key.
fn dates(given: &Bundle, all: &[(usize, &Authority)], now: Timestamp) -> Vec<Finding> {
    let now = now.as_second();
    let is_valid = |authority: &Authority| authority.begin <= now && now <= authority.end;
    let lives = |authority: &Authority| is_valid(authority) && authority.end - now > SOON;
    let is_alone = !all.iter().any(|(_, other)| is_valid(other));
    let renewed = |authority: &Authority, good: &dyn Fn(&Authority) -> bool| {
        all.iter().any(|(_, other)| other.identity == authority.identity && good(other))
    };
    let mut findings = Vec::new();
    for (line, authority) in all {
        let subject = &authority.subject;
        let effect = match authority.signs {
            true => "nothing that it signed is accepted",
            false => "it is not accepted",
        };
        let renew = "renew it, and give the new one as well until the old one is nobody's";
        if authority.end < now && !renewed(authority, &is_valid) {
            let message = format!("{subject:?} expired at {}: {effect}", time(authority.end));
            let rule = if is_alone { &rules::CA_EXPIRED } else { &rules::CA_PARTLY_EXPIRED };
            let change = if is_alone { renew } else { "remove it, or renew it" };
            findings.push(given.found(rule, *line, message).change(change));
        } else if authority.begin > now && !renewed(authority, &is_valid) {
            let message = format!("{subject:?} is not valid before {}: until then, {effect}", time(authority.begin));
            let change = "keep the old one as well until then, or correct the clock of its signer";
            findings.push(given.found(&rules::CA_EARLY, *line, message).change(change));
        } else if is_valid(authority) && !renewed(authority, &lives) {
            let message = format!("{subject:?} expires at {}: then, {effect}", time(authority.end));
            findings.push(given.found(&rules::CA_EXPIRES, *line, message).change(renew));
        }
    }
    findings
}

/// Returns the findings about a certificate by itself.
fn of_authority(given: &Bundle, line: usize, authority: &Authority) -> Vec<Finding> {
    let subject = &authority.subject;
    let mut findings = Vec::new();
    if !authority.signs {
        let message = format!(
            "{subject:?} is not an authority's (basicConstraints CA:TRUE, keyUsage keyCertSign): only this very certificate is trusted, \
             until it is renewed"
        );
        let change = "give the certificate of the authority that signed it";
        findings.push(given.found(&rules::NOT_A_CA, line, message).change(change));
        return findings;
    }
    let (is_good, usage) = match given.is_for_clients() {
        true => (authority.for_clients, "client auth"),
        false => (authority.for_servers, "server auth"),
    };
    if !is_good {
        let message = format!("{subject:?} has extended key usages without `{usage}`: nothing that it signed is accepted here");
        let change = format!("have it created again without extended key usages, or with `{usage}`");
        findings.push(given.found(&rules::CA_USAGE, line, message).change(change));
    }
    if let Some(extension) = &authority.critical {
        let message =
            format!("{subject:?} has the critical extension {extension}, which Go does not know: nothing that it signed is accepted");
        let change = "have it created again without this extension, or with one that is not critical";
        findings.push(given.found(&rules::CA_USAGE, line, message).change(change));
    }
    if let Some(bits) = authority.rsa_bits.filter(|bits| *bits < USUAL) {
        let effect = match bits {
            ..SMALLEST => "Go takes no signature of it since 1.24",
            _ => "2,048 bits are the least that is held to be safe",
        };
        let message = format!("{subject:?} has an RSA key of {bits} bits: {effect}");
        let change = "create it again with a key of 2,048 bits or more, or on the curve P-256";
        findings.push(given.found(&rules::WEAK_CA, line, message).change(change));
    }
    findings
}

/// Returns the finding about an authority of both clients and front proxies in `bundles`, unless front proxies are limited by name: whoever
/// has a client certificate of it is anybody (kubernetes.io `tasks/extend-kubernetes/configure-aggregation-layer`).
pub(super) fn shared(bundles: &[Bundle], has_names: bool) -> Option<Finding> {
    if has_names {
        return None;
    }
    let of = |field: &str| bundles.iter().find(|bundle| bundle.field == field);
    let (clients, proxies) = (of(CLIENTS)?, of(PROXIES)?);
    let (of_clients, of_proxies) = (bundle::blocks(&clients.text), bundle::blocks(&proxies.text));
    let of_clients = certificates(&of_clients);
    let is_in_both = |(_, one): &(usize, &Authority)| of_clients.iter().any(|(_, other)| other.identity == one.identity);
    let (line, authority) = certificates(&of_proxies).into_iter().find(is_in_both)?;
    let message = format!(
        "{:?} is in {CLIENTS}, too, and no names are required: everybody with a client certificate may send X-Remote-User, and is whoever it says",
        authority.subject
    );
    let change = "create an authority for front proxies alone, and name your proxy's common name in --requestheader-allowed-names";
    Some(proxies.found(&rules::CA_SHARED, line, message).change(change))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2050-01-01T00:00:00Z";
    const LATE: &str = "2100-10-20T00:00:00Z";
    const AFTER: &str = "2101-01-01T00:00:00Z";

    fn fixture(name: &str) -> String {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/explain/certificates");
        std::fs::read_to_string(format!("{directory}/{name}.crt")).unwrap()
    }

    fn given(field: &str, text: &str) -> Bundle {
        Bundle {
            field: field.to_owned(),
            file: Some("ca.crt".to_owned()),
            text: text.to_owned(),
            lines: Lines::After(0),
            issuer: None,
        }
    }

    fn found(field: &str, text: &str, now: &str) -> Vec<(&'static str, usize)> {
        let findings = judge(&given(field, text), now.parse().unwrap());
        findings.iter().map(|finding| (finding.rule.name, finding.line.unwrap())).collect()
    }

    #[test]
    fn each_mistake_of_a_ca_file_is_found_at_its_line() {
        let (ca, other, leaf) = (fixture("ca"), fixture("rsa-ca"), fixture("sound"));
        let lines = ca.lines().count();
        let key = "-----BEGIN PRIVATE KEY-----\nAQID\n-----END PRIVATE KEY-----\n";
        for (text, now, expected) in [
            (ca.clone(), NOW, vec![]),
            // More than are needed, and text between them.
            (format!("# ours\n{ca}\n# theirs\n{other}"), NOW, vec![]),
            (fixture("self-signed"), NOW, vec![]),
            (ca.clone(), LATE, vec![("ca-expires-soon", 1)]),
            (ca.clone(), AFTER, vec![("ca-expired", 1)]),
            (
                format!("{}{ca}", fixture("self-signed")),
                "2100-11-20T00:00:00Z",
                vec![("ca-expired", 1), ("ca-expired", 12)],
            ),
            (ca.clone(), "2000-01-01T00:00:00Z", vec![("ca-not-yet-valid", 1)]),
            (leaf.clone(), NOW, vec![("not-a-ca", 1)]),
            (fixture("sha1"), NOW, vec![("not-a-ca", 1)]),
            (fixture("no-cert-sign"), NOW, vec![("not-a-ca", 1)]),
            (format!("{ca}{ca}"), NOW, vec![("ca-twice", lines + 1)]),
            (format!("{ca}{key}"), NOW, vec![("private-key-in-ca-file", lines + 1)]),
            (String::new(), NOW, vec![("ca-file-unreadable", 1)]),
            ("/etc/kubernetes/ca.crt\n".to_owned(), NOW, vec![("ca-file-unreadable", 1)]),
            (
                format!("{ca}-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n"),
                NOW,
                vec![("ca-file-unreadable", lines + 1)],
            ),
            (
                format!("{ca}{}", ca.replace("-----END", "----END")),
                NOW,
                vec![("ca-certificate-skipped", lines + 1)],
            ),
            (
                format!("{ca}{}", other.replace("CERTIFICATE", "TRUSTED CERTIFICATE")),
                NOW,
                vec![("ca-certificate-skipped", lines + 1)],
            ),
            (fixture("weak-ca"), NOW, vec![("weak-ca-key", 1)]),
            (fixture("servers-ca"), NOW, vec![("ca-for-other-usage", 1)]),
        ] {
            assert_eq!(found("--client-ca-file", &text, now), expected, "{text}");
        }
        assert_eq!(found("--oidc-ca-file", &fixture("servers-ca"), NOW), []);
    }

    #[test]
    fn a_field_of_the_configuration_has_its_own_lines_and_a_servers_words_if_it_is_unreadable() {
        let field = |text: &str, lines| Bundle {
            file: None,
            lines,
            ..given("jwt[0].issuer.certificateAuthority", text)
        };
        let lines = |given: &Bundle| {
            let findings = judge(given, AFTER.parse().unwrap());
            findings.iter().map(|finding| finding.line).collect::<Vec<_>>()
        };
        assert_eq!(lines(&field(&fixture("ca"), Lines::After(5))), [Some(6)]);
        assert_eq!(lines(&field(&fixture("ca"), Lines::In(4))), [Some(4)]);
        assert_eq!(lines(&field("nonsense", Lines::In(4))), []);
    }

    #[test]
    fn one_authority_for_clients_and_front_proxies_is_found_unless_names_limit_it() {
        let clients = given(CLIENTS, &format!("{}{}", fixture("rsa-ca"), fixture("ca")));
        let proxies = given(PROXIES, &fixture("ca"));
        let both = [clients, proxies];
        assert_eq!(
            shared(&both, false).map(|finding| finding.rule.name),
            Some("ca-shared-with-front-proxy")
        );
        assert_eq!(shared(&both, true), None);
        // Of the same name, and with another key.
        assert_eq!(
            shared(&[given(CLIENTS, &fixture("other-ca")), given(PROXIES, &fixture("ca"))], false),
            None
        );
        assert_eq!(shared(&both[..1], false), None);
    }
}
