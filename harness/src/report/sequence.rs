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
    /// The names of the parties: first those that only send requests, then those that do both, then those that only receive them.
    pub(super) parties: Vec<&'a str>,
    /// The requests, in order.
    pub(super) rows: Vec<Row<'a>>,
}

/// A request, and the positions of its sender and its receiver.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) exchange: &'a Exchange,
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
            parties,
        }
    }
}

fn parties(exchanges: &[Exchange]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for name in exchanges.iter().flat_map(|exchange| [&exchange.from, &exchange.to]) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names.sort_by_key(|name| {
        let asks = exchanges.iter().any(|exchange| exchange.from == **name);
        let is_asked = exchanges.iter().any(|exchange| exchange.to == **name);
        match (asks, is_asked) {
            (true, false) => 0,
            (true, true) => 1,
            _ => 2,
        }
    });
    names
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
        for Row { from, to, exchange } in &self.rows {
            let room = from.abs_diff(*to).max(1) * WIDTH - 8;
            let asked = without_beginning(request(exchange), room);
            let answered = match (exchange.status, &exchange.answer) {
                (Some(status), Some(answer)) => format!("{status} {answer}"),
                (Some(status), None) => status.to_string(),
                (None, Some(answer)) => answer.clone(),
                (None, None) => exchange.verdict.words(),
            };
            write!(f, "\n{}", arrow(self.parties.len(), *from, *to, &asked))?;
            write!(f, "\n{}", arrow(self.parties.len(), *to, *from, &shortened(&answered, room)))?;
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
proxy                               you                                 API server
│── GET /apis/authentication.k8s.io/v1/selfsubjectreviews ─────────────▶│
│◀─ 201 as system:serviceaccount:kube-system:robot ─────────────────────│
│◀─ GET …/v1/selfsubjectreviews ────│                                   │
│── 201 ───────────────────────────▶│                                   │
│── GET /callback ─────────────────▶│                                   │
│◀─ 302 ────────────────────────────│                                   │";
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
}
