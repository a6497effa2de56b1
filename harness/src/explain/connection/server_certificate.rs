//! The certificate of a server, for which kubectl does not connect: its names, its dates, its signer.
//!
//! The main function is [`refused`]. The words of kubectl are those of Go's `crypto/x509` (`verify.go`).

use std::net::IpAddr;

use jiff::Timestamp;

use crate::explain::Finding;
use crate::pem;
use crate::probe::{Endpoint, ProxyScheme, Refusal};
use crate::tls::{Flaw, ServerCertificate, Trust};

/// The largest number of names that are listed.
const NAMES: usize = 20;

/// Common names of certificates that ingress controllers make for themselves.
const INGRESSES: [&str; 2] = ["Kubernetes Ingress Controller Fake Certificate", "TRAEFIK DEFAULT CERT"];

/// Returns a finding for each flaw of a refused certificate.
pub(super) fn refused(endpoint: &Endpoint, refusal: &Refusal, now: Timestamp) -> Vec<Finding> {
    let Some(certificate) = &refusal.certificate else {
        return vec![unjudged(endpoint, "it cannot be read")];
    };
    let subject = Subject {
        endpoint,
        refusal,
        certificate,
        whose: match refusal.of_proxy {
            true => "the proxy's certificate".to_owned(),
            false => format!("the certificate of {}", endpoint.url),
        },
    };
    let mut findings: Vec<Finding> = refusal.flaws.iter().map(|flaw| subject.of(flaw, now)).collect();
    findings.extend(subject.another_server());
    findings
}

/// Returns what Go says of a certificate without the expected name (`HostnameError.Error`).
#[must_use]
pub fn hostname_error(expected: &str, certificate: &ServerCertificate) -> String {
    let legacy = certificate
        .common_name
        .as_deref()
        .is_some_and(|name| name.eq_ignore_ascii_case(expected));
    if !certificate.has_alternative_names && legacy {
        return "x509: certificate relies on legacy Common Name field, use SANs instead".to_owned();
    }
    let is_address = expected.parse::<IpAddr>().is_ok();
    let names: Vec<String> = match is_address {
        true => certificate.addresses.iter().map(ToString::to_string).collect(),
        false => certificate.names.clone(),
    };
    match names.len() {
        0 if is_address => format!("x509: cannot validate certificate for {expected} because it doesn't contain any IP SANs"),
        0 => format!("x509: certificate is not valid for any names, but wanted to match {expected}"),
        many if many >= 100 => {
            let kind = if is_address { "IP SANs" } else { "names" };
            format!("x509: certificate is valid for {many} {kind}, but none matched {expected}")
        }
        _ => format!("x509: certificate is valid for {}, not {expected}", names.join(", ")),
    }
}

/// A refused certificate, with where it was met.
struct Subject<'a> {
    endpoint: &'a Endpoint,
    refusal: &'a Refusal,
    certificate: &'a ServerCertificate,
    whose: String,
}

