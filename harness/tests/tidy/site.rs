//! The site of the documentation, which mdBook builds (`book.toml`): `docs/SUMMARY.md`, the list of its pages, is made from
//! `docs/README.md`, and every link in the built site leads somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::links::resolved;
use crate::{Broken, root, text_of};

/// The pages at the end of the list, wherever `docs/README.md` names them.
const ABOUT_THE_PROJECT: &[&str] = &["../features/README.md", "../BEHAVIOURS.md", "../CONTRIBUTING.md", "../CHANGELOG.md"];

/// The repository's files, as the site links to them.
const REPOSITORY: &str = "https://github.com/authlab/authlab/";

/// Returns the first heading of a page of the repository.
fn heading(page: &str) -> String {
    let text = text_of(page);
    let heading = text.lines().find_map(|line| line.strip_prefix("# "));
    heading.unwrap_or_else(|| panic!("{page} has no heading")).to_owned()
}

/// Returns the list of pages: those of `docs/README.md` in its order, below its headings.
fn summary() -> String {
    let link = Regex::new(r"\[([^\]]+)\]\(([^)#\s]+\.md)(?:#[^)]*)?\)").unwrap();
    let index = text_of("docs/README.md");
    let mut summary = "# Summary\n\n<!-- Made from README.md: UPDATE=1 cargo test --test tidy site -->\n\n\
        [authlab](../README.md)\n[Documentation](README.md)\n"
        .to_owned();
    let mut listed = BTreeSet::from(["../README.md".to_owned()]);
    listed.extend(ABOUT_THE_PROJECT.iter().map(|page| (*page).to_owned()));
    let mut part = Some("Begin");
    for line in index.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            part = Some(title);
        }
        for found in link.captures_iter(line).filter(|found| listed.insert(found[2].to_owned())) {
            if let Some(title) = part.take() {
                let _ = write!(summary, "\n# {title}\n\n");
            }
            let is_title = found[1].starts_with(char::is_uppercase) && !found[2].starts_with("../");
            let title = if is_title {
                found[1].to_owned()
            } else {
                heading(&resolved("docs/README.md", &found[2]))
            };
            let _ = writeln!(summary, "- [{title}]({})", &found[2]);
        }
    }
    summary.push_str("\n# Project\n\n");
    for page in ABOUT_THE_PROJECT {
        let _ = writeln!(summary, "- [{}]({page})", heading(&resolved("docs/README.md", page)));
    }
    summary
}

#[test]
fn the_site_has_the_pages_of_the_index_in_its_order() {
    let made = summary();
    if std::env::var_os("UPDATE").is_some_and(|update| update == "1") {
        std::fs::write(root().join("docs/SUMMARY.md"), &made).unwrap();
    }
    let mut broken = Broken::rule("docs/SUMMARY.md lists the pages of docs/README.md: UPDATE=1 cargo test --test tidy site");
    let there = text_of("docs/SUMMARY.md");
    broken.unless(there == made, || {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
        format!(
            "missing or elsewhere: {:?}; too many: {:?}",
            lines(&made).difference(&lines(&there)),
            lines(&there).difference(&lines(&made))
        )
    });
}

/// A page of the built site.
struct Page {
    /// The targets of its links, pictures, scripts and styles.
    targets: Vec<String>,
    anchors: BTreeSet<String>,
}

impl Page {
    fn read(html: &str) -> Self {
        let target = Regex::new(r#"<(?:a|iframe|img|link|script|source)\b[^>]*?\b(?:href|src|srcset)="([^"]+)""#).unwrap();
        let anchor = Regex::new(r#"<[^>]*?\b(?:id|name)="([^"]+)""#).unwrap();
        let all = |pattern: &Regex| -> Vec<String> {
            let found = pattern.captures_iter(html);
            found.map(|found| found[1].replace("&amp;", "&")).collect()
        };
        Self {
            targets: all(&target),
            anchors: all(&anchor).into_iter().collect(),
        }
    }
}

/// Returns every file of the built site, with its path from `folder`.
fn files(site: &Path, folder: &str) -> Vec<String> {
    let place = site.join(folder);
    let entries = std::fs::read_dir(&place).unwrap_or_else(|error| panic!("{}: {error} (build it: .ci/run site)", place.display()));
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.unwrap();
        let path = format!("{folder}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            found.extend(files(site, &format!("{path}/")));
        } else {
            found.push(path);
        }
    }
    found
}

/// Returns the error of a link to the repository, whose file has to be in this checkout.
fn wrong_in_the_repository(target: &str) -> Option<&'static str> {
    let (kind, path) = target.strip_prefix(REPOSITORY)?.split_once("/main/")?;
    let path = root().join(resolved("README.md", path.split('#').next().unwrap_or_default()));
    match kind {
        "tree" if !path.is_dir() => Some("there is no such folder"),
        "blob" | "edit" if !path.is_file() => Some("there is no such file"),
        _ => None,
    }
}

#[test]
#[ignore = "it reads the built site: .ci/run site"]
fn links_of_the_built_site_lead_somewhere() {
    let site = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../site");
    let files: BTreeSet<String> = files(&site, "").into_iter().collect();
    let pages: BTreeMap<&str, Page> = files
        .iter()
        .filter(|file| file.ends_with(".html"))
        .map(|file| (file.as_str(), Page::read(&std::fs::read_to_string(site.join(file)).unwrap())))
        .collect();
    let mut broken = Broken::rule("a link in the site leads to a page and heading of it, or to a file of the repository (site/pages)");
    let mut followed = 0;
    for (name, page) in &pages {
        for target in &page.targets {
            if let Some(why) = wrong_in_the_repository(target) {
                broken.by(format!("{name}: {target}: {why}"));
            }
            if target.contains(':') {
                continue;
            }
            followed += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() {
                (*name).to_owned()
            } else {
                resolved(name, file)
            };
            // A folder is its first page.
            let file = if file.is_empty() { "index.html".to_owned() } else { file };
            let has_anchor = anchor.is_empty() || pages.get(file.as_str()).is_some_and(|page| page.anchors.contains(anchor));
            broken.unless(files.contains(&file), || format!("{name}: {target}: there is no {file}"));
            broken.unless(!files.contains(&file) || has_anchor, || {
                format!("{name}: {target}: {file} has no such heading")
            });
        }
    }
    let listed = Regex::new(r"\]\(").unwrap().find_iter(&text_of("docs/SUMMARY.md")).count();
    broken.unless(pages.len() > listed && followed > 10 * listed, || {
        format!("{} pages with {followed} links are there (listed are {listed})", pages.len())
    });
    let has_index = files.iter().any(|file| file.starts_with("searchindex") && file.ends_with(".js"));
    broken.unless(has_index, || "there is no index for the search".to_owned());
}

#[test]
fn a_built_page_is_read_for_its_links_and_anchors() {
    let page =
        Page::read(r##"<h2 id="why"><a class="header" href="#why">Why</a></h2><img src="a.png" alt="x"><code>href=&quot;b&quot;</code>"##);
    assert_eq!(page.targets, ["#why", "a.png"]);
    assert!(page.anchors.contains("why"));
    assert_eq!(wrong_in_the_repository(&format!("{REPOSITORY}blob/main/README.md")), None);
    assert_eq!(wrong_in_the_repository(&format!("{REPOSITORY}edit/main/docs/../README.md")), None);
    assert!(wrong_in_the_repository(&format!("{REPOSITORY}tree/main/README.md")).is_some());
    assert!(wrong_in_the_repository(&format!("{REPOSITORY}blob/main/nowhere.md")).is_some());
}
