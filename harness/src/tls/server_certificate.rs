//! The certificate that a server presents, as far as a person needs it. The main type is [`ServerCertificate`].

use std::net::IpAddr;

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::pki::signature::insecure;
use crate::pki::{Holder, address};

/// A server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerCertificate {
    /// The whole subject.
    pub subject: String,
    /// The last common name in it, which nothing reads any more.
    pub common_name: Option<String>,
    /// The whole issuer.
    pub issuer: String,
    /// The DNS names.
    pub names: Vec<String>,
    /// The addresses.
    pub addresses: Vec<IpAddr>,
    /// `true` if there is an extension for names at all.
    pub has_alternative_names: bool,
    /// The extended key usages, by Go's names; empty for any.
    pub usages: Vec<String>,
    /// The beginning of its validity.
    pub not_before: Timestamp,
    /// The end of its validity.
    pub not_after: Timestamp,
    /// The name of the signature algorithm of the first certificate of the chain with one that Go refuses.
    pub weak_algorithm: Option<String>,
    /// `true` if it may sign others.
    pub is_authority: bool,
}

impl ServerCertificate {
    /// Reads the certificate and the ones after it.
    pub(super) fn read(leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(leaf).ok()?;
        let alternative = certificate.subject_alternative_name().ok().flatten();
        let general: &[GeneralName<'_>] = alternative.as_ref().map_or(&[], |names| &names.value.general_names);
        let at = |time: i64| Timestamp::from_second(time).unwrap_or(if time < 0 { Timestamp::MIN } else { Timestamp::MAX });
        Some(Self {
            subject: certificate.subject().to_string(),
            common_name: Holder::read(certificate.subject())
                .ok()
                .map(|holder| holder.user)
                .filter(|name| !name.is_empty()),
            issuer: certificate.issuer().to_string(),
            names: general
                .iter()
                .filter_map(|name| match name {
                    GeneralName::DNSName(name) => Some((*name).to_owned()),
                    _ => None,
                })
                .collect(),
            addresses: general
                .iter()
                .filter_map(|name| match name {
                    GeneralName::IPAddress(bytes) => address(bytes),
                    _ => None,
                })
                .collect(),
            has_alternative_names: alternative.is_some(),
            usages: usages(&certificate),
            not_before: at(certificate.validity().not_before.timestamp()),
            not_after: at(certificate.validity().not_after.timestamp()),
            weak_algorithm: weak(&certificate).or_else(|| {
                let others = others.iter().filter_map(|other| Some(X509Certificate::from_der(other).ok()?.1));
                others.into_iter().find_map(|other| weak(&other))
            }),
            is_authority: certificate.is_ca(),
        })
    }

    /// Returns all names, as people read them.
    #[must_use]
    pub fn all_names(&self) -> Vec<String> {
        let addresses = self.addresses.iter().map(ToString::to_string);
        let mut all: Vec<String> = Vec::new();
        for name in self.names.iter().cloned().chain(addresses) {
            if !all.contains(&name) {
                all.push(name);
            }
        }
        all
    }
}

fn usages(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(usage)) = certificate.extended_key_usage() else {
        return Vec::new();
    };
    let usage = usage.value;
    let known = [
        (usage.any, "any"),
        (usage.server_auth, "serverAuth"),
        (usage.client_auth, "clientAuth"),
        (usage.code_signing, "codeSigning"),
        (usage.email_protection, "emailProtection"),
        (usage.time_stamping, "timeStamping"),
        (usage.ocsp_signing, "OCSPSigning"),
    ];
    let named = known.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| (*name).to_owned());
    named.chain(usage.other.iter().map(ToString::to_string)).collect()
}

fn weak(certificate: &X509Certificate<'_>) -> Option<String> {
    insecure(&certificate.signature_algorithm).map(str::to_owned)
}
