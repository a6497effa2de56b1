//! Certificates of API servers and of clients, and keys.

use std::net::IpAddr;

use authlab::pki::{Authority, Flaw, Leaf, Purpose, Request};
use authlab::secret::Secret;
use serde_json::json;

use super::Case;
use super::api_server::{accepting, refusing};
use super::workplace::Workplace;

pub const CASES: &[Case] = &[("U1", servers), ("U10", keys), ("U28", clients), ("S4", no_authority)];

fn servers(work: &mut Workplace) {
    let user = json!({ "token": "a-token" });
    let here = IpAddr::from([127, 0, 0, 1]);
    let at = |request: Request, address: IpAddr| request.purpose(Purpose::Server).addresses([address]);
    let named = |name: &str| Request::client(name, &[]).purpose(Purpose::Server);
    let flawed = |flaw: Flaw| Request::flawed("kube-apiserver", &[], flaw);
    let same_name = Authority::root("kubernetes").unwrap();
    let other_name = Authority::root("somebody else").unwrap();
    let ours = work.authority.clone();
    for (title, authority, request) in [
        (
            "for another address",
            &ours,
            at(named("kube-apiserver"), IpAddr::from([10, 96, 0, 1])),
        ),
        ("expired", &ours, at(flawed(Flaw::Expired), here)),
        ("not valid yet", &ours, at(flawed(Flaw::NotYetValid), here)),
        ("a common name and no alternative names", &ours, named("127.0.0.1")),
        (
            "for clients only",
            &ours,
            at(named("kube-apiserver"), here).purpose(Purpose::Client),
        ),
        ("signed with SHA-1", &ours, at(flawed(Flaw::Sha1), here)),
        ("of another authority", &other_name, at(named("kube-apiserver"), here)),
        (
            "of an authority that was made anew under the same name",
            &same_name,
            at(named("kube-apiserver"), here),
        ),
    ] {
        let leaf = authority.issue(&request).unwrap();
        let url = work.server_with(&leaf, accepting("alice", &[]));
        work.explain_user(title, &url, &user);
    }
    work.run("for machines", &["--kubeconfig", "config", "--json"]);
}

fn keys(work: &mut Workplace) {
    let url = work.server(accepting("alice", &["dev"]));
    work.clients.save(work.path(), "clients").unwrap();
    // One key in each form, each with its certificate. The commands are those of the reports.
    work.bash(
        "openssl ecparam -name secp521r1 -genkey -noout -out p521.key
        openssl genrsa -traditional 2048 2>/dev/null | sed 's/RSA PRIVATE KEY/PRIVATE KEY/' > pkcs1-called-pkcs8.key
        openssl ecparam -name prime256v1 -genkey -noout | sed 's/EC PRIVATE KEY/RSA PRIVATE KEY/' > sec1-called-rsa.key
        openssl ecparam -name secp256k1 -genkey -noout -out secp256k1.key
        openssl genrsa -out plain.key 2048 2>/dev/null
        for key in p521 pkcs1-called-pkcs8 sec1-called-rsa secp256k1 plain; do
            sed 's/ RSA PRIVATE/ PRIVATE/' $key.key > as-openssl-reads-it.key
            [ $key = sec1-called-rsa ] && sed 's/RSA PRIVATE/EC PRIVATE/' $key.key > as-openssl-reads-it.key
            [ $key = pkcs1-called-pkcs8 ] && sed 's/ PRIVATE KEY/ RSA PRIVATE KEY/' $key.key > as-openssl-reads-it.key
            openssl req -new -key as-openssl-reads-it.key -subj /O=dev/CN=alice | openssl x509 -req -CA clients.crt -CAkey clients.key \
                -CAcreateserial -days 1 -extfile <(echo extendedKeyUsage=clientAuth) -out $key.crt 2>/dev/null
        done
        openssl pkcs8 -topk8 -in plain.key -passout pass:x -out encrypted.key
        openssl rsa -aes128 -traditional -passout pass:x -in plain.key -out legacy-encrypted.key 2>/dev/null
        cat clients.crt plain.crt > wrong-order.crt",
    );
    for (title, certificate, key) in [
        ("EC P-521", "p521.crt", "p521.key"),
        ("PKCS#1, called PRIVATE KEY", "pkcs1-called-pkcs8.crt", "pkcs1-called-pkcs8.key"),
        ("SEC1, called RSA PRIVATE KEY", "sec1-called-rsa.crt", "sec1-called-rsa.key"),
        ("a curve that Go does not know", "secp256k1.crt", "secp256k1.key"),
        ("encrypted", "plain.crt", "encrypted.key"),
        ("encrypted as OpenSSL used to", "plain.crt", "legacy-encrypted.key"),
        ("the authority first", "wrong-order.crt", "plain.key"),
        ("another key", "plain.crt", "p521.key"),
        ("the two exchanged", "plain.key", "plain.crt"),
    ] {
        work.explain_user(title, &url, &json!({ "client-certificate": certificate, "client-key": key }));
    }
}

