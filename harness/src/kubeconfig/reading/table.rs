//! The table of kubeconfigs in `fixtures/explain`, as files. The main type is [`Case`].

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;

/// The way in which a client takes a kubeconfig.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It asks the server of the file.
    Asks,
    /// It asks `http://localhost:8080`.
    Elsewhere,
    /// It asks for a user name.
    Prompts,
    /// It refuses the file or the user.
    Refuses,
}

/// A row of the table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The special thing about it.
    pub name: String,
    /// kubectl's verdict.
    pub kubectl: Verdict,
    /// The reader's verdict, if it is another one.
    pub ours: Option<Verdict>,
    /// A part of kubectl's message.
    pub words: Option<String>,
    /// A part of the reader's message, if it is another one.
    pub our_words: Option<String>,
    /// The context that is asked for.
    pub context: Option<String>,
    bytes: Option<String>,
    cluster: Option<String>,
    user: Option<String>,
    text: Option<String>,
    texts: Option<Vec<String>>,
}

/// The contents of the files beside the kubeconfigs, PEM.
pub struct Pem {
    /// The CA.
    pub authority: String,
    /// The client certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

#[derive(Deserialize)]
struct Table {
    case: Vec<Case>,
}

/// Returns all rows.
pub fn cases() -> Vec<Case> {
    let table: Table = toml::from_str(include_str!("../../../fixtures/explain/kubeconfigs.toml")).expect("a table");
    table.case
}

impl Pem {
    /// Returns the files that lie beside a kubeconfig.
    pub fn files(&self) -> Vec<(&'static str, Vec<u8>)> {
        vec![
            ("CA.crt", self.authority.clone().into_bytes()),
            ("CERT.crt", self.certificate.clone().into_bytes()),
            ("KEY.key", self.key.clone().into_bytes()),
            ("BOM.crt", format!("\u{FEFF}{}", self.authority).into_bytes()),
            ("CA.der", vec![0x30, 0x82, 0x01, 0x00, 0xFF]),
            ("TOKEN.txt", b"from-file\n".to_vec()),
            ("EMPTY.txt", Vec::new()),
            ("BLANK.txt", b"  \n".to_vec()),
        ]
    }

    fn fill(&self, text: &str) -> String {
        let lines = |text: &str| -> Vec<String> {
            let all: Vec<char> = text.chars().collect();
            all.chunks(76).map(|line| line.iter().collect()).collect()
        };
        let block = |lines: &[String]| lines.iter().map(|line| format!("      {line}")).collect::<Vec<_>>().join("\n");
        let mut text = text.to_owned();
        for (name, pem) in [("CA", &self.authority), ("CERT", &self.certificate), ("KEY", &self.key)] {
            let one = STANDARD.encode(pem);
            let wrapped = lines(&one);
            let twice = lines(&STANDARD.encode(wrapped.join("\n")));
            for (ending, value) in [
                ("B76", block(&twice)),
                ("76", block(&wrapped)),
                ("64", one.clone()),
                ("ESC", wrapped.join("\\n")),
                ("CRLF", wrapped.join("\\r\\n")),
            ] {
                text = text.replace(&format!("{name}{ending}"), &value);
            }
        }
        let token = |end: i64| format!("e30.{}.x", URL_SAFE_NO_PAD.encode(format!("{{\"exp\":{end}}}")));
        text.replace("VALID", &token(4_000_000_000))
            .replace("EXPIRED", &token(1_000_000_000))
    }
}

impl Case {
    /// Returns the contents of the files.
    pub fn files(&self, pem: &Pem) -> Vec<Vec<u8>> {
        let texts = match (&self.texts, &self.text) {
            (Some(texts), _) => texts.clone(),
            (None, Some(text)) => vec![text.clone()],
            (None, None) => vec![format!(
                "current-context: c\ncontexts: [{{name: c, context: {{cluster: k, user: u}}}}]\nclusters:\n- name: k\n  cluster: {}\nusers:\n- name: u\n  user: {}\n",
                self.cluster.as_deref().unwrap_or("{server: 'https://127.0.0.1:1'}"),
                self.user.as_deref().unwrap_or("{token: t}")
            )],
        };
        texts.iter().map(|text| self.encoded(&pem.fill(text))).collect()
    }

    fn encoded(&self, text: &str) -> Vec<u8> {
        let utf16 = |unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
        match self.bytes.as_deref() {
            None => text.as_bytes().to_vec(),
            Some("crlf") => text.replace('\n', "\r\n").into_bytes(),
            Some("utf8bom") => format!("\u{FEFF}{text}").into_bytes(),
            Some("utf16le") => [&[0xFF, 0xFE], &utf16(u16::to_le_bytes)[..]].concat(),
            Some("utf16be") => [&[0xFE, 0xFF], &utf16(u16::to_be_bytes)[..]].concat(),
            Some("nul") => utf16(u16::to_le_bytes),
            Some(other) => panic!("{other}"),
        }
    }
}
