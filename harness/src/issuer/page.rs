//! The pages of a login: forms without scripts. The main functions are [`login`] and [`device`].

use hyper::StatusCode;
use maud::{Markup, html};

use super::http::Reply;
use super::parameters::Parameters;
use crate::listener::answer;

/// Fields that a login page sets itself.
const ENTERED: [&str; 4] = ["username", "claims", "password", "user_code"];

/// Returns the page that asks for the user of a login, and sends all of `parameters` once more.
pub(super) fn login(people: &[String], issuer: &str, parameters: &Parameters) -> Reply {
    let client = parameters.text("client_id").ok().flatten().unwrap_or_default();
    let hint = parameters.text("login_hint").ok().flatten();
    let form = html! {
        p { "The program " strong { (client) } " asks for a login at the issuer " strong { (issuer) } ". This is for tests: any user is accepted." }
        form method="post" {
            @for (name, value) in parameters.texts().filter(|(name, _)| !ENTERED.contains(name)) {
                input type="hidden" name=(name) value=(value);
            }
            (fields(people, hint.as_deref()))
            p { button type="submit" { "Log in" } }
        }
    };
    answer::page(StatusCode::OK, "Log in", &form)
}

/// Returns the page on which a device's code is entered.
pub(super) fn device(people: &[String], code: Option<&str>) -> Reply {
    let form = html! {
        form method="post" {
            p { label { "Code of the device " input name="user_code" required value=(code.unwrap_or_default()); } }
            (fields(people, None))
            p {
                button type="submit" name="decision" value="allow" { "Log the device in" }
                " "
                button type="submit" name="decision" value="deny" { "Refuse" }
            }
        }
    };
    answer::page(StatusCode::OK, "Log a device in", &form)
}

/// Returns a page that only says something.
pub(super) fn message(status: StatusCode, title: &str, text: &str) -> Reply {
    answer::page(status, title, &html! { p { (text) } })
}

fn fields(people: &[String], hint: Option<&str>) -> Markup {
    let user = hint.or(people.first().map(String::as_str)).unwrap_or("alice");
    html! {
        p { label { "User " input name="username" required value=(user) list="people"; } }
        datalist id="people" { @for person in people { option value=(person) {} } }
        p { label { "Claims over those of the user (JSON) " br; textarea name="claims" rows="6" cols="48" placeholder="{ \"groups\": [\"team-a\"] }" {} } }
    }
}