fn clients(work: &mut Workplace) {
    let accepted = work.server(accepting("alice", &["dev"]));
    let refused = work.server(refusing());
    let authority = work.clients.clone();
    let again = Authority::root("clients").unwrap();
    let stranger = Authority::root("somebody else").unwrap();
    let sound = || Request::client("alice", &["dev"]);
    work.file("clients.crt", authority.certificate());
    let both = |leaf: Leaf| Leaf {
        certificate: authority.certificate().to_owned(),
        chain: leaf.certificate.clone(),
        key: leaf.key,
    };
    let ours = |request: &Request| authority.issue(request).unwrap();
    for (title, url, leaf) in [
        (
            "two common names",
            &accepted,
            ours(&Request::client_with_common_names(&["Users", "alice"])),
        ),
        ("sound", &accepted, ours(&sound())),
        ("signed with SHA-1", &refused, ours(&Request::flawed("alice", &[], Flaw::Sha1))),
        ("expired", &refused, ours(&Request::flawed("alice", &[], Flaw::Expired))),
        ("not valid yet", &refused, ours(&Request::flawed("alice", &[], Flaw::NotYetValid))),
        ("for servers only", &refused, ours(&Request::flawed("alice", &[], Flaw::ServerOnly))),
        (
            "no common name",
            &refused,
            ours(&Request::flawed("alice", &["dev"], Flaw::NoCommonName)),
        ),
        ("of another authority", &refused, stranger.issue(&sound()).unwrap()),
        (
            "of an authority that was made anew under the same name",
            &refused,
            again.issue(&sound()).unwrap(),
        ),
        ("signed by itself", &refused, Authority::self_signed(&sound()).unwrap()),
        ("the authority's certificate first", &refused, both(ours(&sound()))),
    ] {
        let pair = work.pair(&leaf);
        work.explain_user(title, url, &pair);
    }
    let again = again.issue(&sound()).unwrap();
    let pair = work.pair(&again);
    work.user(&refused, &pair);
    work.run(
        "another key of the same name, compared with the server's file",
        &["--kubeconfig", "config", "--client-authority", "clients.crt", "--verbose"],
    );
    let sound = ours(&sound());
    let pair = work.pair(&Leaf {
        key: Secret::new(sound.key.expose()),
        ..sound
    });
    work.user(&refused, &pair);
    work.run(
        "sound, by the server's file",
        &["--kubeconfig", "config", "--client-authority", "clients.crt", "--verbose", "--json"],
    );
}

fn no_authority(work: &mut Workplace) {
    let url = work.server(accepting("alice", &[]));
    work.kubeconfig(&json!({ "server": url }), &json!({ "token": "a-token" }));
    work.explain("the system's authorities do not know the server's");
    work.kubeconfig(
        &json!({ "server": url, "insecure-skip-tls-verify": true }),
        &json!({ "token": "a-token" }),
    );
    work.explain("nothing is verified");
}
