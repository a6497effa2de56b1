//! A sequence diagram of the requests that were really sent: the parties from left to right, and an arrow there and back for each request.
//!
//! The main type is [`Sequence`]. As text it is for terminals; `html/sequence.rs` draws the same with lines and colours.

use std::fmt;

use super::shortened;
use crate::event::Exchange;

/// The distance between the parties' lines, in characters.
const WIDTH: usize = 36;

/// The parties and requests of a diagram.
#[derive(Debug)]
pub struct Sequence<'a> {
    /// The names of the parties, from left to right: people, administrators, identity providers and others that are asked, proxies, API
    /// servers, and what API servers ask.
    pub(super) parties: Vec<&'a str>,
    /// The requests, in order.
    pub(super) rows: Vec<Row<'a>>,
    /// The arrows, in order.
    pub(super) arrows: Vec<Arrow>,
}

/// A request, and the positions of its sender and its receiver.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) exchange: &'a Exchange,
}

/// An arrow: the request or the response of the row with this number. The requests that a server sends before it responds stand between the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrow {
    Request(usize),
    Response(usize),
}

impl<'a> Sequence<'a> {
    /// Returns the diagram of `exchanges`.
    #[must_use]
    pub fn of(exchanges: &'a [Exchange]) -> Self {
        let parties = parties(exchanges);
        let place = |name: &str| parties.iter().position(|other| *other == name).unwrap_or_default();
        let row = |exchange: &'a Exchange| Row {
            from: place(&exchange.from),
            to: place(&exchange.to),
            exchange,
        };
        Self {
            rows: exchanges.iter().map(row).collect(),
            arrows: arrows(exchanges),
            parties,
        }
    }
}

fn arrows(exchanges: &[Exchange]) -> Vec<Arrow> {
    let (mut arrows, mut open) = (Vec::new(), Vec::<usize>::new());
    for (index, exchange) in exchanges.iter().enumerate() {
        while let Some(outer) = open.pop_if(|outer| !is_within(exchange, &exchanges[*outer])) {
            arrows.push(Arrow::Response(outer));
        }
        arrows.push(Arrow::Request(index));
        open.push(index);
    }
    arrows.extend(open.into_iter().rev().map(Arrow::Response));
    arrows
}

/// Returns whether `inner` was sent by the server that `outer` was sent to, before that responded. Times are whole milliseconds.
fn is_within(inner: &Exchange, outer: &Exchange) -> bool {
    let during = outer.at_ms..=outer.at_ms + outer.ms + 1;
    inner.from == outer.to && inner.step == outer.step && is_earlier(inner) == is_earlier(outer) && during.contains(&inner.at_ms)
}

/// Returns whether `exchange` began before the scenario.
pub(super) fn is_earlier(exchange: &Exchange) -> bool {
    exchange.earlier_ms.is_some()
}

fn parties(exchanges: &[Exchange]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for name in exchanges.iter().flat_map(|exchange| [&exchange.from, &exchange.to]) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names.sort_by_key(|name| place(name, exchanges));
    names
}

/// Returns the place of the party `name` among the others: who asks is on the left of who is asked, and an API server, to which all leads, is
/// right of those that vouch for its callers.
fn place(name: &str, exchanges: &[Exchange]) -> usize {
    let is_asked = exchanges.iter().any(|exchange| exchange.to == name);
    match name {
        _ if name.ends_with("administrator") => 1,
        _ if name.starts_with("API server") || name == "an API server" => 4,
        _ if name.ends_with("webhook") => 5,
        _ if name.ends_with("proxy") => 3,
        _ if is_asked => 2,
        _ => 0,
    }
}

/// Returns the words for the response to `exchange`, without its status: those of a server about its own decision, if it says more.
pub(super) fn response(exchange: &Exchange) -> String {
    let is_by_server = exchange.from.starts_with("API server") || exchange.from == "an API server";
    let own = exchange.answer.clone().filter(|_| is_by_server);
    own.unwrap_or_else(|| exchange.verdict.words())
}

/// Returns the request without the `?` of an empty query.
pub(super) fn request(exchange: &Exchange) -> &str {
    exchange.request.trim_end_matches('?')
}

/// Shortens a request whose path is too long to the end of the path, which says the most.
pub(super) fn without_beginning(request: &str, most: usize) -> String {
    let (method, path) = request.split_once(' ').unwrap_or(("", request));
    if request.chars().count() <= most || !path.starts_with('/') {
        return shortened(request, most).into_owned();
    }
    let room = most.saturating_sub(method.chars().count() + 2);
    let ends = path.match_indices('/').map(|(at, _)| &path[at..]);
    let end = ends.into_iter().find(|end| end.chars().count() <= room);
    end.map_or_else(|| shortened(request, most).into_owned(), |end| format!("{method} …{end}"))
}

impl fmt::Display for Sequence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.parties.iter().map(|name| format!("{:WIDTH$}", shortened(name, WIDTH - 2)));
        write!(f, "{}", names.collect::<String>().trim_end())?;
        for one in &self.arrows {
            let (Arrow::Request(index) | Arrow::Response(index)) = *one;
            let Row { from, to, exchange } = self.rows[index];
            let room = from.abs_diff(to).max(1) * WIDTH - 8;
            let drawn = match one {
                Arrow::Request(_) => {
                    let earlier = if is_earlier(exchange) { "earlier: " } else { "" };
                    let asked = without_beginning(request(exchange), room - earlier.len());
                    arrow(self.parties.len(), from, to, &format!("{earlier}{asked}"))
                }
                Arrow::Response(_) => {
                    let answered = match (exchange.status, &exchange.answer) {
                        (Some(status), Some(answer)) => format!("{status} {answer}"),
                        (Some(status), None) => status.to_string(),
                        (None, Some(answer)) => answer.clone(),
                        (None, None) => exchange.verdict.words(),
                    };
                    arrow(self.parties.len(), to, from, &shortened(&answered, room))
                }
            };
            write!(f, "\n{drawn}")?;
        }
        Ok(())
    }
}

