//! Leading an AuthenticationConfiguration to stand-ins for its issuers, and leaving the rest of it as it is.
//!
//! The main function is [`redirect`]. `issuer.url` stays, so that tokens have the issuer's own name; what is replaced is `issuer.discoveryURL`
//! and `issuer.certificateAuthority` (KEP-3331; kubernetes/apiserver `pkg/apis/apiserver/types.go`). A value that no API server accepts stays:
//! the server's own words about it are what the user needs.

use serde_json::Value;

use super::edit::{Edit, edited, set};
use crate::cluster::given::{ISSUER, ISSUER_AUTHORITY};
use crate::explain::certificate::bundle::is_accepted;
use crate::identity_provider::issuer::StandIn;
use crate::yaml::{self, Content, Node, NotYaml};

/// The field with the address of the discovery document.
const DISCOVERY_URL: &str = "discoveryURL";

/// The field with the CA of the issuer.
const AUTHORITY: &str = "certificateAuthority";

/// A configuration that leads to stand-ins.
#[derive(Clone, Debug)]
pub struct Redirected {
    /// The text for the API server.
    pub text: String,
    /// The issuers that it trusts, in order.
    pub issuers: Vec<Trusted>,
    /// `true` if an issuer is asked through the API server's egress.
    pub uses_egress: bool,
    /// `true` if the text could not be changed in place, and was written anew, as JSON.
    pub is_rewritten: bool,
}

/// An issuer that API servers trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusted {
    /// Its URL, to the letter.
    pub url: String,
    /// The audiences of which a token must have one.
    pub audiences: Vec<String>,
    /// The line of its entry in the user's file, if it is in a file.
    pub line: Option<usize>,
}

/// Returns the configuration `text` with stand-ins for its issuers.
///
/// # Errors
/// The text is not YAML.
pub(crate) fn redirect(text: &str) -> Result<Redirected, NotYaml> {
    let root = yaml::parse(text)?;
    let mut expected = root.json();
    let (mut edits, mut issuers, mut uses_egress) = (Vec::new(), Vec::new(), false);
    let mut merged = Vec::new();
    for (index, entry) in root.entry("jwt").map(Node::items).unwrap_or_default().iter().enumerate() {
        let Some(issuer) = entry.entry("issuer") else { continue };
        let Some(url) = issuer.entry("url").and_then(Node::text) else {
            continue;
        };
        uses_egress |= issuer.entry("egressSelectorType").is_some();
        let texts = |node: &Node| node.items().iter().filter_map(|item| item.text().map(str::to_owned)).collect();
        let known = issuers.iter().filter(|known: &&Trusted| known.url == url).count();
        issuers.push(Trusted {
            url: url.to_owned(),
            audiences: issuer.entry("audiences").map(texts).unwrap_or_default(),
            line: Some(entry.line),
        });
        let is_merged = is_merged(issuer);
        if is_merged {
            merged.push(index);
        }
        let discovery_url = StandIn::new(url).numbered(known).discovery_url(ISSUER);
        for (name, value, is_replaced) in [
            (
                DISCOVERY_URL,
                discovery_url.as_str(),
                is_sound_address(issuer.entry(DISCOVERY_URL), url),
            ),
            (AUTHORITY, ISSUER_AUTHORITY, is_sound_authority(issuer.entry(AUTHORITY))),
        ] {
            if is_replaced {
                if !is_merged {
                    edits.extend(set(text, issuer, name, value));
                }
                if let Some(Value::Object(fields)) = expected.pointer_mut(&format!("/jwt/{index}/issuer")) {
                    fields.insert(name.to_owned(), value.into());
                }
            }
        }
    }
    let (text, is_rewritten) = written(text, edits, &expected, &merged);
    Ok(Redirected {
        text,
        issuers,
        uses_egress,
        is_rewritten,
    })
}

/// Returns `true` for an issuer with values of another mapping (`<<: *other`), or one that is another (`*other`): its keys stand at the anchor.
///
/// An added entry beside them would be refused as set twice; the stand-in comes from the other mapping.
fn is_merged(issuer: &Node) -> bool {
    let Content::Map { entries, .. } = &issuer.content else {
        return false;
    };
    issuer.is_merged || entries.iter().any(|(_, value)| value.key_at < issuer.bytes.0)
}

/// Returns `text` with `edits`; or else, if it then says anything but `expected`, that as JSON. The issuers at the indexes `merged` may have
/// another stand-in than expected.
fn written(text: &str, edits: Vec<Edit>, expected: &Value, merged: &[usize]) -> (String, bool) {
    let changed = edited(text, edits);
    let is_expected = |root: &Node| {
        let (found, mut expected) = (root.json(), expected.clone());
        for index in merged {
            for (name, mark) in [(DISCOVERY_URL, ISSUER), (AUTHORITY, ISSUER_AUTHORITY)] {
                let field = format!("/jwt/{index}/issuer/{name}");
                let stand_in = found
                    .pointer(&field)
                    .and_then(Value::as_str)
                    .filter(|value| value.starts_with(mark));
                if let (Some(stand_in), Some(value)) = (stand_in, expected.pointer_mut(&field)) {
                    *value = stand_in.into();
                }
            }
        }
        found == expected
    };
    match yaml::parse(&changed) {
        Ok(root) if is_expected(&root) => (changed, false),
        _ => (format!("{expected:#}\n"), true),
    }
}

/// Returns `true` for a discovery address that an API server accepts beside `url` (kubernetes/apiserver
/// `pkg/apis/apiserver/validation/validation.go`, `validateIssuerDiscoveryURL`), or for none.
fn is_sound_address(node: Option<&Node>, url: &str) -> bool {
    let Some(node) = node else { return true };
    let Some(address) = node.text() else { return false };
    let slashless = |address: &str| address.trim_end_matches('/').to_owned();
    address.is_empty()
        || (slashless(address) != slashless(url)
            && reqwest::Url::parse(address).is_ok_and(|address| {
                let bare = address.username().is_empty() && address.password().is_none();
                address.scheme() == "https" && bare && address.query().is_none() && address.fragment().is_none()
            }))
}

/// Returns `true` for a CA bundle that an API server accepts (k8s.io/client-go `util/cert`, `ParseCertsPEM`), or for none.
fn is_sound_authority(node: Option<&Node>) -> bool {
    let Some(node) = node else { return true };
    let Some(bundle) = node.text() else { return false };
    bundle.is_empty() || is_accepted(bundle)
}
