//! An account of the requests that a lab's own servers answered, for the record of the scenarios that they belong to.
//!
//! The main types are [`Account`], which several servers share, and [`Call`], one request in it. It has no token and no body.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::event::Verdict;

/// The reviews that are kept, and the requests for each document: a lab may stay up for months.
const REVIEWS: usize = 512;
const DOCUMENTS: usize = 8;
/// The number of different documents and callers that are kept.
const SOURCES: usize = 256;
/// The longest name that is kept, as names of objects are (kubernetes `apimachinery/pkg/util/validation`, DNS subdomains).
const LONGEST_NAME: usize = 253;
/// The calls of one scenario that are reported.
const REPORTED: usize = 64;

/// A request that one of a lab's own servers answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The time at which it arrived.
    pub at: SystemTime,
    /// The time until it was answered, in milliseconds.
    pub ms: u64,
    /// The API server that sent it; `None` if it is not known which one.
    pub from: Option<String>,
    /// The server that answered it.
    pub to: String,
    /// The method and path.
    pub request: String,
    /// The HTTP status of the response, if there was one.
    pub status: Option<u16>,
    /// The kind of the answer: of a review, what was decided.
    pub verdict: Verdict,
    /// The answer in a few words, if its status does not say it all.
    pub answer: Option<String>,
    /// The subject, by which it is known whose request it belongs to.
    pub subject: Subject,
}

impl Call {
    /// Returns the same without the names in its subject: they can be many, and have done their part.
    fn without_names(self) -> Self {
        let subject = match self.subject {
            Subject::Access(_) => Subject::Access(Vec::new()),
            other => other,
        };
        Self { subject, ..self }
    }
}

/// The subject of a call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The discovery document of the issuer with this URL.
    Discovery(String),
    /// The keys of that issuer.
    Keys(String),
    /// The token with this digest ([`crate::secret::digest`]).
    Token(String),
    /// A request of a user: the names in its review.
    Access(Vec<String>),
}

/// The calls that may belong to a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedCalls {
    /// The beginning of the scenario.
    pub since: SystemTime,
    /// The digests of the tokens that it presented.
    pub tokens: BTreeSet<String>,
    /// The part of its objects' names that no other scenario has.
    pub name: String,
    /// The API servers to which it presented tokens, each with the issuer of the token.
    pub issuers: BTreeSet<(String, String)>,
}

/// The latest requests to some servers. Cheap to clone.
#[derive(Clone)]
pub struct Account(Arc<Inner>);

/// Finds the API server that has the other end of a connection: of the address of that end, and of ours.
type Callers = dyn Fn(SocketAddr, SocketAddr) -> Option<String> + Send + Sync;

struct Inner {
    callers: Box<Callers>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// The latest requests for each document, by caller.
    documents: BTreeMap<(String, Subject), VecDeque<Call>>,
    reviews: VecDeque<Call>,
}

