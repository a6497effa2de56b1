//! Everything that installs a release names the archives that `.github/workflows/release.yml` makes, of the version in `Cargo.toml`.

use regex::Regex;
use serde_json::Value;

use crate::{Broken, FILES, text_of};

/// Returns the version of the workspace.
fn version() -> String {
    let manifest: toml::Table = toml::from_str(&text_of("Cargo.toml")).unwrap();
    manifest["workspace"]["package"]["version"].as_str().unwrap().to_owned()
}

/// Returns the targets that a release has archives for.
fn targets() -> Vec<String> {
    let workflow: Value = serde_saphyr::from_str(&text_of(".github/workflows/release.yml")).unwrap();
    let cells = workflow["jobs"]["build"]["strategy"]["matrix"]["include"].as_array().unwrap();
    cells.iter().map(|cell| cell["target"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_package_names_the_archives_of_a_release() {
    let (version, targets) = (version(), targets());
    let mut broken = Broken::rule(
        "binstall, the formula, the Action and GitLab's component look for authlab-vVERSION-TARGET.tar.gz below releases/download/vVERSION, \
         for the targets of .github/workflows/release.yml",
    );
    broken.unless(targets.len() == 4, || format!("release.yml has {targets:?}"));

    let harness: toml::Table = toml::from_str(&text_of("harness/Cargo.toml")).unwrap();
    let binstall = &harness["package"]["metadata"]["binstall"];
    let place = "{ repo }/releases/download/v{ version }/authlab-v{ version }-{ target }.tar.gz";
    broken.unless(binstall["pkg-url"].as_str() == Some(place), || {
        format!("harness/Cargo.toml: {}", binstall["pkg-url"])
    });

    let formula = text_of("packaging/homebrew/authlab.rb");
    for target in &targets {
        let url = format!("releases/download/v#{{version}}/authlab-v#{{version}}-{target}.tar.gz");
        broken.unless(
            formula.contains(&url) && formula.contains(&format!("\"SHA256 of {target}\"")),
            || format!("packaging/homebrew/authlab.rb: {target}"),
        );
    }
    broken.unless(formula.matches("sha256 \"").count() == targets.len(), || {
        "packaging/homebrew/authlab.rb has another target".to_owned()
    });

    let pack = text_of(".github/release/pack");
    broken.unless(pack.contains("name=authlab-v$version-$target\n"), || {
        ".github/release/pack gives other names".to_owned()
    });
    // `v` is part of their version, and the processor is found when they run.
    for (path, name) in [
        ("action.yml", "archive=authlab-$VERSION-$processor-$system"),
        (
            "templates/authlab.yml",
            "name=authlab-$AUTHLAB_COMPONENT_RELEASE-$(uname -m)-unknown-linux-musl",
        ),
    ] {
        broken.unless(text_of(path).contains(name), || format!("{path}: {name}"));
    }
    let action = text_of("action.yml");
    for target in &targets {
        let (processor, system) = target.split_once('-').unwrap();
        broken.unless(
            action.contains(&format!("processor={processor} ")) && action.contains(&format!("system={system} ")),
            || format!("action.yml: {target}"),
        );
    }

    let flake = text_of("flake.nix");
    for target in &targets {
        let (processor, system) = target.split_once('-').unwrap();
        let system = if system.contains("darwin") { "darwin" } else { "linux" };
        broken.unless(flake.contains(&format!("\"{processor}-{system}\"")), || {
            format!("flake.nix: {target}")
        });
    }
    broken.unless(
        flake.contains("builtins.readFile ./Cargo.toml") && flake.contains("inherit (manifest) version;"),
        || "flake.nix does not take the version from Cargo.toml".to_owned(),
    );
    for (path, line) in [
        ("packaging/homebrew/authlab.rb", format!("  version \"{version}\"\n")),
        ("templates/authlab.yml", format!("      default: v{version}\n")),
        (".github/image/Dockerfile", format!("ARG VERSION={version}\n")),
    ] {
        broken.unless(text_of(path).contains(&line), || format!("{path}: {}", line.trim()));
    }
}

#[test]
fn pages_install_the_version_in_the_manifest() {
    let version = version();
    let named =
        Regex::new(r"authlab(?:/authlab)?@(?:v)?(\d+\.\d+\.\d+)|authlab-v(\d+\.\d+\.\d+)-|releases/download/v(\d+\.\d+\.\d+)").unwrap();
    let mut broken = Broken::rule("README.md and docs/ install the release of Cargo.toml's version");
    let mut seen = 0;
    let is_page = |path: &str| path == "README.md" || (path.starts_with("docs/") && path.ends_with(".md"));
    for file in FILES.iter().filter(|file| is_page(&file.path)) {
        for found in named.captures_iter(&file.text) {
            let other = found.iter().skip(1).flatten().next().is_some_and(|named| named.as_str() != version);
            seen += 1;
            broken.unless(!other, || format!("{}: {}", file.path, &found[0]));
        }
    }
    broken.unless(seen > 2, || format!("only {seen} places were found: are they written differently?"));
}