/// Draws the parties' lines, and an arrow across those between `from` and `to`.
fn arrow(parties: usize, from: usize, to: usize, text: &str) -> String {
    let mut line: Vec<char> = format!("{:WIDTH$}", "│").repeat(parties).trim_end().chars().collect();
    let (left, right) = (from.min(to) * WIDTH + 1, from.max(to) * WIDTH);
    if from == to {
        return format!("{}↺ {text}", line[..left].iter().collect::<String>());
    }
    line[left..right].fill('─');
    let tip = if from < to { (right - 1, '▶') } else { (left, '◀') };
    line[tip.0] = tip.1;
    for (place, c) in line[left + 2..right - 1].iter_mut().zip(format!(" {text} ").chars()) {
        *place = c;
    }
    line.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(from: &str, to: &str, request: &str, status: u16, answer: Option<&str>) -> Exchange {
        Exchange {
            from: from.to_owned(),
            to: to.to_owned(),
            request: request.to_owned(),
            status: Some(status),
            answer: answer.map(str::to_owned),
            ..Exchange::default()
        }
    }

    #[test]
    fn arrows_go_from_who_asks_to_who_is_asked_and_back() {
        let exchanges = [
            exchange("you", "Keycloak", "POST token", 200, None),
            exchange("you", "API server", "list nodes", 200, Some("as da-admin")),
        ];
        let expected = "\
you                                 Keycloak                            API server
│── POST token ────────────────────▶│                                   │
│◀─ 200 ────────────────────────────│                                   │
│── list nodes ────────────────────────────────────────────────────────▶│
│◀─ 200 as da-admin ────────────────────────────────────────────────────│";
        assert_eq!(Sequence::of(&exchanges).to_string(), expected);
        assert_eq!(Sequence::of(&[]).to_string(), "");
    }

    #[test]
    fn a_proxy_stands_between_and_long_labels_are_cut() {
        let path = "GET /apis/authentication.k8s.io/v1/selfsubjectreviews";
        let user = "as system:serviceaccount:kube-system:robot";
        let exchanges = [
            exchange("proxy", "API server", path, 201, Some(user)),
            exchange("you", "proxy", path, 201, None),
            exchange("proxy", "you", "GET /callback", 302, None),
        ];
        let expected = "\
you                                 proxy                               API server
│                                   │── GET …/v1/selfsubjectreviews ───▶│
│                                   │◀─ 201 as system:serviceaccount… ──│
│── GET …/v1/selfsubjectreviews ───▶│                                   │
│◀─ GET /callback ──────────────────│                                   │
│── 302 ───────────────────────────▶│                                   │
│◀─ 201 ────────────────────────────│                                   │";
        assert_eq!(Sequence::of(&exchanges).to_string(), expected);
        let long = [exchange("you", "API server", "create serviceaccounts", 201, Some(user))];
        assert!(
            Sequence::of(&long).to_string().ends_with("│◀─ 201 as system:serviceaccount… ──│"),
            "{}",
            Sequence::of(&long)
        );
        let alone = [exchange("you", "you", "sign", 200, None)];
        assert_eq!(Sequence::of(&alone).to_string(), "you\n│↺ sign\n│↺ 200");
    }
    #[test]
    fn the_parties_stand_in_the_order_in_which_one_leads_to_the_next() {
        let exchanges = [
            exchange("the administrator", "API server main", "create", 201, None),
            exchange("API server main", "token webhook", "review", 200, None),
            exchange("alice", "Keycloak", "login", 200, None),
            exchange("alice", "auth proxy", "list", 200, None),
            exchange("auth proxy", "API server main", "list", 200, None),
            exchange("API server main", "Keycloak", "keys", 200, None),
        ];
        let expected = [
            "alice",
            "the administrator",
            "Keycloak",
            "auth proxy",
            "API server main",
            "token webhook",
        ];
        assert_eq!(Sequence::of(&exchanges).parties, expected);
    }

    #[test]
    fn what_a_server_asks_stands_between_a_request_and_its_response() {
        let timed = |at_ms, ms, exchange: Exchange| Exchange { at_ms, ms, ..exchange };
        let exchanges = [
            timed(0, 0, exchange("API server main", "Keycloak", "GET /keys", 200, None)),
            timed(5, 10, exchange("alice", "API server main", "list", 200, None)),
            timed(7, 2, exchange("API server main", "webhook", "review", 200, Some("denied"))),
            timed(8, 2, exchange("webhook", "elsewhere", "ask", 200, None)),
            timed(30, 1, exchange("API server main", "webhook", "review", 200, None)),
        ];
        let mut exchanges = exchanges.to_vec();
        exchanges[0].earlier_ms = Some(100);
        let drawn = Sequence::of(&exchanges);
        let (asked, answered) = (Arrow::Request, Arrow::Response);
        let expected = [
            asked(0),
            answered(0),
            asked(1),
            asked(2),
            asked(3),
            answered(3),
            answered(2),
            answered(1),
            asked(4),
            answered(4),
        ];
        assert_eq!(drawn.arrows, expected);
        let text = drawn.to_string();
        assert!(text.contains("─ earlier: GET /keys ─") && text.contains("─ 200 denied ─"), "{text}");
    }
}
