//! Tests of what is written for users: README.md and the pages under docs/.

use std::fs;
use std::path::PathBuf;

use clap::Parser;
use regex::Regex;

use crate::cli::Cli;
use harness_host::paths;

/// The pages with their text.
fn pages() -> Vec<(PathBuf, String)> {
    let mut pages = vec![paths::repository().join("README.md")];
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
