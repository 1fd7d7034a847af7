//! Which cases a command is about.

use bpf_case::{Case, Suite};
use regex::{Regex, RegexSet};

use super::partition::Partition;
use super::test_bpf;
use crate::verifier::suite::Wanted;
use harness_host::exit::Stop;

/// What was selected.
#[derive(Debug)]
pub struct Selected {
    /// Cases, in their order.
    pub cases: Vec<Case>,
    /// Whether the suite [`test_bpf`] is, too.
    pub test_bpf: bool,
    /// What is asked for of the suite [`crate::verifier::suite`], which is run only when a filter names it.
    pub verifier: Option<Wanted>,
}

impl Selected {
    /// Keeps what is in a shard. It may be nothing. The kernel's own suite stands after the cases.
    pub fn keep(&mut self, partition: Partition) {
        self.test_bpf &= partition.has(self.cases.len(), test_bpf::NAME);
        let mut place = 0..;
        self.cases.retain(|case| place.next().is_some_and(|at| partition.has(at, &case.name)));
    }
}

/// The cases that filters could match: those of suites whose name no filter can match are not even made.
pub fn candidates(suites: &[Suite], filters: &[String]) -> Vec<Case> {
    let wanted =
        |suite: &str| filters.is_empty() || filters.iter().any(|filter| could_match(filter, suite));
    suites.iter().filter(|(suite, _)| wanted(suite)).flat_map(|(_, cases)| cases()).collect()
}

/// Whether a filter could match a case of a suite, as far as a name and a slash at its start tell.
fn could_match(filter: &str, suite: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    match filter.trim_start_matches('^').split_once('/') {
        Some((head, rest)) if head.chars().all(plain) => {
            suite.ends_with(head) || rest.starts_with(['?', '*', '{']) || filter.contains('|')
        }
        _ => true,
    }
}

/// Keeps what has a name that any of the filters matches; without filters, all.
///
/// # Errors
///
/// [`Stop::Usage`] when a filter is not a regular expression or when nothing matches.
pub fn select(cases: Vec<Case>, filters: &[String]) -> Result<Selected, Stop> {
    if filters.is_empty() {
        return Ok(Selected { cases, test_bpf: true, verifier: None });
    }
    let set = RegexSet::new(filters)
        .map_err(|error| Stop::Usage(format!("a filter is not a regular expression: {error}")))?;
    let cases: Vec<Case> = cases.into_iter().filter(|case| set.is_match(&case.name)).collect();
    let test_bpf = set.is_match(test_bpf::NAME);
    let verifier = Wanted::new(filters);
    if cases.is_empty() && !test_bpf && verifier.is_none() {
        let filters = filters.join(" ");
        return Err(Stop::Usage(format!(
            "no case matches {filters}; `cargo xtask test --list` lists them all"
        )));
    }
    Ok(Selected { cases, test_bpf, verifier })
}

/// Names that a usage error lists.
const CANDIDATES: usize = 8;

/// The case of this name, or the only one whose name the text matches as a regular expression.
///
/// # Errors
///
/// [`Stop::Usage`] with a few candidates where there is none, or more than one.
pub fn one(suites: &[Suite], text: &str) -> Result<Case, Stop> {
    one_of(candidates(suites, &[text.to_owned()]), text)
}