impl Subject<'_> {
    fn of(&self, flaw: &Flaw, now: Timestamp) -> Finding {
        let (whose, certificate) = (&self.whose, self.certificate);
        match flaw {
            Flaw::OtherNames => self.other_names(),
            Flaw::Expired => Finding::of_file(
                format!(
                    "{whose} expired at {}, {} ago by this machine's clock (kubectl says: x509: certificate has expired or is not yet valid)",
                    certificate.not_after,
                    long(now.as_second() - certificate.not_after.as_second())
                ),
                match self.refusal.of_proxy {
                    true => "have the proxy's certificate renewed".to_owned(),
                    false => "renew it on each control-plane node: `kubeadm certs renew apiserver`, then restart kube-apiserver \
                              (`kubeadm certs check-expiration` lists the others); k3s and RKE2 renew theirs at a restart"
                        .to_owned(),
                },
            ),
            Flaw::NotYetValid => Finding::of_file(
                format!(
                    "{whose} is valid only from {}, in {} by this machine's clock (kubectl says: x509: certificate has expired or is not yet valid)",
                    certificate.not_before,
                    long(certificate.not_before.as_second() - now.as_second())
                ),
                format!("correct this machine's clock, which says {now}, or that of the machine where the certificate was made (NTP)"),
            ),
            Flaw::UnknownIssuer { same_name } => self.unknown_issuer(*same_name),
            Flaw::AuthorityDates {
                authority,
                not_before,
                not_after,
            } => Finding::of_file(
                format!(
                    "the kubeconfig's authority {authority:?}, which signed {whose}, is valid from {not_before} until {not_after}, and it is {now} \
                     (kubectl says: x509: certificate has expired or is not yet valid)"
                ),
                "give the cluster a new authority and new certificates, and the kubeconfig that authority; if only the clock is wrong, correct it",
            ),
            Flaw::NoAuthority { authority } => Finding::of_file(
                format!(
                    "the kubeconfig's authority {authority:?} signed {whose}, and may not sign certificates: it lacks `CA:TRUE` or the usage `keyCertSign` \
                     (kubectl says: x509: certificate signed by unknown authority)"
                ),
                "make the authority with basicConstraints=critical,CA:TRUE and keyUsage=keyCertSign, or give the server's own certificate as certificate-authority",
            ),
            Flaw::IntermediateDates => Finding::of_file(
                format!(
                    "an intermediate certificate that comes with {whose} has expired or is not valid yet (kubectl says: x509: certificate has expired or is not yet valid)"
                ),
                "have the server send a current intermediate certificate",
            ),
            Flaw::WrongUsage => Finding::of_file(
                format!(
                    "{whose} is not for servers: its extended key usages are {} (kubectl says: x509: certificate specifies an incompatible key usage)",
                    certificate.usages.join(", ")
                ),
                "have it made with extendedKeyUsage=serverAuth",
            ),
            Flaw::WeakSignature { algorithm } => Finding::of_file(
                format!(
                    "{whose}, or one that comes with it, is signed with {algorithm}, which Go refuses (kubectl says: x509: certificate signed by unknown \
                     authority (possibly because of \"x509: cannot verify signature: insecure algorithm {algorithm}\"))"
                ),
                "have it signed with SHA-256 (`openssl x509 -req -sha256 …`)",
            ),
            Flaw::Unjudged { why } => unjudged(self.endpoint, why),
        }
    }

    fn other_names(&self) -> Finding {
        let (expected, certificate) = (self.refusal.expected.as_str(), self.certificate);
        let says = hostname_error(expected, certificate);
        let route = self.endpoint.route.as_ref();
        let all = certificate.all_names();
        let given = route.and_then(|route| route.tls_server_name.as_deref());
        if self.refusal.of_proxy {
            return Finding::of_file(
                format!(
                    "the proxy is expected to be {expected:?}, and its certificate is for {} (kubectl says: {says})",
                    listed(&all)
                ),
                "kubectl uses the cluster's certificate-authority and tls-server-name for a proxy of https://, too: give the proxy as http://, or a certificate of that name",
            );
        }
        if all.is_empty() {
            let common = certificate.common_name.as_deref().unwrap_or_default();
            let name = if expected.parse::<IpAddr>().is_ok() { "IP" } else { "DNS" };
            return Finding::of_file(
                format!(
                    "{} has no subject alternative names, only the common name {common:?}, which clients do not read any more (kubectl says: {says})",
                    self.whose
                ),
                format!("have it made with `subjectAltName={name}:{expected}`; tls-server-name cannot help"),
            );
        }
        let name = best(certificate).filter(|_| self.is_of_authority());
        if let Some(given) = given {
            let host = route.map_or("", |route| route.host.as_str());
            let own = all.iter().any(|name| name.eq_ignore_ascii_case(host));
            return Finding::of_file(
                format!(
                    "tls-server-name is {given:?}, and {} is for {} (kubectl says: {says})",
                    self.whose,
                    listed(&all)
                ),
                match (own, name) {
                    (true, _) => format!("remove the line `tls-server-name: {given}`: the certificate is for {host}"),
                    (false, Some(name)) => format!("correct the line: `tls-server-name: {name}`"),
                    (false, None) => format!("correct the line `tls-server-name: {given}`"),
                },
            );
        }
        let mut change = format!(
            "check that {} is the API server's address: another server's certificate has other names, too; if it is, ",
            self.endpoint.url
        );
        if let Some(name) = name {
            change = format!(
                "keep the address, and say which name to expect, under `cluster:` in the kubeconfig:\n    server: {}\n    tls-server-name: {name}\nor ",
                self.endpoint.url
            );
        }
        change += &format!(
            "have the certificate made for {expected}, too: kubeadm's `--apiserver-cert-extra-sans={expected}` (`certSANs`: move apiserver.crt and apiserver.key \
             away, then `kubeadm init phase certs apiserver`, and restart kube-apiserver); k3s and RKE2: `--tls-san={expected}`"
        );
        Finding::of_file(
            format!(
                "{} is for {}, and it is asked as {expected} (kubectl says: {says})",
                self.whose,
                listed(&all)
            ),
            change,
        )
    }

    /// Returns whether the kubeconfig's own authority vouches for the server, whatever its names: only then may they be said to be expected.
    /// Any server on the way has a certificate that the system trusts, for its own names.
    fn is_of_authority(&self) -> bool {
        let trust = self.endpoint.route.as_ref().map(|route| &route.trust);
        let mut flaws = self.refusal.flaws.iter();
        !matches!(trust, Some(Trust::System | Trust::Unverified))
            && flaws.all(|flaw| matches!(flaw, Flaw::OtherNames | Flaw::Expired | Flaw::NotYetValid))
    }

    fn unknown_issuer(&self, same_name: bool) -> Finding {
        let says = "kubectl says: x509: certificate signed by unknown authority";
        let (whose, issuer) = (&self.whose, &self.certificate.issuer);
        let trust = self.endpoint.route.as_ref().map(|route| &route.trust);
        let lab = Trust::Authorities(self.endpoint.authority.clone());
        match trust.unwrap_or(&lab) {
            Trust::Authorities(_) if same_name => Finding::of_file(
                format!("{whose} is signed by {issuer:?}, and the kubeconfig's authority of that name has another key ({says})"),
                "take the kubeconfig anew from the cluster: it was made again with a new authority, or this is another cluster's address",
            ),
            Trust::Authorities(pem) => Finding::of_file(
                format!(
                    "{whose} is signed by {issuer:?}, and the kubeconfig's certificate-authority is {} ({says})",
                    listed(&subjects(pem))
                ),
                "give the authority of that signer (certificate-authority, certificate-authority-data); it may also be another server's address",
            ),
            Trust::System | Trust::Unverified => Finding::of_file(
                format!(
                    "{whose} is signed by {issuer:?}, the kubeconfig names no certificate-authority, and this system does not trust that signer ({says})"
                ),
                "give the cluster its authority: `certificate-authority-data:` with the output of `base64 -w0 /etc/kubernetes/pki/ca.crt` of the control plane",
            ),
        }
    }

    /// Returns a guess whose certificate it is, if not an API server's.
    fn another_server(&self) -> Option<Finding> {
        let common = self.certificate.common_name.as_deref().unwrap_or_default();
        if INGRESSES.contains(&common) {
            return Some(Finding::likely(
                format!("the certificate is named {common:?}: an ingress controller answers, not the API server"),
                "give the API server's own address in `server:`",
                "the name and port behind the address: `kubectl -n kube-system get endpointslices` on the control plane shows the API server's",
            ));
        }
        let proxy = self.endpoint.route.as_ref()?.proxy.as_ref()?;
        let unknown = self
            .refusal
            .flaws
            .iter()
            .any(|flaw| matches!(flaw, Flaw::UnknownIssuer { same_name: false }));
        (unknown && !self.refusal.of_proxy && proxy.scheme != ProxyScheme::Socks5).then(|| {
            Finding::likely(
                format!("the connection goes by the proxy {proxy}, which may answer with a certificate of its own (TLS inspection); its signer is {:?}", self.certificate.issuer),
                "have the API server excepted from inspection, or go without the proxy",
                "the certificate's signer without the proxy: `openssl s_client -connect HOST:PORT </dev/null | openssl x509 -noout -issuer`",
            )
        })
    }
}

