//! The secrets that this process knows, searched for literally. The main functions are [`add`] and [`search`].
//!
//! A run makes thousands of tokens and redacts hundreds of thousands of texts: both an automaton that is rebuilt for each
//! secret and one search for each secret are too slow. Therefore a table has one window of eight bytes of each secret; a text is read
//! once, and only where one of its windows is in the table, the secrets with that window are compared.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, LazyLock, PoisonError, RwLock, Weak};

use super::Span;

/// The length below which secrets occur by chance: `secret`, a namespace, a word.
pub(super) const SHORTEST: usize = 8;

/// The length above which secrets are documents that contain secrets, each of which is known on its own.
const LONGEST: usize = 16 * 1024;

/// The number and total size of dropped secrets that are still searched for, since logs contain them later.
const RECENT: usize = 16 * 1024;
const RECENT_BYTES: usize = 16 * 1024 * 1024;

/// The size of the filter in bits, as a power of two.
const FILTER: u32 = 20;

static KNOWN: LazyLock<RwLock<Known>> = LazyLock::new(RwLock::default);

struct Known {
    /// All needles, by their window.
    windows: HashMap<u64, Vec<Needle>>,
    /// A filter for windows that may be among them: a bit for each hash.
    filter: Vec<u64>,
    needles: usize,
    /// The number of needles at which the dropped ones are cleared away.
    clear_at: usize,
    recent: VecDeque<Arc<str>>,
    recent_bytes: usize,
}

/// The part of a secret that must stay secret.
struct Needle {
    value: Weak<str>,
    part: Range<usize>,
    /// The offset of its window in that part.
    window: usize,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            windows: HashMap::new(),
            filter: vec![0; 1 << (FILTER - 6)],
            needles: 0,
            clear_at: 1024,
            recent: VecDeque::new(),
            recent_bytes: 0,
        }
    }
}

/// Searches for `value` from now on: as long as the returned value is held, and until many others were added.
pub(super) fn add(value: String) -> Arc<str> {
    let value: Arc<str> = value.into();
    let parts = parts(&value);
    if parts.is_empty() {
        return value;
    }
    KNOWN.write().unwrap_or_else(PoisonError::into_inner).add(value, parts)
}

/// Finds the known secrets in `text`.
pub(super) fn search(text: &[u8], spans: &mut Vec<Span>) {
    KNOWN.read().unwrap_or_else(PoisonError::into_inner).search(text, spans);
}

impl Known {
    fn add(&mut self, value: Arc<str>, parts: Vec<Range<usize>>) -> Arc<str> {
        // The same value is stored once, and searched for as long as either owner holds it.
        if let Some(known) = self.same(&value, &parts[0]) {
            return known;
        }
        for part in parts {
            let text = &value.as_bytes()[part.clone()];
            let at = window_of(text);
            let window = window(text, at);
            self.windows.entry(window).or_default().push(Needle {
                value: Arc::downgrade(&value),
                part,
                window: at,
            });
            set(&mut self.filter, window);
            self.needles += 1;
        }
        self.recent_bytes += value.len();
        self.recent.push_back(Arc::clone(&value));
        while self.recent.len() > RECENT || self.recent_bytes > RECENT_BYTES {
            let Some(oldest) = self.recent.pop_front() else { break };
            self.recent_bytes -= oldest.len();
        }
        if self.needles >= self.clear_at {
            self.clear();
        }
        value
    }

    fn same(&self, value: &Arc<str>, part: &Range<usize>) -> Option<Arc<str>> {
        let text = &value.as_bytes()[part.clone()];
        let others = self.windows.get(&window(text, window_of(text)))?;
        others.iter().filter_map(|other| other.value.upgrade()).find(|other| other == value)
    }

    /// Removes the secrets that are no longer held.
    fn clear(&mut self) {
        self.filter.fill(0);
        self.needles = 0;
        let (filter, needles) = (&mut self.filter, &mut self.needles);
        self.windows.retain(|window, held| {
            held.retain(|needle| needle.value.strong_count() > 0);
            if !held.is_empty() {
                set(filter, *window);
                *needles += held.len();
            }
            !held.is_empty()
        });
        // The cost of clearing grows with the number of needles: at twice as many, it is small for each that is added.
        self.clear_at = 2 * self.needles + 1024;
    }

    fn search(&self, text: &[u8], spans: &mut Vec<Span>) {
        if self.needles == 0 {
            return;
        }
        for at in 0..(text.len() + 1).saturating_sub(SHORTEST) {
            let window = window(text, at);
            if !is_set(&self.filter, window) {
                continue;
            }
            for needle in self.windows.get(&window).into_iter().flatten() {
                let Some(start) = at.checked_sub(needle.window) else { continue };
                let end = start + needle.part.len();
                let held = needle.value.upgrade();
                let part = held.as_ref().and_then(|held| held.as_bytes().get(needle.part.clone()));
                if part.is_some() && part == text.get(start..end) {
                    spans.push(Span::new(start, end));
                }
            }
        }
    }
}

/// Returns the eight bytes at `at`.
fn window(text: &[u8], at: usize) -> u64 {
    text[at..at + SHORTEST].try_into().map_or(0, u64::from_le_bytes)
}

