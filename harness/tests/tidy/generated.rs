//! Parts of pages that are made by a test. The main type is [`Generated`].

use crate::{Broken, root, text_of};

/// A part of a page, between two lines.
pub(crate) struct Generated {
    /// The page.
    pub(crate) page: &'static str,
    /// The line before the part.
    pub(crate) begin: &'static str,
    /// The line behind it.
    pub(crate) end: &'static str,
    /// The rule that the page keeps, with the command that makes the part.
    pub(crate) rule: &'static str,
}

impl Generated {
    /// Checks that the part is `made`; with `UPDATE=1` in the environment, writes it.
    pub(crate) fn check(&self, made: &str) {
        let text = text_of(self.page);
        let mut broken = Broken::rule(self.rule);
        let parts = text
            .split_once(self.begin)
            .and_then(|(before, rest)| Some((before, rest.split_once(self.end)?)));
        let Some((before, (there, after))) = parts else {
            broken.by(format!("there are no marks: {}{}", self.begin, self.end));
            return;
        };
        if std::env::var_os("UPDATE").is_some_and(|update| update == "1") {
            std::fs::write(root().join(self.page), format!("{before}{}{made}{}{after}", self.begin, self.end)).unwrap();
        } else {
            broken.unless(there == made, || {
                let differs = there.lines().zip(made.lines()).find(|(there, made)| there != made);
                match differs {
                    Some((there, made)) => format!("{there}\nshould be\n{made}"),
                    None => "it has more lines than it should have, or fewer".to_owned(),
                }
            });
        }
    }
}
