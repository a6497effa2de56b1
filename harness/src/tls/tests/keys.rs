//! Client keys of each kind and form, generated for each test. The main type is [`Key`].

use p256::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _};
use rsa::BigUint;
use rsa::pkcs1::EncodeRsaPrivateKey as _;
use rsa::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _};

use crate::pem;
use crate::pki::{Authority, Request};

/// A key in some forms, with a certificate for it.
pub(super) struct Key {
    /// The description that is expected.
    pub(super) kind: &'static str,
    /// Each form, DER.
    pub(super) forms: Vec<Vec<u8>>,
    /// The certificate, PEM.
    pub(super) certificate: String,
}

impl Key {
    fn new(authority: &Authority, kind: &'static str, forms: Vec<Vec<u8>>, public: &[u8]) -> Self {
        Self {
            kind,
            forms,
            certificate: authority.issue_for(public, &Request::client("alice", &["dev"])).unwrap(),
        }
    }

    /// Returns the first form, in PEM.
    pub(super) fn pem(&self) -> String {
        pem::encode("PRIVATE KEY", &self.forms[0]).unwrap()
    }
}

/// Returns a key of each kind that Go takes, with certificates of `authority`.
pub(super) fn all(authority: &Authority) -> Vec<Key> {
    vec![
        p521(authority),
        p384(authority),
        p256(authority),
        rsa(
            authority,
            "RSA key of 1024 bits",
            &rsa::RsaPrivateKey::new(&mut rand::thread_rng(), 1024).unwrap(),
        ),
        rsa(
            authority,
            "RSA key of 2048 bits",
            &rsa::RsaPrivateKey::new(&mut rand::thread_rng(), 2048).unwrap(),
        ),
        rsa8192(authority),
        ed25519(authority),
    ]
}

/// Returns the functions of one curve's crate, which have no trait in common.
macro_rules! curve {
    ($curve:ident, $kind:literal) => {
        pub(super) fn $curve(authority: &Authority) -> Key {
            use $curve::elliptic_curve::Generate as _;
            let key = $curve::SecretKey::generate();
            let forms = vec![
                key.to_sec1_der().unwrap().to_vec(),
                key.to_pkcs8_der().unwrap().as_bytes().to_vec(),
            ];
            Key::new(
                authority,
                $kind,
                forms,
                key.public_key().to_public_key_der().unwrap().as_bytes(),
            )
        }
    };
}

curve!(p521, "P-521 key");
curve!(p384, "P-384 key");
curve!(p256, "P-256 key");

fn rsa(authority: &Authority, kind: &'static str, key: &rsa::RsaPrivateKey) -> Key {
    let forms = vec![
        key.to_pkcs1_der().unwrap().as_bytes().to_vec(),
        key.to_pkcs8_der().unwrap().as_bytes().to_vec(),
    ];
    Key::new(authority, kind, forms, key.to_public_key().to_public_key_der().unwrap().as_bytes())
}

pub(super) fn rsa1024(authority: &Authority) -> Key {
    rsa(
        authority,
        "RSA key of 1024 bits",
        &rsa::RsaPrivateKey::new(&mut rand::thread_rng(), 1024).unwrap(),
    )
}

fn rsa8192(authority: &Authority) -> Key {
    let number = |hex: &str| BigUint::from_bytes_be(&hex::decode(hex).unwrap());
    let key = rsa::RsaPrivateKey::from_p_q(number(FFDHE4096), number(MODP4096), BigUint::from(65537_u32)).unwrap();
    rsa(authority, "RSA key of 8192 bits", &key)
}

fn ed25519(authority: &Authority) -> Key {
    let der = octets(&[0x2b, 0x65, 0x70]);
    let key = rustls::crypto::ring::sign::any_eddsa_type(&der.as_slice().into()).unwrap();
    let public = key.public_key().unwrap().as_ref().to_vec();
    Key::new(authority, "Ed25519 key", vec![der], &public)
}

/// Returns a key for key agreement, which cannot sign.
pub(super) fn x25519() -> String {
    pem::encode("PRIVATE KEY", &octets(&[0x2b, 0x65, 0x6e])).unwrap()
}

