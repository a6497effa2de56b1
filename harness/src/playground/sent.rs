//! The requests that were sent about a person, as a sequence diagram. The main function is [`diagram`].

use std::borrow::Cow;

use crate::event::{Exchange, Exchanges, StepReport, Verdict};
use crate::report::html;
use crate::trial::{Action, Person, Presented, Trial};

/// The name of the API server in diagrams.
const SERVER: &str = "API server";

/// The most reviews of a diagram.
const REVIEWS: usize = 8;

/// The longest name of a person in a diagram, in characters.
const LONGEST: usize = 60;

/// Draws the requests about `person`: those of the API server to the issuer of their token when it started, and those in `sent`: who it is,
/// and a review of each of `actions`. `None` if none was sent.
pub(super) fn diagram(person: &Person, trial: &Trial, sent: &Exchanges, actions: &[&Action]) -> Option<String> {
    let sent: Vec<Exchange> = sent.all().into_iter().map(|(_, exchange)| exchange).collect();
    if sent.is_empty() {
        return None;
    }
    let name = shown(&person.name);
    let issuer = match &person.presents {
        Presented::Token(claims) => trial.setup().issuer(claims.named_issuer()).ok().map(|issuer| issuer.url.as_str()),
        _ => None,
    };
    let asked = trial
        .requests_to_issuers()
        .iter()
        .filter(|request| Some(request.issuer.as_str()) == issuer);
    let mut exchanges: Vec<Exchange> = asked
        .map(|request| Exchange {
            step: Some(0),
            from: SERVER.to_owned(),
            to: host(&request.issuer).to_owned(),
            request: format!("GET {}", request.path),
            status: Some(request.status),
            verdict: Verdict::of_status(request.status),
            ..Exchange::default()
        })
        .collect();
    let from = match exchanges.iter().any(|exchange| exchange.to == name) || name == SERVER {
        // One name would be one party.
        true => format!("“{name}”"),
        false => name.clone().into_owned(),
    };
    exchanges.extend(sent.into_iter().take(1 + REVIEWS).enumerate().map(|(index, exchange)| Exchange {
        step: Some(1 + index),
        from: from.clone(),
        to: SERVER.to_owned(),
        ..exchange
    }));
    let left_out = if actions.len() > REVIEWS {
        format!(" ({REVIEWS} of {} reviews are drawn)", actions.len())
    } else {
        String::new()
    };
    let bands = ["When the API server started".to_owned(), format!("Who is {name}?{left_out}")].into_iter();
    let bands = bands.chain(actions.iter().map(|action| format!("May {name} {action}?")));
    let bands: Vec<StepReport> = bands
        .map(|text| StepReport {
            text,
            outcome: None,
            ms: 0,
        })
        .collect();
    Some(html::diagram_within(0, &exchanges, &bands))
}

/// Returns the beginning of a long name.
fn shown(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(LONGEST) {
        Some((at, _)) => Cow::Owned(format!("{}…", &name[..at])),
        None => Cow::Borrowed(name),
    }
}

/// Returns the host of an issuer.
fn host(issuer: &str) -> &str {
    let rest = issuer.strip_prefix("https://").unwrap_or(issuer);
    rest.split('/').next().unwrap_or(rest)
}
