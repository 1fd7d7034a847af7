//! Tests of what is written for people: the pages at the top of the repository and those under docs/.

use std::fs;
use std::path::PathBuf;

use clap::Parser;
use regex::Regex;

use crate::cli::Cli;
use harness_host::paths;

/// The pages with their text.
fn pages() -> Vec<(PathBuf, String)> {
    let top = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"];
    let mut pages = top.map(|page| paths::repository().join(page)).to_vec();
    let docs = fs::read_dir(paths::repository().join("docs")).unwrap();
    pages.extend(docs.map(|entry| entry.unwrap().path()));
    pages.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let link = Regex::new(r"\]\(([^)]+)\)").unwrap();
    let mut links = 0;
    for (page, text) in pages() {
        for target in link.captures_iter(&text).map(|found| found[1].to_owned()) {
            let (file, part) = target.split_once('#').unwrap_or((&target, ""));
            let path = match file {
                "" => page.clone(),
                file => page.parent().unwrap().join(file),
            };
            assert!(path.exists(), "{}: {target}", page.display());
            if !part.is_empty() {
                let text = fs::read_to_string(&path).unwrap().to_lowercase().replace(' ', "-");
                assert!(text.contains(&format!("#-{part}\n")), "{}: {target}", page.display());
            }
            links += 1;
        }
    }
    assert!(links > 10, "only {links} links");
}

/// The files and folders that the pages for contributors name are there.
#[test]
fn every_place_exists() {
    let place =
        Regex::new(r"`((?:selftests|xtask|kernel-patches|images|ci|fuzz|docs)(?:/[\w.-]+)+)`")
            .unwrap();
    let mut places = 0;
    for page in ["ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = fs::read_to_string(paths::repository().join(page)).unwrap();
        for found in place.captures_iter(&text) {
            assert!(paths::repository().join(&found[1]).exists(), "{page}: {}", &found[1]);
            places += 1;
        }
    }
    assert!(places > 30, "only {places} places");
}

/// Every command in a page's code blocks is one that this program takes.
#[test]
fn every_command_is_understood() {
    let mut commands = 0;
    for (page, text) in pages() {
        for line in text.lines() {
            let Some(command) = line.trim_start_matches("$ ").strip_prefix("cargo xtask ") else {
                continue;
            };
            let words = words(command);
            let parsed = Cli::try_parse_from(["xtask".to_owned()].into_iter().chain(words));
            assert!(parsed.is_ok(), "{}: {line}\n{}", page.display(), parsed.unwrap_err());
            commands += 1;
        }
    }
    assert!(commands > 10, "only {commands} commands");
}

/// The words of a command up to its comment; one in single quotes may have blanks.
fn words(command: &str) -> Vec<String> {
    let command = command.split(" #").next().unwrap_or_default().split("  ").next();
    let word = Regex::new(r"'([^']*)'|(\S+)").unwrap();
    let found = word.captures_iter(command.unwrap_or_default());
    found.map(|it| it.get(1).or(it.get(2)).unwrap().as_str().to_owned()).collect()
}
