//! A lab's environment variables, for users who work in it by hand: addresses, authorities, and files for secrets.
//!
//! The main type is [`Variable`]. Their names begin with `LAB_`, since `AUTHLAB_…` are settings of the user ([`Lab::variables`]).
//! Files are in the lab's directory, readable only by their owner, and are removed with it.

use std::ffi::OsString;
use std::path::Path;

use super::workplace::put;
use super::{Lab, LabError, Workplace};

/// A variable and its value: an address, or the path of a file.
pub type Variable = (&'static str, OsString);

/// The variables and their descriptions, for documents and `--help`.
pub const VARIABLES: &[(&str, &str)] = &[
    ("LAB_API_SERVER", "address of the API server"),
    ("LAB_API_SERVER_AUTHORITY", "file: the authority of its certificate"),
    ("LAB_CLIENT_AUTHORITY", "file: the authority whose client certificates it accepts"),
    ("LAB_CLIENT_AUTHORITY_KEY", "file: that authority's key"),
    ("LAB_ISSUER", "issuer URL of the identity provider"),
    ("LAB_ISSUER_AUTHORITY", "file: the authority of the identity provider's certificate"),
    ("LAB_CLIENT_ID", "ID of the client for which the API server expects tokens"),
    ("LAB_CLIENT_SECRET_FILE", "file: that client's secret"),
    (
        "LAB_PASSWORDS",
        "directory: one file per person with their password at the identity provider",
    ),
    ("LAB_AUTH_PROXY", "address of the auth proxy that passes identity on as headers"),
    ("LAB_IMPERSONATING_PROXY", "address of the auth proxy that impersonates"),
    ("LAB_AUTH_PROXY_AUTHORITY", "file: the authority of the auth proxies' certificates"),
    (
        "LAB_FRONT_PROXY_CERTIFICATE",
        "file: the certificate with which the API server accepts identity headers",
    ),
    ("LAB_FRONT_PROXY_KEY", "file: that certificate's key"),
];

impl Lab {
    /// Writes the files of `workplace` that describe the lab, and returns their variables. A lab has no variable for a missing part.
    ///
    /// # Errors
    /// The identity provider could not be started, or a file cannot be written.
    pub async fn variables(&self, workplace: &Workplace) -> Result<Vec<Variable>, LabError> {
        let place = &workplace.directory;
        let main = self.main();
        let mut variables: Vec<Variable> = vec![
            ("LAB_API_SERVER", main.url.clone().into()),
            (
                "LAB_API_SERVER_AUTHORITY",
                file(place, "api-server-authority.crt", &main.serving_authority)?,
            ),
        ];
        if let Ok(authorities) = self.authorities() {
            let pki = self.directory().join("pki");
            let serving = authorities.serving.certificate();
            variables.extend([
                ("LAB_CLIENT_AUTHORITY", pki.join("clients.crt").into()),
                ("LAB_CLIENT_AUTHORITY_KEY", pki.join("clients.key").into()),
                ("LAB_FRONT_PROXY_CERTIFICATE", pki.join("front-proxy.crt").into()),
                ("LAB_FRONT_PROXY_KEY", pki.join("front-proxy.key").into()),
                ("LAB_AUTH_PROXY_AUTHORITY", file(place, "auth-proxy-authority.crt", serving)?),
            ]);
        }
        for (variable, proxy) in [("LAB_AUTH_PROXY", "request-headers"), ("LAB_IMPERSONATING_PROXY", "impersonation")] {
            if let Some(proxy) = self.description().auth_proxies.get(proxy) {
                variables.push((variable, proxy.url.clone().into()));
            }
        }
        if self.description().identity_provider.is_none() {
            return Ok(variables);
        }
        let provider = self.provider().await?;
        variables.extend([
            ("LAB_ISSUER", provider.issuer().into()),
            ("LAB_CLIENT_ID", provider.client_id().into()),
            ("LAB_ISSUER_AUTHORITY", file(place, "issuer-authority.crt", provider.authority())?),
        ]);
        if let Some(secret) = provider.secret_of(provider.client_id()) {
            variables.push(("LAB_CLIENT_SECRET_FILE", file(place, "client-secret", secret.expose())?));
        }
        let passwords = self.0.directory.below("workplace/passwords")?;
        for (person, password) in provider.passwords() {
            file(&passwords, person, password.expose())?;
        }
        variables.push(("LAB_PASSWORDS", passwords.into()));
        Ok(variables)
    }
}

/// Writes a file of the workplace and returns its path.
fn file(place: &Path, name: &str, text: &str) -> Result<OsString, LabError> {
    let path = place.join(name);
    put(&path, text)?;
    Ok(path.into())
}
