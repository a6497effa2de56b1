//! The content of a signing request (PKCS #10, RFC 2986), as an API server reads it.
//!
//! The main type is [`Requested`]; [`Flaw`] says why it is none (kubernetes `pkg/apis/certificates/helpers.go`, `ParseCSR`, and
//! `validation/validation.go`).

use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer as _;

use crate::pem;
use crate::pki::signature::{Signature, Signed, check};
use crate::pki::{Holder, address};

/// The content of a signing request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requested {
    /// The last common name.
    pub common_name: String,
    /// The organizations, in order.
    pub organizations: Vec<String>,
    /// The DNS names.
    pub dns: Vec<String>,
    /// The addresses.
    pub addresses: Vec<String>,
    /// The e-mail addresses.
    pub emails: Vec<String>,
    /// The URIs.
    pub uris: Vec<String>,
}

/// The reason that API servers refuse a signing request (behaviour C7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The observation.
    pub seen: String,
    /// The change that helps.
    pub change: String,
}

/// The label of a signing request (RFC 7468 §7).
const LABEL: &str = "CERTIFICATE REQUEST";

impl Requested {
    /// Reads the PEM text of a signing request.
    ///
    /// # Errors
    /// The API server refuses it.
    pub fn read(text: &str) -> Result<Self, Flaw> {
        let flaw = |seen: String, change: &str| {
            let change = change.to_owned();
            Err(Flaw { seen, change })
        };
        // Go decodes the first block, and leaves out what precedes it.
        let Ok(block) = pem::first(text) else {
            return flaw(
                "the request is no PEM text (API server: \"PEM block type must be CERTIFICATE REQUEST\")".to_owned(),
                "give the whole of it, with its BEGIN and END lines (from DER: `openssl req -inform DER -in FILE -out x.csr`)",
            );
        };
        if block.label != LABEL {
            let label = &block.label;
            let change = match label.as_str() {
                "NEW CERTIFICATE REQUEST" => {
                    "leave out the word NEW, which keytool and certreq write: `sed 's/NEW CERTIFICATE REQUEST/CERTIFICATE REQUEST/' x.csr`"
                }
                "CERTIFICATE" => "give the signing request, not the certificate",
                label if label.ends_with("PRIVATE KEY") => {
                    "give the signing request, and make a new key: this one must be kept secret (`openssl req -new -key KEY -out x.csr`)"
                }
                _ => "give the signing request (`openssl req -new -key KEY -out x.csr`)",
            };
            return flaw(
                format!("the request is called {label:?} (API server: \"PEM block type must be CERTIFICATE REQUEST\")"),
                change,
            );
        }
        let Ok((_, request)) = X509CertificationRequest::from_der(&block.contents) else {
            return flaw(
                "the request cannot be read: it is cut short, or no signing request".to_owned(),
                "give the whole of it (`openssl req -noout -text -in x.csr` shows it)",
            );
        };
        let signed = Signed {
            algorithm: &request.signature_algorithm,
            signature: &request.signature_value,
            content: request.certification_request_info.raw,
        };
        let info = &request.certification_request_info;
        // A broken hash is still taken in requests (Go `CheckSignature`).
        if check(signed, &info.subject_pki) == Signature::Broken {
            return flaw(
                "the request's signature was not made with its own key".to_owned(),
                "make it again (`openssl req -new -key KEY -out x.csr`): it was changed, or put together from two",
            );
        }
        let holder = match Holder::read(&info.subject) {
            Ok(holder) => holder,
            Err(error) => {
                return flaw(
                    format!("Go cannot read the request: {error}"),
                    "make it again with UTF8String names",
                );
            }
        };
        let mut requested = Self {
            common_name: holder.user,
            organizations: holder.groups,
            ..Self::default()
        };
        for extension in request.requested_extensions().into_iter().flatten() {
            if let ParsedExtension::SubjectAlternativeName(names) = extension {
                names.general_names.iter().for_each(|name| requested.add(name));
            }
        }
        Ok(requested)
    }

    fn add(&mut self, name: &GeneralName<'_>) {
        match name {
            GeneralName::DNSName(name) => self.dns.push((*name).to_owned()),
            GeneralName::RFC822Name(name) => self.emails.push((*name).to_owned()),
            GeneralName::URI(name) => self.uris.push((*name).to_owned()),
            GeneralName::IPAddress(bytes) => self.addresses.extend(address(bytes).map(|address| address.to_string())),
            _ => {}
        }
    }
}