fn one_of(cases: Vec<Case>, text: &str) -> Result<Case, Stop> {
    let filter = Regex::new(text)
        .map_err(|error| Stop::Usage(format!("{text} is not a regular expression: {error}")))?;
    let mut matching = Vec::new();
    for case in cases {
        if case.name == text {
            return Ok(case);
        }
        if filter.is_match(&case.name) {
            matching.push(case);
        }
    }
    let names: Vec<&str> =
        matching.iter().take(CANDIDATES).map(|case| case.name.as_str()).collect();
    let names = names.join(", ");
    match matching.len() {
        0 => Err(Stop::Usage(format!(
            "no case matches {text}; `cargo xtask test --list` lists them all"
        ))),
        1 => Ok(matching.swap_remove(0)),
        count if count > CANDIDATES => Err(Stop::Usage(format!(
            "{count} cases match {text}, and it has to be one: {names} and others"
        ))),
        count => {
            Err(Stop::Usage(format!("{count} cases match {text}, and it has to be one: {names}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use bpf_case::builder::accepts;

    use super::*;

    fn selected(filters: &[&str]) -> Result<Selected, Stop> {
        let cases = ["a/one", "a/two", "b/one"]
            .map(|name| accepts(name, "x", "exit").run(vec![], 0).into())
            .into();
        let filters: Vec<String> = filters.iter().map(|filter| (*filter).to_owned()).collect();
        select(cases, &filters)
    }

    fn names(filters: &[&str]) -> Vec<String> {
        selected(filters).unwrap().cases.into_iter().map(|case| case.name).collect()
    }

    #[test]
    fn suites_that_no_filter_can_match_are_not_made() {
        for (filter, expected) in [
            ("^callx/one$", true),
            ("callx/", true),
            ("x/one", true),
            ("one", true),
            (".*/one", true),
            ("gotox/a|callx/b", true),
            ("gotox/?", true),
            ("^gotox/one", false),
            ("kernel/verifier", false),
        ] {
            assert_eq!(could_match(filter, "callx"), expected, "{filter}");
        }
    }

    #[test]
    fn without_filters_everything_is_selected() {
        assert_eq!(names(&[]).len(), 3);
        assert!(selected(&[]).unwrap().test_bpf);
    }

    #[test]
    fn a_case_is_selected_by_any_filter_and_once() {
        assert_eq!(names(&["one", "^a/"]), ["a/one", "a/two", "b/one"]);
        assert_eq!(names(&["^a/one$"]), ["a/one"]);
    }

    #[test]
    fn the_kernels_own_suite_is_selected_by_its_name() {
        assert!(!selected(&["one"]).unwrap().test_bpf);
        let alone = selected(&["kernel/test_bpf"]).unwrap();
        assert!(alone.test_bpf && alone.cases.is_empty());
    }

    #[test]
    fn a_shard_is_a_part_of_what_is_selected() {
        let shard = |text: &str| {
            let mut selected = selected(&[]).unwrap();
            selected.keep(text.parse().unwrap());
            let names: Vec<String> = selected.cases.into_iter().map(|case| case.name).collect();
            (names.join(" "), selected.test_bpf)
        };
        assert_eq!(shard("slice:1/3"), ("a/one".to_owned(), true));
        assert_eq!(shard("slice:2/3"), ("a/two".to_owned(), false));
        assert_eq!(shard("slice:2/2"), ("a/two".to_owned(), true));
    }

    #[test]
    fn one_case_is_named_or_alone_matched() {
        let cases = || ["a/one", "a/one_more", "b/two"].map(|name| accepts(name, "x", "exit"));
        let cases = || cases().map(|case| case.run(vec![], 0).into()).into();
        assert_eq!(one_of(cases(), "a/one").unwrap().name, "a/one");
        assert_eq!(one_of(cases(), "two").unwrap().name, "b/two");
        let error = one_of(cases(), "one").unwrap_err().to_string();
        assert!(error.contains("2 cases match one") && error.contains("a/one_more"), "{error}");
        assert!(one_of(cases(), "three").unwrap_err().to_string().contains("--list"));
        assert!(matches!(one_of(cases(), "("), Err(Stop::Usage(_))));
    }

    #[test]
    fn a_filter_that_matches_nothing_is_wrong_usage() {
        let error = selected(&["nothing"]).unwrap_err();
        assert!(error.to_string().contains("--list"), "{error}");
        assert!(matches!(error, Stop::Usage(_)));
        assert!(matches!(selected(&["("]), Err(Stop::Usage(_))));
    }
}