fn unjudged(endpoint: &Endpoint, why: &str) -> Finding {
    Finding::unjudged(
        format!(
            "authlab cannot verify the certificate of {}: {why}; kubectl may take it",
            endpoint.url
        ),
        "ask with `kubectl auth whoami`",
    )
}

/// Returns the best name for `tls-server-name`: one that every API server has, else the first that stands for one host.
fn best(certificate: &ServerCertificate) -> Option<String> {
    const USUAL: [&str; 4] = [
        "kubernetes.default.svc",
        "kubernetes.default",
        "kubernetes",
        "kubernetes.default.svc.cluster.local",
    ];
    let usual = USUAL.iter().find(|usual| certificate.names.iter().any(|name| name == *usual));
    let single = || certificate.names.iter().find(|name| !name.contains('*')).cloned();
    let address = || certificate.addresses.first().map(ToString::to_string);
    usual.map(|name| (*name).to_owned()).or_else(single).or_else(address)
}

fn subjects(pem: &str) -> Vec<String> {
    let blocks = pem::blocks(pem);
    let read = blocks
        .iter()
        .filter_map(|block| Some(format!("{:?}", block.parse_x509().ok()?.subject().to_string())));
    read.collect()
}

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(NAMES).cloned().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(NAMES) {
        Some(more @ 1..) => format!("{shown} and {more} more"),
        _ => shown,
    }
}

/// Returns a length of time in its largest unit.
fn long(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (number, unit) = match seconds {
        0..120 => (seconds, "seconds"),
        120..7200 => (seconds / 60, "minutes"),
        7200..172_800 => (seconds / 3600, "hours"),
        _ => (seconds / 86400, "days"),
    };
    format!("{number} {unit}")
}