/// Returns 32 random bytes in PKCS#8's form (RFC 8410 §7), for the algorithm `id`.
fn octets(id: &[u8; 3]) -> Vec<u8> {
    let mut secret = [0_u8; 32];
    rand::RngCore::fill_bytes(&mut rand::thread_rng(), &mut secret);
    let mut der = vec![0x30, 46, 2, 1, 0, 0x30, 5, 6, 3];
    der.extend(id);
    der.extend([4, 34, 4, 32]);
    der.extend(secret);
    der
}

/// Returns a key of P-224, which no crate here knows: SEC1's form, and a public key with some point.
pub(super) fn p224(authority: &Authority) -> Key {
    let mut form = vec![0x30, 42, 2, 1, 1, 4, 28];
    form.extend([7; 28]);
    form.extend([0xa0, 7, 6, 5, 0x2b, 0x81, 4, 0, 0x21]);
    let mut public = vec![
        0x30, 78, 0x30, 16, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 5, 0x2b, 0x81, 4, 0, 0x21, 3, 58, 0, 4,
    ];
    public.extend([7; 56]);
    Key::new(authority, "P-224 key", vec![form], &public)
}

/// A published prime (RFC 7919 appendix A.3): with a second one, nobody has to wait for primes of that size.
const FFDHE4096: &str = "\
    ffffffffffffffffadf85458a2bb4a9aafdc5620273d3cf1d8b9c583ce2d3695a9e13641146433fbcc939dce249b3ef97d2f\
    e363630c75d8f681b202aec4617ad3df1ed5d5fd65612433f51f5f066ed0856365553ded1af3b557135e7f57c935984f0c70\
    e0e68b77e2a689daf3efe8721df158a136ade73530acca4f483a797abc0ab182b324fb61d108a94bb2c8e3fbb96adab760d7\
    f4681d4f42a3de394df4ae56ede76372bb190b07a7c8ee0a6d709e02fce1cdf7e2ecc03404cd28342f619172fe9ce98583ff\
    8e4f1232eef28183c3fe3b1b4c6fad733bb5fcbc2ec22005c58ef1837d1683b2c6f34a26c1b2effa886b4238611fcfdcde35\
    5b3b6519035bbc34f4def99c023861b46fc9d6e6c9077ad91d2691f7f7ee598cb0fac186d91caefe130985139270b4130c93\
    bc437944f4fd4452e2d74dd364f2e21e71f54bff5cae82ab9c9df69ee86d2bc522363a0dabc521979b0deada1dbf9a42d5c4\
    484e0abcd06bfa53ddef3c1b20ee3fd59d7c25e41d2b669e1ef16e6f52c3164df4fb7930e9e4e58857b6ac7d5f42d69f6d18\
    7763cf1d5503400487f55ba57e31cc7a7135c886efb4318aed6a1e012d9e6832a907600a918130c46dc778f971ad00380929\
    99a333cb8b7a1a1db93d7140003c2a4ecea9f98d0acc0a8291cdcec97dcf8ec9b55a7f88a46b4db5a851f44182e1c68a007e\
    5e655f6affffffffffffffff";

/// Another one (RFC 3526 §5).
const MODP4096: &str = "\
    ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404ddef95\
    19b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7edee386bfb\
    5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f83655d23dca3\
    ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3be39e772c180e8603\
    9b2783a2ec07a28fb5c55df06f4c52c9de2bcbf6955817183995497cea956ae515d2261898fa051015728e5a8aaac42dad33\
    170d04507a33a85521abdf1cba64ecfb850458dbef0a8aea71575d060c7db3970f85a6e1e4c7abf5ae8cdb0933d71e8c94e0\
    4a25619dcee3d2261ad2ee6bf12ffa06d98a0864d87602733ec86a64521f2b18177b200cbbe117577a615d6c770988c0bad9\
    46e208e24fa074e5ab3143db5bfce0fd108e4b82d120a92108011a723c12a787e6d788719a10bdba5b2699c327186af4e23c\
    1a946834b6150bda2583e9ca2ad44ce8dbbbc2db04de8ef92e8efc141fbecaa6287c59474e6bc05d99b2964fa090c3a2233b\
    a186515be7ed1f612970cee2d7afb81bdd762170481cd0069127d5b05aa993b4ea988d8fddc186ffb7dc90a6c08f4df435c9\
    34063199ffffffffffffffff";
