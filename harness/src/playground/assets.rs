//! The page's files, compiled in. The function is [`file`].

/// The theme of reports and the rules of their diagrams, so that both look alike, and the page's own rules.
const STYLE: &str = concat!(
    include_str!("../report/html/theme.css"),
    include_str!("page/style.css"),
    include_str!("../report/html/sequence.css")
);

/// Returns the kind and the content of the file `name` of the page.
pub(super) fn file(name: &str) -> Option<(&'static str, &'static str)> {
    Some(match name {
        "" => ("text/html; charset=utf-8", include_str!("page/index.html")),
        "editor.js" => ("text/javascript; charset=utf-8", include_str!("page/editor.js")),
        "people.js" => ("text/javascript; charset=utf-8", include_str!("page/people.js")),
        "requests.js" => ("text/javascript; charset=utf-8", include_str!("page/requests.js")),
        "result.js" => ("text/javascript; charset=utf-8", include_str!("page/result.js")),
        "app.js" => ("text/javascript; charset=utf-8", include_str!("page/app.js")),
        "style.css" => ("text/css; charset=utf-8", STYLE),
        _ => return None,
    })
}
