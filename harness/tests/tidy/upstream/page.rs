//! docs/reference/upstream.md: a table of counts, and the rows of each folder and version.

use std::fmt::Write as _;

use super::{Answer, Note, Upstream, known};
use crate::behaviours::cell;
use crate::fixtures::{ledger, proved};
use crate::generated::Generated;

/// The tables.
const TABLES: Generated = Generated {
    page: "docs/reference/upstream.md",
    begin: "<!-- Tests and release notes: UPDATE=1 cargo test --test tidy upstream -->\n",
    end: "<!-- (to here) -->\n",
    rule: "docs/reference/upstream.md is made between the marks by `UPDATE=1 cargo test --test tidy upstream`",
};

/// The beginning of a reason that is a candidate for a scenario.
const NOT_YET: &str = "not proved yet: ";

/// Returns the place that a file is below.
pub(super) fn place_of<'a>(file: &str, places: &'a [String]) -> Option<&'a String> {
    let is_below = |place: &&String| {
        file.strip_prefix(place.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    places.iter().find(is_below)
}

/// The numbers of answers of each kind.
#[derive(Default)]
struct Counts {
    shown: usize,
    in_part: usize,
    not_yet: usize,
    otherwise: usize,
}

impl Counts {
    /// Counts one answer; an id that no ordinary run proves is shown in part at most.
    fn add(&mut self, answer: &Answer, page: &Page) {
        *match answer {
            Answer::Shown(ids, None) if ids.iter().all(|id| page.is_proved(id)) => &mut self.shown,
            Answer::Shown(ids, _) if ids.iter().any(|id| page.is_proved(id)) => &mut self.in_part,
            Answer::Shown(..) => &mut self.not_yet,
            Answer::Not(reason) if reason.starts_with(NOT_YET) => &mut self.not_yet,
            Answer::Not(_) | Answer::Cases(_) => &mut self.otherwise,
        } += 1;
    }

    /// Counts the answers of several tests or notes.
    fn of<'a>(answers: impl Iterator<Item = &'a Answer>, page: &Page) -> Self {
        let mut counts = Self::default();
        for answer in answers.flat_map(Answer::each) {
            counts.add(answer, page);
        }
        counts
    }

    fn row(&self, title: &str) -> String {
        let Self {
            shown,
            in_part,
            not_yet,
            otherwise,
        } = self;
        let all = shown + in_part + not_yet + otherwise;
        format!("| {title} | {shown} | {in_part} | {not_yet} | {otherwise} | {all} |\n")
    }
}

/// The page's sources.
struct Page {
    upstream: &'static Upstream,
    proved: std::collections::BTreeSet<String>,
    ledger: Vec<String>,
}

impl Page {
    fn is_proved(&self, id: &str) -> bool {
        self.proved.contains(id) && !self.ledger.iter().any(|listed| listed == id)
    }

    /// Returns the two last cells of a row.
    fn answer(&self, answer: &Answer) -> String {
        match answer {
            Answer::Shown(ids, except) => {
                let link = |id: &String| {
                    let mark = if self.is_proved(id) { "" } else { "\\*" };
                    format!("[{id}](../../BEHAVIOURS.md#{}){mark}", id.to_lowercase())
                };
                let links: Vec<String> = ids.iter().map(link).collect();
                let except = except.as_ref().map(|except| format!("except: {}", cell(except)));
                format!("{} | {}", links.join(", "), except.unwrap_or_default())
            }
            Answer::Not(reason) => match reason.strip_prefix(NOT_YET) {
                Some(reason) => format!("| **not proved yet:** {}", cell(reason)),
                None => format!("| {}", cell(reason)),
            },
            Answer::Cases(cases) if cases.len() == 1 => "| 1 case:".to_owned(),
            Answer::Cases(cases) => format!("| {} cases:", cases.len()),
        }
    }

    /// Returns the table of a folder's tests, file by file.
    fn place(&self, place: &str) -> String {
        let mut text = format!("\n## {place}\n");
        let mut file = "";
        for test in &self.upstream.tests {
            if place_of(&test.file, &self.upstream.places).is_none_or(|of| of != place) {
                continue;
            }
            if test.file != file {
                file = &test.file;
                let name = file.rsplit('/').next().unwrap_or(file);
                let tag = &self.upstream.kubernetes;
                let url = format!("https://github.com/kubernetes/kubernetes/blob/v{tag}/test/integration/{file}");
                let _ = write!(
                    text,
                    "\n[`{name}`]({url})\n\n| Test | Shown by | Not shown, or why not |\n|---|---|---|\n"
                );
            }
            let _ = writeln!(text, "| `{}` | {} |", test.name, self.answer(&test.answer));
            if let Answer::Cases(cases) = &test.answer {
                for case in cases {
                    let _ = writeln!(text, "| – `{}` | {} |", case.name, self.answer(&case.answer));
                }
            }
        }
        text
    }

    /// Returns the table of one minor version's release notes.
    fn notes(&self, minor: &str, notes: &[&Note]) -> String {
        let mut text = format!("\n### Kubernetes {minor}\n\n| Note | Shown by | Not shown, or why not |\n|---|---|---|\n");
        for note in notes {
            let url = format!("https://github.com/kubernetes/kubernetes/pull/{}", note.pull);
            let (says, answer) = (cell(&note.says), self.answer(&note.answer));
            let _ = writeln!(text, "| {says} ([#{}]({url})) | {answer} |", note.pull);
        }
        text
    }

    fn text(&self) -> String {
        let Upstream {
            kubernetes,
            places,
            tests,
            notes,
            ..
        } = self.upstream;
        let mut counts = String::from("| | Shown | In part | Not proved yet | Not about it | All |\n|---|---|---|---|---|---|\n");
        let mut sections = String::new();
        for place in places {
            let own = tests.iter().filter(|test| place_of(&test.file, places) == Some(place));
            let own = Counts::of(own.map(|test| &test.answer), self);
            counts.push_str(&own.row(&format!("[{place}](#{})", place.replace(['/', '.'], ""))));
            sections.push_str(&self.place(place));
        }
        counts.push_str(&Counts::of(tests.iter().map(|test| &test.answer), self).row(&format!("**Tests of {kubernetes}**")));
        counts.push_str(&Counts::of(notes.iter().map(|note| &note.answer), self).row("[**Release notes**](#release-notes)"));
        sections.push_str("\n## Release notes\n");
        let minor = |note: &Note| note.version.rsplit_once('.').map_or("", |(minor, _)| minor).to_owned();
        let mut rest: Vec<&Note> = notes.iter().collect();
        while let Some(first) = rest.first() {
            let of = minor(first);
            let (own, others): (Vec<&Note>, Vec<&Note>) = rest.into_iter().partition(|note| minor(note) == of);
            sections.push_str(&self.notes(&of, &own));
            rest = others;
        }
        format!("{counts}{sections}")
    }
}

#[test]
fn the_page_about_upstream_says_what_the_data_says() {
    let page = Page {
        upstream: known(),
        proved: proved(),
        ledger: ledger(),
    };
    TABLES.check(&page.text());
}

#[test]
fn a_file_is_below_the_place_with_its_whole_name() {
    let places = ["auth".to_owned(), "client/exec_test.go".to_owned()];
    assert_eq!(place_of("auth/node_test.go", &places), Some(&places[0]));
    assert_eq!(place_of("client/exec_test.go", &places), Some(&places[1]));
    assert_eq!(place_of("authutil/a_test.go", &places), None);
}
