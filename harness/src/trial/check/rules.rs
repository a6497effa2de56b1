//! Everything that a check can find, by name. The type is [`Rule`], the list is [`RULES`].

use serde::Serialize;

/// The weight of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It must not be.
    Error,
    /// It is likely a mistake, or a matter of opinion.
    Warning,
    /// It is worth knowing.
    Note,
}

impl Severity {
    /// Returns the word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A kind of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The name, by which a finding can be switched off.
    pub name: &'static str,
    /// The weight of its findings.
    pub severity: Severity,
    /// The behaviour of API servers behind it, by its id in the catalogue.
    pub behaviour: Option<&'static str>,
    /// The finding in one sentence.
    pub summary: &'static str,
}

macro_rules! rules {
    ($($id:ident = $severity:ident $name:literal $behaviour:expr, $summary:literal;)*) => {
        $(pub(super) static $id: Rule = Rule {
            name: $name,
            severity: Severity::$severity,
            behaviour: $behaviour,
            summary: $summary,
        };)*

        /// All rules, errors first.
        pub static RULES: &[&Rule] = &[$(&$id),*];
    };
}

rules! {
    DOES_NOT_START = Error "does-not-start" None, "An API server does not start with the configuration.";
    NOT_A_CONFIGURATION = Error "not-a-configuration" None, "A file of the configuration is not YAML, is of another kind, or is too long.";
    EXPIRED = Error "expired-token-accepted" Some("O3"), "An expired token is accepted.";
    EARLY = Error "early-token-accepted" Some("O4"), "A token is accepted an hour before it is valid.";
    OTHER_AUDIENCE = Error "other-audience-accepted" Some("O5"), "A token for another audience is accepted.";
    OTHER_ISSUER = Error "other-issuer-accepted" Some("O2"), "A token that names another issuer is accepted.";
    OTHER_KEY = Error "other-key-accepted" Some("O8"), "A token that a stranger's key signed is accepted.";
    UNSIGNED = Error "unsigned-token-accepted" Some("O25"), "A token without a signature (`alg: none`) is accepted.";
    PUBLIC_KEY_AS_SECRET = Error "public-key-as-secret-accepted" Some("O25"), "A token whose HS256 secret is the issuer's public key is accepted.";
    OTHER_SLASH = Error "other-slash-accepted" Some("O28"), "A token is accepted whose issuer differs by the slash at its end.";
    SYSTEM_NAME = Error "system-name-accepted" Some("G22"), "A token can name a user of Kubernetes' own, such as `system:admin`.";
    SYSTEM_GROUP = Error "system-group-accepted" Some("G22"), "A token can name a group of Kubernetes' own, such as `system:masters`.";
    UNVERIFIED_EMAIL = Error "unverified-email-accepted" Some("O13"), "An email address that is not verified becomes the user name.";
    NAME_IS_NO_TEXT = Error "user-name-is-not-text" Some("G20"), "The user name's expression does not give a text, so every token is refused.";
    REFUSES_EVERY_TOKEN = Error "every-token-refused" Some("G21"), "Every token is refused, whatever its claims are.";
    NAMED_REFUSED = Error "named-claims-refused" None, "A token is refused whose claims `--claims` names as those of a token that should be accepted.";
    TEXT_OF_BOOLEAN = Error "required-value-is-not-boolean" Some("O20"), "A rule or an expression takes a claim for a text that providers send as a boolean.";
    TEXT_OF_LIST = Error "required-value-is-not-list" Some("O20"), "A rule demands a text of a claim that providers send as a list.";
    RULE_WITHOUT_VALUE = Error "rule-without-value" Some("O20"), "A rule with a claim and without a value is passed by the empty text only.";
    CA_UNREADABLE = Error "ca-file-unreadable" None, "A CA file has no certificate, or a block that is called so and cannot be read as one: API servers do not start.";
    CA_EXPIRED = Error "ca-expired" Some("X8"), "All certificates of a CA file have expired, so nothing that they signed is accepted.";
    CA_USAGE = Error "ca-for-other-usage" Some("X6"), "An authority's certificate forbids what it is used for.";
    CA_SHARED = Error "ca-shared-with-front-proxy" Some("X19"), "Clients and front proxies have the same authority, and any name may send X-Remote-User.";
    KEY_IN_CA_FILE = Error "private-key-in-ca-file" None, "A private key is in a file of certificates.";
    NO_ACCEPTED_TOKEN = Warning "no-accepted-token" None, "An issuer's entry refuses every token that was tried, so nothing is judged for it.";
    MAYBE_BOOLEAN = Warning "required-value-may-be-boolean" Some("O20"), "A rule demands a text that reads like a boolean.";
    NO_PREFIX = Warning "no-prefix" Some("O19"), "A user name is the claim alone, or a part of it, as that of a client certificate could be.";
    SAME_NAME = Warning "same-name-from-two-issuers" Some("G3"), "Two issuers can name the same user.";
    NAME_CAN_CHANGE = Warning "name-claim-can-change" None, "The user name comes from a claim that can change, or that several people can have.";
    AUDIENCE_SHARED = Warning "audience-is-shared" Some("O5"), "An audience stands in the tokens of other applications, too.";
    DASH_PREFIX = Warning "dash-as-prefix" Some("O19"), "The prefix is a dash, which means \"none\" in a flag only.";
    MISSING_GROUPS = Warning "missing-groups-refused" Some("G23"), "A token without the claim for groups is refused.";
    MANY_GROUPS = Warning "many-groups-refused" None, "A token with 1,000 groups is refused.";
    ISSUER_SLASH = Warning "slash-at-issuers-end" Some("O28"), "The issuer's URL ends with a slash, or lacks the one that its provider's tokens have.";
    ISSUER_OF_NO_TOKEN = Warning "issuer-of-no-token" Some("O2"), "The issuer's URL is an address for all tenants, which no token names.";
    ISSUER_OF_SERVICE_ACCOUNTS = Warning "issuer-of-service-accounts" None, "The issuer is the usual one of a cluster's own service accounts.";
    CA_PARTLY_EXPIRED = Warning "one-ca-expired" Some("X8"), "One of several certificates of a CA file has expired.";
    CA_EXPIRES = Warning "ca-expires-soon" Some("X8"), "A certificate of a CA file expires within 30 days.";
    CA_EARLY = Warning "ca-not-yet-valid" None, "A certificate of a CA file is not valid yet.";
    NOT_A_CA = Warning "not-a-ca" None, "A certificate of a CA file is not an authority's, so only it itself is trusted.";
    WEAK_CA = Warning "weak-ca-key" None, "An authority has an RSA key of less than 2,048 bits.";
    CA_SKIPPED = Warning "ca-certificate-skipped" None, "A block of a CA file is damaged or has another label, and is skipped without a word.";
    ANONYMOUS = Warning "anonymous-access" Some("A1"), "Requests without a credential are let in for every path.";
    SECOND_DOCUMENT = Warning "second-document-ignored" None, "A file has several documents, of which API servers read the first one only.";
    REPEATED_KEY = Warning "repeated-key" None, "A mapping of the file has a key twice.";
    ALPHA = Warning "alpha-version" None, "The file is of the version v1alpha1, which is to go.";
    NEW_VERSION = Note "version-is-new" None, "The file is of the version v1, which API servers know since 1.34.";
    CA_TWICE = Note "ca-twice" None, "A certificate is in a CA file twice.";
    EMPTY_NAME = Note "empty-name-accepted" Some("O21"), "A token whose user name is empty is accepted.";
    UNKNOWN_EMAIL = Note "email-without-verification-accepted" Some("O14"), "A token without `email_verified` is accepted by its email address.";
    MISSING_CLAIM = Note "missing-claim-refused" Some("G23"), "A token without a claim that only fills the UID or an extra field is refused.";
    TEXT_GROUPS = Note "single-group-refused" Some("O16"), "A token whose claim for groups is a single text is refused.";
}

/// Returns the rule `name`.
#[must_use]
pub fn rule(name: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::Catalogue;

    #[test]
    fn each_rule_has_its_own_name_and_a_behaviour_that_exists() {
        let known: Vec<&str> = Catalogue::known().ids().collect();
        for (index, rule) in RULES.iter().enumerate() {
            assert_eq!(RULES.iter().position(|other| other.name == rule.name), Some(index), "{}", rule.name);
            assert!(rule.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", rule.name);
            assert!(rule.behaviour.is_none_or(|id| known.contains(&id)), "{}", rule.name);
            assert!(rule.summary.ends_with('.'), "{}", rule.name);
        }
        assert!(RULES.is_sorted_by_key(|rule| rule.severity));
    }
}
