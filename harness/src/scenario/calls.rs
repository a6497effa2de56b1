//! The requests of API servers to the lab's own servers that belong to a scenario, as exchanges of its record.
//!
//! The main type is [`Calls`]. A request that cannot be attributed is left out: many scenarios use one API server at a time.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use crate::event::{Exchange, Presented, milliseconds};
use crate::lab::{Call, Subject, WantedCalls};

/// The beginning of the names of API servers in a record.
const API_SERVER: &str = "API server ";

/// The facts by which a call is attributed to a scenario.
pub(super) struct Calls<'a> {
    /// The beginning of the scenario.
    pub(super) since: SystemTime,
    /// The requests of its parties.
    pub(super) exchanges: &'a [(SystemTime, Exchange)],
    /// `true` if nothing else uses the lab.
    pub(super) is_alone: bool,
    /// The URLs of the issuers that one scenario alone uses.
    pub(super) unshared: &'a [String],
}

impl Calls<'_> {
    /// Returns the calls that may belong to the scenario, whose objects have `name` in theirs.
    pub(super) fn wanted(&self, name: &str) -> WantedCalls {
        let exchanges = self.exchanges.iter().map(|(_, exchange)| exchange);
        let issuers = exchanges
            .clone()
            .filter_map(|exchange| Some((api_server(exchange)?, exchange)))
            .flat_map(|(server, exchange)| issuers(exchange).map(|issuer| (server.to_owned(), issuer.to_owned())));
        WantedCalls {
            since: self.since,
            tokens: exchanges.clone().flat_map(|exchange| exchange.tokens.iter().cloned()).collect(),
            name: name.to_owned(),
            issuers: BTreeSet::from_iter(issuers),
        }
    }

    /// Returns the `calls` that belong to the scenario, each with its time and its duration.
    pub(super) fn attributed(&self, calls: Vec<Call>) -> Vec<(SystemTime, Duration, Exchange)> {
        let own = calls.into_iter().filter(|call| self.is_own(call));
        own.map(|call| (call.at, Duration::from_millis(call.ms), self.exchange(call)))
            .collect()
    }

    fn is_own(&self, call: &Call) -> bool {
        let is_before = call.at < self.since;
        match &call.subject {
            // The lab reports those alone that were read at an issuer by a server, to which the scenario presented a token of that issuer.
            Subject::Discovery(_) => is_before || self.is_alone,
            Subject::Keys(_) if is_before => true,
            // Of several scenarios that present tokens of an issuer at a time, nothing says which one made the API server ask.
            Subject::Keys(issuer) => {
                (self.is_alone || self.unshared.contains(issuer))
                    && self.during(call).any(|exchange| issuers(exchange).any(|known| known == issuer))
            }
            Subject::Token(digest) => !is_before && self.during(call).any(|exchange| exchange.tokens.contains(digest)),
            Subject::Access(_) => !is_before && self.during(call).next().is_some(),
        }
    }

    /// Returns the scenario's own requests to the API server that sent `call` that were not answered yet when it sent it.
    fn during(&self, call: &Call) -> impl Iterator<Item = &Exchange> {
        let (at, from) = (call.at, call.from.clone());
        let sent = self.exchanges.iter().filter(move |(began, exchange)| {
            let ended = *began + Duration::from_millis(exchange.ms + 1);
            (*began..=ended).contains(&at) && api_server(exchange).is_some_and(|server| from.as_deref().is_none_or(|from| from == server))
        });
        sent.map(|(_, exchange)| exchange)
    }

    fn exchange(&self, call: Call) -> Exchange {
        let earlier = self.since.duration_since(call.at).ok().filter(|earlier| !earlier.is_zero());
        Exchange {
            earlier_ms: earlier.map(milliseconds),
            from: call
                .from
                .map_or_else(|| "an API server".to_owned(), |name| format!("{API_SERVER}{name}")),
            to: call.to,
            request: call.request,
            status: call.status,
            verdict: call.verdict,
            answer: call.answer,
            ..Exchange::default()
        }
    }
}

/// Returns the name of the API server that `exchange` was sent to.
fn api_server(exchange: &Exchange) -> Option<&str> {
    exchange.to.strip_prefix(API_SERVER)
}

