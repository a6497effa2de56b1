//! A client certificate whose key cannot be used: what kubectl says, and what to change. The main function is [`finding`].

use super::Finding;
use crate::tls::IdentityError;

/// Returns the finding. Where kubectl refuses them too, it is a cause, and nothing is asked.
#[must_use]
pub fn finding(error: &IdentityError) -> Finding {
    let Some(says) = error.go_says() else {
        return Finding::unjudged(format!("{error}; kubectl can"), "ask with `kubectl auth whoami`");
    };
    let change = match error {
        IdentityError::NoCertificate { labels } if labels.iter().any(|label| label.ends_with("PRIVATE KEY")) => {
            "exchange the two: client-certificate names the certificate, client-key the key".to_owned()
        }
        IdentityError::NoKey { labels } if labels.iter().any(|label| label == "CERTIFICATE") => {
            "exchange the two: client-certificate names the certificate, client-key the key".to_owned()
        }
        IdentityError::NoCertificate { labels } if labels.iter().any(|label| label.ends_with("CERTIFICATE REQUEST")) => {
            "give the certificate that was issued for this request: `kubectl get csr NAME -o jsonpath={.status.certificate} | base64 -d`".to_owned()
        }
        IdentityError::NoCertificate { .. } => "give the certificate as PEM text (-----BEGIN CERTIFICATE-----)".to_owned(),
        IdentityError::NoKey { .. } => "give the key as PEM text (-----BEGIN PRIVATE KEY-----)".to_owned(),
        IdentityError::UnreadableCertificate => "give the whole certificate: `openssl x509 -in FILE -noout -text` has to read it".to_owned(),
        IdentityError::Encrypted => {
            "kubectl cannot ask for the passphrase: decrypt the key with `openssl pkey -in client.key -out client-plain.key`, and name that file".to_owned()
        }
        IdentityError::UnreadableKey { .. } => {
            "give a key in PKCS#8, PKCS#1 or SEC1: `openssl pkey -in FILE -noout -text` has to read it; for a key of OpenSSH: \
             `ssh-keygen -p -m PEM -f FILE`"
                .to_owned()
        }
        IdentityError::NoSigner | IdentityError::UnknownPublicKey | IdentityError::UnsupportedCurve { .. } => "use a key that signs: RSA, EC (P-256) or Ed25519".to_owned(),
        IdentityError::Mismatch { belongs_to: Some((number, subject)), .. } => format!(
            "put the {} certificate of the file ({subject}) first: the key belongs to it; its issuers come after it",
            ordinal(*number)
        ),
        IdentityError::Mismatch { .. } => {
            "give the key that the certificate was made with: `openssl x509 -in CERTIFICATE -noout -pubkey` and `openssl pkey -in KEY -pubout` print the same for a pair"
                .to_owned()
        }
        IdentityError::CannotSign { .. } => String::new(),
    };
    Finding::of_file(format!("{error} (kubectl says: {says})"), change)
}

fn ordinal(number: usize) -> String {
    match number {
        2 => "second".to_owned(),
        3 => "third".to_owned(),
        number => format!("{number}th"),
    }
}
