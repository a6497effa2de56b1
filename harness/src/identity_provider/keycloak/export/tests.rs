//! Exports, read and adapted. Exports of the admin console and of `kc.sh export` differ in what they mask, and in their files.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::adapted::KEYS;
use super::*;
use crate::secret::Secret;

const ISSUER: &str = "https://sso.example.com/auth/realms/prod";

fn exported(document: Value) -> RealmExport {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("realm.json");
    fs::write(&file, document.to_string()).expect("it can be written");
    read(&file, Path::new("realm.json")).expect("an export").remove(0)
}

fn login(user: &str, client: &str) -> Login {
    Login {
        user: user.to_owned(),
        client: client.to_owned(),
        scopes: Vec::new(),
    }
}

/// Returns what a lab imports of `document` when erin logs in with the client `kubernetes`.
fn adapted(document: Value) -> (RealmImport, Value) {
    let import = exported(document).adapted(ISSUER, &BTreeSet::from([login("Erin", "kubernetes")]));
    let imported = serde_json::from_str(import.document.expose()).expect("JSON");
    (import, imported)
}

#[test]
fn a_sound_realm_changes_in_its_address_alone() {
    let client = json!({ "clientId": "kubernetes", "secret": "known-to-the-export", "directAccessGrantsEnabled": true });
    let user = json!({ "username": "erin", "credentials": [{ "type": "password", "value": "a known password", "temporary": false }] });
    let (import, imported) = adapted(json!({ "realm": "prod", "unknown": [1], "clients": [client], "users": [user] }));
    let address = json!({ "frontendUrl": "https://sso.example.com/auth" });
    let expected = json!({ "realm": "prod", "unknown": [1], "clients": [client], "users": [user], "attributes": address });
    assert_eq!(imported, expected);
    assert_eq!(import.changes, ["attributes.frontendUrl is https://sso.example.com/auth"]);
    assert!(import.notes.is_empty());
    let secrets = &import.secrets;
    assert_eq!(secrets.passwords["erin"].expose(), "a known password");
    assert_eq!(
        secrets.clients["kubernetes"].as_ref().map(Secret::expose),
        Some("known-to-the-export")
    );
}

#[test]
fn a_lab_writes_to_nobody() {
    let server = json!({ "host": "smtp.example.com", "password": "of the mail server" });
    for (listeners, expected) in [
        (json!(["jboss-logging", "email"]), json!(["jboss-logging"])),
        (json!(["email"]), json!(["jboss-logging"])),
        (json!(["jboss-logging"]), json!(["jboss-logging"])),
    ] {
        let (import, imported) = adapted(json!({ "realm": "prod", "smtpServer": server, "eventsListeners": listeners }));
        assert_eq!(imported["eventsListeners"], expected);
        assert!(!imported.to_string().contains("smtp"), "{imported}");
        assert!(
            import
                .changes
                .iter()
                .any(|change| change == "smtpServer and eventsListeners are left out")
        );
    }
}

#[test]
fn secrets_that_the_export_does_not_have_are_new() {
    let unknown = ["**********", "${CLIENT_SECRET}", ""];
    let clients: Vec<Value> = unknown
        .iter()
        .enumerate()
        .map(|(number, secret)| json!({ "clientId": format!("c{number}"), "secret": secret }))
        .chain([
            json!({ "clientId": "none" }),
            json!({ "clientId": "public", "publicClient": true }),
            json!({ "clientId": "b", "bearerOnly": true }),
        ])
        .collect();
    let (import, imported) = adapted(json!({ "realm": "prod", "clients": clients }));
    for (number, is_new) in [true, true, true, true, false, false].into_iter().enumerate() {
        let client = &imported["clients"][number];
        let known = import.secrets.clients[client["clientId"].as_str().expect("a name")].clone();
        assert_eq!(known.as_ref().map(|secret| secret.expose().len()), is_new.then_some(32), "{client}");
        assert_eq!(known.as_ref().map(Secret::expose), client["secret"].as_str(), "{client}");
    }
    assert!(
        import.changes.contains(&"new secrets for the clients c0, c1, c2, none".to_owned()),
        "{:?}",
        import.changes
    );
}