/// Returns the issuers of the tokens that `exchange` presented.
fn issuers(exchange: &Exchange) -> impl Iterator<Item = &str> {
    exchange.presented.iter().filter_map(|presented| match presented {
        Presented::Token { claims, .. } => claims.get("iss")?.as_str(),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::Verdict;

    const ISSUER: &str = "https://a";

    fn time(ms: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(ms)
    }

    /// A request of Alice's with a token of the issuer, from 100 to 120 ms, in a scenario that began at 50 ms.
    fn exchanges() -> Vec<(SystemTime, Exchange)> {
        let token = Presented::Token {
            header: json!({}),
            claims: json!({ "iss": ISSUER }),
            signature: "abc".to_owned(),
        };
        let exchange = Exchange {
            ms: 20,
            from: "alice".to_owned(),
            to: "API server main".to_owned(),
            presented: vec![token],
            tokens: vec!["mine".to_owned()],
            ..Exchange::default()
        };
        vec![(time(100), exchange)]
    }

    fn call(at: u64, from: Option<&str>, subject: Subject) -> Call {
        Call {
            at: time(at),
            ms: 3,
            from: from.map(str::to_owned),
            to: "token webhook".to_owned(),
            request: "POST /review TokenReview".to_owned(),
            status: Some(200),
            verdict: Verdict::Accepted,
            answer: None,
            subject,
        }
    }

    fn own(call: &Call, is_alone: bool, unshared: &[&str]) -> Option<Exchange> {
        let (exchanges, unshared) = (exchanges(), unshared.iter().map(ToString::to_string).collect::<Vec<_>>());
        let calls = Calls {
            since: time(50),
            exchanges: &exchanges,
            is_alone,
            unshared: &unshared,
        };
        calls.attributed(vec![call.clone()]).pop().map(|(_, _, exchange)| exchange)
    }

    #[test]
    fn the_lab_is_asked_for_tokens_and_for_their_issuers_at_the_servers_that_got_them() {
        let exchanges = exchanges();
        let calls = Calls {
            since: time(50),
            exchanges: &exchanges,
            is_alone: false,
            unshared: &[],
        };
        let wanted = calls.wanted("0123456789");
        assert_eq!(wanted.tokens, BTreeSet::from(["mine".to_owned()]));
        assert_eq!(wanted.issuers, BTreeSet::from([("main".to_owned(), ISSUER.to_owned())]));
        assert_eq!((wanted.since, wanted.name.as_str()), (time(50), "0123456789"));
    }

    #[test]
    fn documents_read_before_the_scenario_are_marked_as_earlier() {
        for subject in [Subject::Discovery(ISSUER.to_owned()), Subject::Keys(ISSUER.to_owned())] {
            let exchange = own(&call(10, Some("main"), subject), false, &[]).expect("it is told");
            assert_eq!((exchange.earlier_ms, exchange.from.as_str()), (Some(40), "API server main"));
        }
    }

    #[test]
    fn keys_read_meanwhile_are_told_if_no_other_scenario_can_be_the_reason() {
        let keys = |at| call(at, Some("main"), Subject::Keys(ISSUER.to_owned()));
        assert_eq!(own(&keys(110), false, &[]), None, "another scenario may be the reason");
        assert_eq!(own(&keys(110), true, &[]).map(|exchange| exchange.earlier_ms), Some(None));
        assert!(own(&keys(110), false, &[ISSUER]).is_some());
        assert_eq!(own(&keys(130), true, &[ISSUER]), None, "Alice's request had been answered");
        let discovery = call(110, Some("main"), Subject::Discovery(ISSUER.to_owned()));
        assert_eq!(own(&discovery, false, &[ISSUER]), None, "no request leads to it");
        assert!(own(&discovery, true, &[]).is_some(), "the API server started meanwhile");
    }

    #[test]
    fn a_review_of_a_token_is_told_during_the_request_that_presented_it_to_that_server() {
        let review = |at, from, token: &str| own(&call(at, from, Subject::Token(token.to_owned())), false, &[]);
        assert!(review(110, Some("main"), "mine").is_some());
        assert_eq!(
            review(110, None, "mine").map(|exchange| exchange.from).as_deref(),
            Some("an API server")
        );
        assert_eq!(review(110, Some("other"), "mine"), None);
        assert_eq!(review(110, Some("main"), "another's"), None);
        assert_eq!(review(90, Some("main"), "mine"), None);
        let access = |at| own(&call(at, Some("main"), Subject::Access(Vec::new())), false, &[]);
        assert!(access(110).is_some(), "while Alice's request was not answered");
        assert!(access(60).is_none() && access(40).is_none(), "before it, and before the scenario");
    }
}
