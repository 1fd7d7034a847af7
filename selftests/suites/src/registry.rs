//! All cases, in the order of reports.

use bpf_case::Suite;

use crate::{Case, callx, claims, dispatch, gotox, isa, maps, programs, stack};

/// All suites, sorted. Inside a suite cases keep the order of its files, which goes from simple to
/// hard.
pub const SUITES: [Suite; 8] = [
    ("callx", callx::cases),
    ("claims", claims::cases),
    ("dispatch", dispatch::cases),
    ("gotox", gotox::cases),
    ("isa", isa::cases),
    ("maps", maps::cases),
    ("programs", programs::cases),
    ("stack", stack::cases),
];

/// All cases of all suites.
pub fn all() -> Vec<Case> {
    SUITES.into_iter().flat_map(|(_, cases)| cases()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{SUITES, all};
    use crate::Expect;

    #[test]
    fn names_are_unique_and_well_formed() {
        let mut seen = BTreeSet::new();
        for case in all() {
            let (suite, rest) = case.name.split_once('/').expect("name has a suite");
            assert!(
                [suite, rest].iter().all(|part| !part.is_empty()
                    && part
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')),
                "{} is not suite/case in lower case and underscores",
                case.name
            );
            assert!(seen.insert(case.name.clone()), "{} twice", case.name);
        }
    }

    #[test]
    fn cases_are_named_after_their_suite() {
        for (suite, cases) in SUITES {
            for case in cases() {
                assert!(case.name.starts_with(&format!("{suite}/")), "{} in {suite}", case.name);
            }
        }
    }

    #[test]
    fn suites_are_sorted() {
        let suites: Vec<String> = all()
            .iter()
            .map(|case| case.name.split('/').next().unwrap_or_default().to_owned())
            .collect();
        assert!(suites.is_sorted());
    }

    #[test]
    fn every_case_says_what_it_shows_and_what_it_expects() {
        for case in all() {
            assert!(!case.about.is_empty(), "{}: about", case.name);
            assert!(!case.about.contains('\n'), "{}: about is one line", case.name);
            // These suites test what every kernel supports, and need nothing.
            let general =
                ["claims/", "isa/", "maps/"].iter().any(|suite| case.name.starts_with(suite));
            let either = case.name.starts_with("stack/");
            assert!(either || case.needs.is_empty() == general, "{}: needs", case.name);
            match &case.expect {
                Expect::Accepted(runs) => assert!(!runs.is_empty(), "{}: no run", case.name),
                Expect::Rejected(rejection) => {
                    assert!(rejection.errno > 0, "{}: errno", case.name);
                }
            }
        }
    }
}
