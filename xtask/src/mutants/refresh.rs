//! `mutate --check` and `--refresh`: mutants follow the series.

use std::path::Path;

use anyhow::Result;

use super::mutant::{self, Mutant};
use harness_host::files::write_whole;
use harness_kernel::series::Series;
use harness_kernel::tree::Tree;

/// What keeps mutants from applying to the series, a line or more for each that does not.
///
/// # Errors
///
/// When the series itself does not apply, or git fails.
pub(crate) fn objections(
    tree: &Tree,
    base: &str,
    series: &Series,
    mutants: &[Mutant],
) -> Result<Vec<String>> {
    tree.apply(base, series)?;
    let mut objections = Vec::new();
    for mutant in mutants {
        if let Err(error) = tree.apply(base, &mutant.on(series)) {
            let error = error.downcast::<harness_kernel::patch::DoesNotApply>()?;
            objections.push(error.to_string());
        }
    }
    Ok(objections)
}

/// What became of the files of mutants.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Refreshed {
    /// Names of those that were written anew.
    pub(crate) written: Vec<String>,
    /// Names of those that have to be written by hand, with the reason.
    pub(crate) left: Vec<(String, &'static str)>,
}

/// Writes the diffs in `folder` anew as ones against the series, each with its header unchanged.
///
/// # Errors
///
/// When the series itself does not apply, git fails, or a file cannot be written.
pub(crate) fn refresh(
    tree: &Tree,
    base: &str,
    series: &Series,
    mutants: &[Mutant],
    folder: &Path,
) -> Result<Refreshed> {
    let commit = tree.apply(base, series)?;
    let mut refreshed = Refreshed::default();
    for mutant in mutants {
        match tree.renew(&commit, &mutant.diff)? {
            None => refreshed.left.push((mutant.name.clone(), "its hunks do not fit any more")),
            Some(new) if new.is_empty() => {
                refreshed.left.push((mutant.name.clone(), "the series has its change already"));
            }
            Some(new) if new == mutant.diff => {}
            Some(new) => {
                let text = format!("{}{new}", mutant.header);
                write_whole(&mutant::file(folder, &mutant.name), text.as_bytes())?;
                refreshed.written.push(mutant.name.clone());
            }
        }
    }
    Ok(refreshed)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use harness_kernel::testing::{diff, series_of};

    const OLD: &str = "one\ntwo\nthree\n";

    fn tree(home: &Path) -> (Tree, String) {
        Tree::of_base(home, |dir| {
            fs::create_dir_all(dir.join("kernel"))?;
            fs::write(dir.join("kernel/a.c"), OLD)?;
            Ok(())
        })
        .unwrap()
    }

    fn mutant(name: &str, new: &str) -> Mutant {
        let text = format!("Fault: x\nAttacks: p\n\nWhy.\n\n{}", diff("kernel/a.c", OLD, new));
        Mutant::parse(name, &text).unwrap()
    }

    #[test]
    fn mutants_that_do_not_apply_are_all_named_with_their_hunks() {
        let home = tempfile::tempdir().unwrap();
        let (tree, base) = tree(home.path());
        let mutants = [mutant("one", "ONE\ntwo\nthree\n"), mutant("two", "one\nTWO\nthree\n")];
        let none = objections(&tree, &base, &Series::default(), &mutants).unwrap();
        assert!(none.is_empty(), "{none:?}");
        let series = series_of(&[("p", &diff("kernel/a.c", OLD, "one\nzwei\nthree\n"))]);
        let both = objections(&tree, &base, &series, &mutants).unwrap();
        assert_eq!(both.len(), 2);
        assert!(both[1].starts_with("patch mutant two does not apply"), "{both:?}");
        assert!(both[1].contains("kernel/a.c: hunk 1: @@ -1,3"), "{both:?}");
    }

    #[test]
    fn a_refreshed_mutant_applies_and_keeps_its_header() {
        let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (tree, base) = tree(home.path());
        let mutants = [mutant("fits", "one\ntwo\nTHREE\n"), mutant("hit", "uno\ntwo\nthree\n")];
        let series = series_of(&[("p", &diff("kernel/a.c", OLD, "ONE\ntwo\nthree\n"))]);
        // Merging needs the file that the mutant was made against.
        tree.apply(&base, &Series::default()).unwrap();
        let with_index: Vec<Mutant> = mutants
            .iter()
            .map(|old| Mutant {
                diff: tree.renew(&base, &old.diff).unwrap().unwrap(),
                ..old.clone()
            })
            .collect();
        let refreshed = refresh(&tree, &base, &series, &with_index, folder.path()).unwrap();
        assert_eq!(refreshed.written, ["fits"]);
        assert_eq!(refreshed.left, [("hit".to_owned(), "its hunks do not fit any more")]);
        let written = mutant::load(folder.path()).unwrap();
        assert_eq!(written[0].header, mutants[0].header);
        assert!(objections(&tree, &base, &series, &written).unwrap().is_empty());
        let again = refresh(&tree, &base, &series, &written, folder.path()).unwrap();
        assert_eq!(again, Refreshed::default());
    }
}