#[test]
fn those_who_log_in_have_a_password_and_nobody_else() {
    let hashed = json!({ "type": "password", "secretData": "{}", "credentialData": "{}" });
    let users = json!([
        { "username": "erin", "federationLink": "x", "credentials": [hashed, { "type": "otp" }], "requiredActions": ["UPDATE_PASSWORD", "VERIFY_EMAIL"] },
        { "username": "frank", "credentials": [hashed] },
        { "username": "service-account-ci", "serviceAccountClientId": "ci" },
    ]);
    let (import, imported) = adapted(json!({ "realm": "prod", "users": users }));
    let [erin, frank, account] = imported["users"].as_array().expect("a list").as_slice() else {
        panic!()
    };
    let known = import.secrets.passwords["erin"].expose();
    assert_eq!(
        erin["credentials"],
        json!([{ "type": "password", "value": known, "temporary": false }])
    );
    assert_eq!(
        (&erin["requiredActions"], erin.get("federationLink")),
        (&json!(["VERIFY_EMAIL"]), None)
    );
    assert_eq!((frank, account), (&users[1], &users[2]));
    assert_eq!(import.secrets.passwords.len(), 1);
    let export = exported(json!({ "realm": "prod", "users": users }));
    assert_eq!(export.users().collect::<Vec<_>>(), ["erin", "frank"]);
    assert!(export.has_user("ERIN") && !export.has_user("ci"));
}

#[test]
fn a_client_that_people_log_in_with_takes_their_password() {
    let clients = json!([
        { "clientId": "kubernetes", "clientAuthenticatorType": "client-x509" },
        { "clientId": "other", "clientAuthenticatorType": "client-x509" },
    ]);
    let (import, imported) = adapted(json!({ "realm": "prod", "clients": clients }));
    let (meant, other) = (&imported["clients"][0], &imported["clients"][1]);
    assert_eq!(
        (&meant["directAccessGrantsEnabled"], &meant["clientAuthenticatorType"]),
        (&json!(true), &json!("client-secret"))
    );
    assert_eq!(
        (other.get("directAccessGrantsEnabled"), &other["clientAuthenticatorType"]),
        (None, &json!("client-x509"))
    );
    let changes = import.changes.join("\n");
    assert!(
        changes.contains("directAccessGrantsEnabled is true") && !changes.contains("other shows"),
        "{changes}"
    );
}

#[test]
fn no_key_of_a_realm_is_used_and_its_algorithms_stay() {
    let key = |id: &str, more: Value| {
        let mut config = json!({ "priority": ["100"], "active": ["true"], "privateKey": ["MIIE"], "certificate": ["MIIC"], "kid": ["k"] });
        config
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().cloned().unwrap_or_default());
        json!({ "providerId": id, "config": config })
    };
    let providers = [
        key("rsa", json!({ "algorithm": ["PS256"] })),
        key(
            "ecdsa-generated",
            json!({ "ecdsaEllipticCurveKey": ["P-384"], "ecdsaPrivateKey": ["**********"] }),
        ),
        key("java-keystore", json!({ "keystorePassword": ["**********"] })),
    ];
    let realm = json!({ "realm": "prod", "privateKey": "MIIE", "components": { KEYS: providers } });
    let (import, imported) = adapted(realm);
    let kept = json!([
        { "providerId": "rsa-generated", "config": { "priority": ["100"], "active": ["true"], "algorithm": ["PS256"] } },
        { "providerId": "ecdsa-generated", "config": { "priority": ["100"], "active": ["true"], "ecdsaEllipticCurveKey": ["P-384"] } },
    ]);
    assert_eq!(imported["components"][KEYS], kept);
    assert!(imported.get("privateKey").is_none());
    assert!(import.changes.contains(&"its keys are generated anew".to_owned()));
}

#[test]
fn other_user_directories_are_left_out_and_named() {
    let federation = "org.keycloak.storage.UserStorageProvider";
    let (import, imported) = adapted(json!({
        "realm": "prod",
        "components": { federation: [{ "name": "corporate-ldap" }] },
        "userFederationProviders": [{ "displayName": "old-ldap" }],
    }));
    assert!(imported["components"].get(federation).is_none() && imported.get("userFederationProviders").is_none());
    assert!(import.notes[0].contains("corporate-ldap, old-ldap"), "{:?}", import.notes);
}

#[test]
fn two_imports_are_the_same_when_their_secrets_alone_differ() {
    let export = exported(json!({ "realm": "prod", "clients": [{ "clientId": "kubernetes" }] }));
    let logins = BTreeSet::from([login("erin", "kubernetes")]);
    let (one, other) = (export.adapted(ISSUER, &logins), export.adapted(ISSUER, &logins));
    assert_eq!(one.fingerprint, other.fingerprint);
    assert_ne!(one.document, other.document);
    assert_ne!(one.fingerprint, export.adapted(ISSUER, &BTreeSet::new()).fingerprint);
    assert_ne!(
        one.fingerprint,
        export.adapted("https://b.example/realms/prod", &logins).fingerprint
    );
}

