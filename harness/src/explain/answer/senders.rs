//! The probable sender of a response that is no API server's, by its headers and words. The main function is [`sender`].

use crate::probe::Answer;

/// A header, a part of its value in lower case (empty: any value), and the sender.
const HEADERS: &[(&str, &str, &str)] = &[
    ("x-api-cattle-auth", "", "Rancher"),
    ("x-rancher-version", "", "Rancher"),
    ("cf-mitigated", "", "Cloudflare"),
    ("cf-access-domain", "", "Cloudflare Access"),
    ("x-oauth2-proxy-", "", "oauth2-proxy"),
    ("gap-auth", "", "oauth2-proxy"),
    ("x-goog-iap-generated-response", "", "Google's Identity-Aware Proxy"),
    ("x-amzn-waf-action", "", "AWS WAF"),
    ("x-teleport-", "", "Teleport"),
    ("location", "cloudflareaccess.com", "Cloudflare Access"),
    ("location", "/oauth2/start", "oauth2-proxy"),
    ("location", "/oauth2/sign_in", "oauth2-proxy"),
    ("location", "/dashboard/auth/login", "Rancher"),
    ("location", "login.microsoftonline.com", "a proxy with Microsoft's login page"),
    ("location", "accounts.google.com", "a proxy with Google's login page"),
    ("location", "/protocol/openid-connect/auth", "a proxy with Keycloak's login page"),
    ("location", "/oauth/authorize", "an OAuth proxy with its login page"),
    ("location", "/login", "a proxy with a login page"),
    ("server", "cloudflare", "Cloudflare"),
    ("server", "awselb", "AWS's load balancer"),
    ("server", "microsoft-azure-application-gateway", "Azure's Application Gateway"),
    ("server", "google frontend", "Google's load balancer"),
    ("server", "envoy", "Envoy (Istio, Gateway, Ambassador)"),
    ("server", "istio-envoy", "Istio's Envoy"),
    ("server", "openresty", "OpenResty"),
    ("server", "nginx", "nginx (perhaps an ingress controller)"),
    ("server", "caddy", "Caddy"),
    ("server", "traefik", "Traefik"),
    ("server", "haproxy", "HAProxy"),
    ("server", "apache", "Apache"),
    ("server", "akamaighost", "Akamai"),
    ("server", "squid", "the proxy Squid"),
    ("via", "squid", "the proxy Squid"),
    ("via", "google", "Google's load balancer"),
    ("via", "varnish", "Varnish"),
    ("via", "", "a proxy"),
];

/// A part of the body in lower case, and the sender.
const WORDS: &[(&str, &str)] = &[
    ("no healthy upstream", "Envoy (no API server behind it is healthy)"),
    (
        "upstream connect error or disconnect/reset before headers",
        "Envoy (it does not reach the API server)",
    ),
    ("default backend - 404", "an ingress controller without a rule for this host"),
    ("oauth2-proxy", "oauth2-proxy"),
    ("keycloak", "a proxy with Keycloak's login page"),
    ("okta", "a proxy with Okta's login page"),
    ("rancher", "Rancher"),
    ("\"type\":\"error\"", "Rancher"),
    ("cloudflare", "Cloudflare"),
    ("<center>nginx", "nginx (perhaps an ingress controller)"),
    ("squid", "the proxy Squid"),
    ("zscaler", "Zscaler"),
    (
        "503 service unavailable\nno server is available to handle this request",
        "HAProxy (no API server behind it is healthy)",
    ),
    (
        "no server is available to handle this request",
        "HAProxy (no API server behind it is healthy)",
    ),
];

/// Returns who probably sent the response; `None` if nothing tells.
pub(super) fn sender(answer: &Answer) -> Option<&'static str> {
    let has = |(name, part, _): &&(&str, &str, &str)| {
        let matches = |known: &str| known == *name || (name.ends_with('-') && known.starts_with(name));
        answer
            .headers
            .iter()
            .any(|(known, value)| matches(known) && value.to_ascii_lowercase().contains(part))
    };
    // The words of a server behind a proxy tell more than the headers of the proxy.
    let text = answer.text.to_ascii_lowercase();
    let by_words = || WORDS.iter().find(|(part, _)| text.contains(part)).map(|(_, sender)| *sender);
    let by_header = HEADERS.iter().find(has).map(|(_, _, sender)| *sender);
    by_header
        .filter(|sender| !sender.starts_with("a proxy") && !sender.starts_with("nginx"))
        .or_else(by_words)
        .or(by_header)
}
