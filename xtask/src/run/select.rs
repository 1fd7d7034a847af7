//! Which cases a command is about.

use bpf_suites::Case;
use regex::RegexSet;

use crate::exit::Stop;

/// Keeps the cases whose name matches any of the filters; without filters, all.
///
/// # Errors
///
/// [`Stop::Usage`] when a filter is not a regular expression or when nothing matches.
pub(crate) fn select(cases: Vec<Case>, filters: &[String]) -> Result<Vec<Case>, Stop> {
    if filters.is_empty() {
        return Ok(cases);
    }
    let set = RegexSet::new(filters)
        .map_err(|error| Stop::Usage(format!("a filter is not a regular expression: {error}")))?;
    let selected: Vec<Case> = cases.into_iter().filter(|case| set.is_match(&case.name)).collect();
    if selected.is_empty() {
        let filters = filters.join(" ");
        return Err(Stop::Usage(format!(
            "no case matches {filters}; `cargo xtask test --list` lists them all"
        )));
    }
    Ok(selected)
}

#[cfg(test)]
mod tests {
    use bpf_suites::builder::accepts;

    use super::*;

    fn cases() -> Vec<Case> {
        ["a/one", "a/two", "b/one"]
            .map(|name| accepts(name, "x", "exit").run(vec![], 0).into())
            .into()
    }

    fn names(filters: &[&str]) -> Vec<String> {
        let filters: Vec<String> = filters.iter().map(|filter| (*filter).to_owned()).collect();
        select(cases(), &filters).unwrap().into_iter().map(|case| case.name).collect()
    }

    #[test]
    fn without_filters_every_case_is_selected() {
        assert_eq!(names(&[]).len(), 3);
    }

    #[test]
    fn a_case_is_selected_by_any_filter_and_once() {
        assert_eq!(names(&["one", "^a/"]), ["a/one", "a/two", "b/one"]);
        assert_eq!(names(&["^a/one$"]), ["a/one"]);
    }

    #[test]
    fn a_filter_that_matches_nothing_is_wrong_usage() {
        let error = select(cases(), &["nothing".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("--list"), "{error}");
        assert!(matches!(error, Stop::Usage(_)));
        assert!(matches!(select(cases(), &["(".to_owned()]), Err(Stop::Usage(_))));
    }
}