#[test]
fn the_mappers_of_a_client_are_its_own_and_those_of_its_scopes() {
    let mapper = |name: &str, claim: &str| json!({ "name": name, "config": { "claim.name": claim, "id.token.claim": "true" } });
    let scope = |name: &str, mapper: Value| json!({ "name": name, "protocolMappers": [mapper] });
    let realm = json!({
        "realm": "prod",
        "clients": [
            { "clientId": "own", "protocolMappers": [mapper("o", "realm_access.roles")], "defaultClientScopes": ["a"], "optionalClientScopes": ["b"] },
            { "clientId": "by-default" },
        ],
        "clientScopes": [scope("a", mapper("in-a", "x")), scope("b", mapper("in-b", "y")), scope("microprofile-jwt", mapper("m", "groups"))],
        "defaultDefaultClientScopes": ["b"],
        "defaultOptionalClientScopes": ["microprofile-jwt"],
    });
    let export = exported(realm);
    let of = |client: &str, scopes: &[&str]| {
        let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let found = export.mappers(client, &scopes).expect("they are known");
        found
            .iter()
            .map(|mapper| {
                format!(
                    "{} {} {}",
                    mapper.name,
                    mapper.claim.clone().unwrap_or_default(),
                    mapper.is_left_out
                )
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(of("own", &[]), ["o realm_access false", "in-a x false", "in-b y true"]);
    assert_eq!(of("own", &["b"])[2], "in-b y false");
    assert_eq!(of("by-default", &[]), ["in-b y false"]);
    let unknown = exported(json!({ "realm": "prod", "clients": [{ "clientId": "a" }] }));
    assert_eq!(unknown.mappers("a", &[]), None);
}

#[test]
fn a_folder_has_a_file_for_the_realm_and_others_for_its_users() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, document: Value| fs::write(folder.path().join(name), document.to_string()).expect("it can be written");
    write("prod-realm.json", json!({ "realm": "prod" }));
    write("prod-users-0.json", json!({ "realm": "prod", "users": [{ "username": "erin" }] }));
    write("prod-users-10.json", json!({ "realm": "prod", "users": [{ "username": "gina" }] }));
    write("prod-users-2.json", json!({ "realm": "prod", "users": [{ "username": "frank" }] }));
    write("master-realm.json", json!({ "realm": "master" }));
    let named = |path: &Path| {
        let realms = read(path, Path::new("keycloak")).expect("an export");
        realms
            .iter()
            .map(|realm| (realm.name.clone(), realm.users().collect::<Vec<_>>().join(" ")))
            .collect::<Vec<_>>()
    };
    let prod = ("prod".to_owned(), "erin frank gina".to_owned());
    assert_eq!(named(&folder.path().join("prod-realm.json")), std::slice::from_ref(&prod));
    assert_eq!(named(folder.path()), [prod, ("master".to_owned(), String::new())]);
}

/// A file that is no export, and what is told of it.
const MISTAKES: &[(&str, &str)] = &[
    ("", "realm.json: is empty, expected the export of a realm"),
    ("{\n \"realm\": prod }", "realm.json:2:11: not JSON: expected value"),
    ("[]", "realm.json: the list of realms is empty"),
    ("[1]", "realm.json: has a number, expected the export of a realm: an object"),
    (
        "{ \"clientId\": \"kubernetes\" }",
        "realm.json: has no realm in it: it is the export of a client",
    ),
    ("{ \"realm\": 1 }", "realm.json: has no realm in it: `realm` is not a name"),
    (
        "{ \"users\": [] }",
        "realm.json: has no realm in it: it has users, and no name `realm`",
    ),
    ("{}", "realm.json: has no realm in it: the name `realm` is missing"),
    ("{ \"realm\": \"../a\" }", "realm.json: \"../a\" is not the name of a realm"),
];

#[test]
fn a_file_that_is_no_export_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("realm.json");
    for (text, expected) in MISTAKES {
        fs::write(&file, text).expect("it can be written");
        let told = read(&file, Path::new("realm.json")).expect_err(text).to_string();
        assert_eq!(told.lines().next(), Some(*expected), "{told}");
    }
    fs::write(&file, "\u{feff}[{ \"realm\": \"a\" }, { \"realm\": \"b\" }]").expect("it can be written");
    assert_eq!(read(&file, Path::new("realm.json")).map(|realms| realms.len()), Ok(2));
    let told = read(folder.path(), Path::new("keycloak")).expect_err("no realm").to_string();
    assert!(
        told.starts_with("keycloak: no file in the folder has a name that ends with -realm.json"),
        "{told}"
    );
}
