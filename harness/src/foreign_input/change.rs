//! Changes to an input, made at random; proptest takes back those that a failure does not need. The main function is [`inputs`].

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::Index;

/// The words that readers may stumble over, beside an input's own.
const WORDS: [&[u8]; 46] = [
    b"",
    b" ",
    b"\n",
    b"\r\n",
    b"\n\n",
    b"\t",
    b"\0",
    b"\x1b[31m",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    "\u{202e}".as_bytes(),
    "\u{1F600}".as_bytes(),
    "İ".as_bytes(),
    b"\"",
    b"'",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b"[]",
    b"{}",
    b":",
    b": ",
    b"- ",
    b"---\n",
    b"&a ",
    b"*a",
    b"<<: ",
    b"!!binary ",
    b"|\n",
    b"null",
    b"true",
    b"0",
    b"-1",
    b"9223372036854775808",
    b"18446744073709551616",
    b"1e999",
    b"-0.0",
    b"1.5",
    b"%",
    b"=",
    b".",
    b"/../",
];

/// One change of an input.
#[derive(Clone, Debug)]
enum Change {
    /// A byte becomes another one.
    Byte(Index, u8),
    /// Up to 32 bytes are left out.
    Cut(Index, u8),
    /// All bytes from a place on are left out.
    End(Index),
    /// Up to 16 bytes are there up to 200 times.
    Repeat(Index, u8, u8),
    /// A word is put in.
    Word(Index, Index),
    /// A word replaces a value: what stands between two signs of JSON, YAML or a header. `true`: with its quotation marks.
    Value(Index, Index, bool),
    /// A part of another input is put in, up to 64 bytes.
    Part(Index, Index, Index, u8),
}

/// Returns inputs that are up to eight changes away from one of `seeds`.
pub fn inputs(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let (place, word) = (any::<Index>, any::<Index>);
    let change = prop_oneof![
        1 => (place(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        1 => (place(), 1..32_u8).prop_map(|(at, count)| Change::Cut(at, count)),
        1 => place().prop_map(Change::End),
        1 => (place(), 1..16_u8, 2..200_u8).prop_map(|(at, count, times)| Change::Repeat(at, count, times)),
        3 => (place(), word()).prop_map(|(at, word)| Change::Word(at, word)),
        4 => (place(), word(), any::<bool>()).prop_map(|(at, word, quoted)| Change::Value(at, word, quoted)),
        1 => (place(), place(), place(), 1..64_u8).prop_map(|(at, other, from, count)| Change::Part(at, other, from, count)),
    ];
    (any::<Index>(), vec(change, 0..8), Just(seeds)).prop_map(|(seed, changes, seeds)| {
        let mut input = seed.get(&seeds).clone();
        changes.iter().for_each(|change| change.make(&mut input, &seeds));
        input
    })
}

impl Change {
    fn make(&self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let place = |at: &Index, input: &[u8]| at.index(input.len() + 1);
        match self {
            Self::Byte(at, byte) => {
                let at = place(at, input);
                input.splice(at..(at + 1).min(input.len()), [*byte]);
            }
            Self::Cut(at, count) => {
                let at = place(at, input);
                input.drain(at..(at + usize::from(*count)).min(input.len()));
            }
            Self::End(at) => input.truncate(place(at, input)),
            Self::Repeat(at, count, times) => {
                let at = place(at, input);
                let part = input[at..(at + usize::from(*count)).min(input.len())].repeat(usize::from(*times));
                input.splice(at..at, part);
            }
            Self::Word(at, word) => {
                let at = place(at, input);
                input.splice(at..at, word.get(&WORDS).iter().copied());
            }
            Self::Value(at, word, quoted) => {
                let at = place(at, input);
                let ends = |byte: &u8| b",:{}[]\n=".contains(byte) || (!quoted && *byte == b'"');
                let from = input[..at].iter().rposition(ends).map_or(0, |before| before + 1);
                let to = input[at..].iter().position(ends).map_or(input.len(), |after| at + after);
                input.splice(from..to, word.get(&WORDS).iter().copied());
            }
            Self::Part(at, other, from, count) => {
                let other = other.get(seeds);
                let from = place(from, other);
                let part = &other[from..(from + usize::from(*count)).min(other.len())];
                let at = place(at, input);
                input.splice(at..at, part.iter().copied());
            }
        }
    }
}