impl Kept {
    /// Forgets the document and caller whose last request is the oldest.
    fn forget_oldest(&mut self) {
        let last = |calls: &VecDeque<Call>| calls.back().map(|call| call.at);
        let oldest = self
            .documents
            .iter()
            .min_by_key(|(_, calls)| last(calls))
            .map(|(source, _)| source.clone());
        if let Some(oldest) = oldest {
            self.documents.remove(&oldest);
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Account")
    }
}

impl Default for Account {
    fn default() -> Self {
        Self::new(|_, _| None)
    }
}

impl Account {
    /// Creates an account in which `callers` finds the API server that has the other end of a connection, of its address and of ours.
    pub fn new(callers: impl Fn(SocketAddr, SocketAddr) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner {
            callers: Box::new(callers),
            kept: Mutex::default(),
        }))
    }

    /// Returns the API server at the other end, `peer`, of a connection to `server`, which must still be open.
    pub async fn caller(&self, peer: SocketAddr, server: SocketAddr) -> Option<String> {
        let inner = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || (inner.callers)(peer, server))
            .await
            .ok()
            .flatten()
    }

    /// Adds `call`. A request for a document counts only if its caller is known: everybody may ask for one.
    pub fn add(&self, mut call: Call) {
        if let Subject::Access(names) = &mut call.subject {
            names.retain(|name| name.len() <= LONGEST_NAME);
        }
        let mut kept = self.kept();
        let (calls, most) = match (&call.subject, &call.from) {
            (Subject::Discovery(_) | Subject::Keys(_), None) => return,
            (Subject::Discovery(_) | Subject::Keys(_), Some(from)) => {
                let source = (from.clone(), call.subject.clone());
                if kept.documents.len() == SOURCES && !kept.documents.contains_key(&source) {
                    kept.forget_oldest();
                }
                (kept.documents.entry(source).or_default(), DOCUMENTS)
            }
            (Subject::Token(_) | Subject::Access(_), _) => (&mut kept.reviews, REVIEWS),
        };
        if calls.len() == most {
            calls.pop_front();
        }
        calls.push_back(call);
    }

    /// Returns the calls that `wanted` names, in order. Of the requests for documents before its beginning, these are the last one for each
    /// discovery document, and the last one for its keys since then: what an API server read before belongs to a configuration, or a
    /// process, that has ended.
    pub fn about(&self, wanted: &WantedCalls) -> Vec<Call> {
        let kept = self.kept();
        let mut calls: Vec<Call> = Vec::new();
        for (server, issuer) in &wanted.issuers {
            let of = |subject: Subject| kept.documents.get(&(server.clone(), subject)).into_iter().flatten();
            let (discovery, keys) = (of(Subject::Discovery(issuer.clone())), of(Subject::Keys(issuer.clone())));
            let before = |call: &&Call| call.at < wanted.since;
            let found = discovery.clone().rfind(before);
            calls.extend(found.cloned());
            calls.extend(found.and_then(|found| keys.clone().rfind(|call| before(call) && call.at >= found.at).cloned()));
            calls.extend(discovery.chain(keys).filter(|call| !before(call)).cloned());
        }
        let is_wanted = |subject: &Subject| match subject {
            Subject::Token(digest) => wanted.tokens.contains(digest),
            Subject::Access(names) => !wanted.name.is_empty() && names.iter().any(|name| name.contains(&wanted.name)),
            Subject::Discovery(_) | Subject::Keys(_) => false,
        };
        let reviews = kept
            .reviews
            .iter()
            .filter(|call| call.at >= wanted.since && is_wanted(&call.subject));
        calls.extend(reviews.cloned().map(Call::without_names));
        calls.sort_by_key(|call| call.at);
        calls.truncate(REPORTED);
        calls
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::secret::digest;

    fn time(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn call(at: u64, from: &str, subject: Subject) -> Call {
        Call {
            at: time(at),
            ms: 1,
            from: Some(from.to_owned()).filter(|from| !from.is_empty()),
            to: "issuer".to_owned(),
            request: "GET /".to_owned(),
            status: Some(200),
            verdict: Verdict::Accepted,
            answer: None,
            subject,
        }
    }

    fn wanted(since: u64) -> WantedCalls {
        WantedCalls {
            since: time(since),
            tokens: BTreeSet::from([digest("mine")]),
            name: "0123456789".to_owned(),
            issuers: BTreeSet::from([("main".to_owned(), "https://a".to_owned())]),
        }
    }

    #[test]
    fn of_many_documents_the_one_whose_last_request_is_the_oldest_is_forgotten() {
        let account = Account::default();
        account.add(call(1, "main", Subject::Discovery("https://a".to_owned())));
        for number in 0..SOURCES {
            account.add(call(2, "main", Subject::Discovery(format!("https://{number}"))));
        }
        account.add(call(3, "main", Subject::Discovery("https://0".to_owned())));
        let kept = account.kept();
        assert_eq!(kept.documents.len(), SOURCES);
        let has = |issuer: &str| {
            kept.documents
                .contains_key(&("main".to_owned(), Subject::Discovery(issuer.to_owned())))
        };
        assert!(!has("https://a") && has("https://0") && has(&format!("https://{}", SOURCES - 1)));
    }

    fn times(calls: &[Call]) -> Vec<u64> {
        let seconds = |call: &Call| call.at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        calls.iter().map(seconds).collect()
    }

    #[test]
    fn of_what_came_before_the_last_documents_of_that_server_and_issuer_count() {
        let account = Account::default();
        let (discovery, keys) = (
            |url: &str| Subject::Discovery(url.to_owned()),
            |url: &str| Subject::Keys(url.to_owned()),
        );
        account.add(call(1, "main", discovery("https://a")));
        account.add(call(2, "main", keys("https://a")));
        assert_eq!(times(&account.about(&wanted(5))), [1, 2]);
        account.add(call(3, "main", discovery("https://a")));
        // The keys were read by what has ended.
        assert_eq!(times(&account.about(&wanted(5))), [3]);
        account.add(call(4, "main", keys("https://a")));
        account.add(call(4, "main", keys("https://b")));
        account.add(call(4, "other", keys("https://a")));
        account.add(call(4, "", keys("https://a")));
        account.add(call(6, "main", keys("https://a")));
        assert_eq!(times(&account.about(&wanted(5))), [3, 4, 6]);
    }

    #[test]
    fn a_review_counts_for_the_scenario_with_its_token_or_its_name() {
        let account = Account::default();
        let access = |name: &str| Subject::Access(vec!["alice".to_owned(), name.to_owned()]);
        account.add(call(4, "main", Subject::Token(digest("mine"))));
        account.add(call(6, "main", Subject::Token(digest("mine"))));
        account.add(call(7, "main", Subject::Token(digest("another's"))));
        account.add(call(8, "", access("authlab-0123456789")));
        account.add(call(9, "main", access("authlab-9876543210")));
        let found = account.about(&wanted(5));
        assert_eq!(times(&found), [6, 8]);
        assert_eq!(found[1].subject, Subject::Access(Vec::new()));
        let nameless = WantedCalls {
            name: String::new(),
            ..wanted(5)
        };
        assert_eq!(times(&account.about(&nameless)), [6]);
    }

    #[test]
    fn the_latest_calls_are_kept() {
        let account = Account::default();
        for at in 0..600 {
            account.add(call(at, "main", Subject::Token(digest("mine"))));
            account.add(call(at, "main", Subject::Discovery("https://a".to_owned())));
        }
        let kept = account.kept();
        assert_eq!((kept.reviews.len(), kept.reviews[0].at), (REVIEWS, time(600 - REVIEWS as u64)));
        assert_eq!(kept.documents.values().map(VecDeque::len).sum::<usize>(), DOCUMENTS);
        drop(kept);
        assert_eq!(account.about(&wanted(0)).len(), REPORTED);
    }
}