fn mixed(window: u64) -> u64 {
    window.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Returns the window that stands for `text`: any would do, but one chosen by its hash is seldom in a part that many have in common.
fn window_of(text: &[u8]) -> usize {
    (0..=text.len() - SHORTEST)
        .min_by_key(|at| mixed(window(text, *at)).rotate_left(32))
        .unwrap_or_default()
}

fn bit(window: u64) -> (usize, u64) {
    let hash = mixed(window) >> (64 - FILTER);
    (usize::try_from(hash >> 6).unwrap_or_default(), 1 << (hash & 63))
}

fn set(filter: &mut [u64], window: u64) {
    let (word, bit) = bit(window);
    filter[word] |= bit;
}

fn is_set(filter: &[u64], window: u64) -> bool {
    let (word, bit) = bit(window);
    filter[word] & bit != 0
}

/// Returns the parts of `value` that grant access: of a signed token, the signature without the characters that are shown; of a
/// private key, its lines without the public ones.
fn parts(value: &str) -> Vec<Range<usize>> {
    if value.len() > LONGEST {
        return Vec::new();
    }
    let of = |part: &str| {
        let start = part.as_ptr() as usize - value.as_ptr() as usize;
        start..start + part.len()
    };
    let all = if value.contains("PRIVATE KEY-----") {
        private_lines(value)
    } else {
        let bare = value.trim();
        let scheme = ["bearer ", "basic "]
            .iter()
            .find(|scheme| bare.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
        let bare = scheme.map_or(bare, |scheme| bare[scheme.len()..].trim_start());
        if bare.contains('\n') {
            // A document: each of the secrets in it is known on its own, and the rest of its lines are public.
            return Vec::new();
        }
        // Beside a token, a list of protocols names others.
        let protocols = bare.split(", ").filter_map(|protocol| protocol.strip_prefix(super::TOKEN_PROTOCOL));
        match protocols.collect::<Vec<_>>() {
            tokens if tokens.is_empty() => vec![super::patterns::signature_of(bare).unwrap_or(bare)],
            tokens => tokens,
        }
    };
    all.into_iter().filter(|part| part.len() >= SHORTEST).map(of).collect()
}

/// Returns the lines that only a private key has: its armour is not secret, certificates and public keys beside it are public, and so is
/// its public half. Of an elliptic curve (RFC 5915, within RFC 5958), that begins after two lines at least; of RSA (RFC 8017 A.1.2),
/// whose keys are long, it ends within seven.
fn private_lines(pem: &str) -> Vec<&str> {
    let (mut within, mut lines, mut all) = (false, Vec::new(), Vec::new());
    for line in pem.lines().map(str::trim) {
        if line.starts_with("-----") {
            within = line.starts_with("-----BEGIN") && line.contains("PRIVATE KEY");
            match lines.len() {
                0..=8 => all.extend(lines.drain(..).take(2)),
                _ => all.extend(lines.drain(..).skip(7)),
            }
        } else if within {
            lines.push(line);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(known: &Known, text: &str) -> Vec<(usize, usize)> {
        let mut spans = Vec::new();
        known.search(text.as_bytes(), &mut spans);
        spans.iter().map(|span| (span.start, span.end)).collect()
    }

    fn added(known: &mut Known, value: &str) -> Arc<str> {
        known.add(value.into(), parts(value))
    }

    #[test]
    fn what_is_known_is_found_wherever_it_stands() {
        let mut known = Known::default();
        let _held: Vec<_> = ["hunter22", "correct horse, battery", "0123456789abcdef0123456789abcdef"]
            .map(|value| added(&mut known, value))
            .into();
        assert_eq!(found(&known, "hunter22"), [(0, 8)]);
        assert_eq!(
            found(&known, "x correct horse, battery y hunter22hunter22"),
            [(2, 24), (27, 35), (35, 43)]
        );
        assert_eq!(found(&known, "hunter2, correct horse,battery 0123456789abcdef"), []);
    }

    #[test]
    fn of_a_signed_token_the_signature_counts_and_of_a_scheme_what_follows() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLXRoYXQtaXMtc2VjcmV0";
        for (value, expected) in [
            (token, "F0dXJlLXRoYXQtaXMtc2VjcmV0"),
            (&format!("Bearer {token}"), "F0dXJlLXRoYXQtaXMtc2VjcmV0"),
            ("Basic YWxpY2U6c2VjcmV0", "YWxpY2U6c2VjcmV0"),
        ] {
            let parts: Vec<&str> = parts(value).into_iter().map(|part| &value[part]).collect();
            assert_eq!(parts, [expected]);
        }
        for none in ["", "short", "Bearer ", "[{\n  \"kind\": \"AuthenticationConfiguration\"\n}]"] {
            assert!(parts(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn what_is_held_is_found_however_much_came_after_it_and_what_is_not_is_forgotten() {
        let mut known = Known::default();
        let held = added(&mut known, "held by somebody");
        drop(added(&mut known, "held by nobody"));
        assert_eq!(found(&known, "held by somebody, held by nobody"), [(0, 16), (18, 32)]);
        for number in 0..=2 * RECENT {
            added(&mut known, &format!("one of many: {number:08}"));
        }
        assert_eq!(found(&known, "held by somebody, held by nobody"), [(0, 16)]);
        assert!(known.needles <= 2 * (RECENT + 1) + 1024, "{} are kept", known.needles);
        assert!(known.recent.len() <= RECENT && known.recent_bytes <= RECENT_BYTES);
        drop(held);
    }

    #[test]
    fn what_is_added_twice_is_kept_once() {
        let mut known = Known::default();
        let all: Vec<_> = (0..100).map(|_| added(&mut known, "the same value")).collect();
        assert_eq!((known.needles, known.recent.len(), all.len()), (1, 1, 100));
    }
}
