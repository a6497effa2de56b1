//! The sequence diagram so far, drawn with characters: a line for each party, an arrow for each request and each response.

use super::seen::{Exchange, Party};

/// The distance between the parties' lines.
const WIDTH: usize = 36;

const PARTIES: [Party; 4] = [Party::You, Party::Keycloak, Party::AuthProxy, Party::ApiServer];

impl Party {
    /// The name above the party's line.
    fn name(self) -> &'static str {
        match self {
            Self::You => "you",
            Self::Keycloak => "Keycloak",
            Self::AuthProxy => "auth proxy",
            Self::ApiServer => "API server",
        }
    }
}

/// Returns the parties of `exchanges`, which always include you.
fn parties(exchanges: &[Exchange]) -> Vec<Party> {
    let takes_part = |party: &Party| *party == Party::You || exchanges.iter().any(|one| one.from == *party || one.to == *party);
    PARTIES.into_iter().filter(takes_part).collect()
}

/// Draws the parties' names, above their lines.
fn heading(exchanges: &[Exchange]) -> String {
    let names = parties(exchanges).into_iter().map(|party| format!("{:WIDTH$}", party.name()));
    names.collect::<String>().trim_end().to_owned()
}

/// Draws the whole diagram; empty when no request was made.
#[must_use]
pub fn draw(exchanges: &[Exchange]) -> String {
    if exchanges.is_empty() {
        return String::new();
    }
    let parties = parties(exchanges);
    let mut lines = vec![heading(exchanges)];
    for exchange in exchanges {
        let place = |party: Party| parties.iter().position(|other| *other == party).unwrap_or_default();
        let (from, to) = (place(exchange.from), place(exchange.to));
        lines.push(arrow(parties.len(), from, to, &exchange.asked, false));
        lines.push(arrow(parties.len(), from, to, &exchange.answered, true));
    }
    lines.join("\n")
}

/// Draws an arrow from the line `from` to the line `to`, which is further right; or back.
fn arrow(parties: usize, from: usize, to: usize, text: &str, back: bool) -> String {
    let room = (to - from) * WIDTH - 1;
    let text: String = text.chars().take(room.saturating_sub(6)).collect();
    let (left, right) = if back { ("◀─", "─") } else { ("──", "▶") };
    let body = format!("{left} {text} ");
    let dashes = "─".repeat(room.saturating_sub(body.chars().count() + 1));
    let mut line = String::new();
    for party in 0..parties {
        line.push('│');
        if party == from {
            line.push_str(&body);
            line.push_str(&dashes);
            line.push_str(right);
        } else if (party < from || party >= to) && party + 1 < parties {
            line.push_str(&" ".repeat(WIDTH - 1));
        }
        // The arrow crosses the lines between both ends.
        if party > from && party < to {
            line.pop();
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_go_from_who_asks_to_who_is_asked_and_back() {
        let exchange = |from, to, asked: &str, answered: &str| Exchange {
            from,
            to,
            asked: asked.to_owned(),
            answered: answered.to_owned(),
        };
        let drawn = draw(&[
            exchange(Party::You, Party::Keycloak, "POST token", "200"),
            exchange(Party::You, Party::ApiServer, "list nodes", "200 as da-admin"),
        ]);
        let expected = "\
you                                 Keycloak                            API server
│── POST token ────────────────────▶│                                   │
│◀─ 200 ────────────────────────────│                                   │
│── list nodes ────────────────────────────────────────────────────────▶│
│◀─ 200 as da-admin ────────────────────────────────────────────────────│";
        assert_eq!(drawn, expected);
        assert_eq!(draw(&[]), "");
    }
}
