//! A mutant's file, `kernel-patches/mutants/<series>/<name>.patch`: a header that tells the fault,
//! and a diff against the kernel with the whole series.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use regex::RegexSet;
use thiserror::Error;

use harness_host::exit::Stop;
use harness_host::paths;
use harness_kernel::series::{Patch, Series, patch_files};

/// The keys of a header.
const FAULT: &str = "Fault";
const ATTACKS: &str = "Attacks";
const CASES: &str = "Cases";
const CONFIG: &str = "Config";
const JUDGE: &str = "Judge";
const KEYS: [&str; 5] = [FAULT, ATTACKS, CASES, CONFIG, JUDGE];
/// What is attacked by a fault in code that the series does not change.
const MAINLINE: &str = "mainline";
/// The one judge that a header may name.
const CONTAINMENT: &str = "containment";

/// A deliberate fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mutant {
    /// The file's name without `.patch`.
    pub(crate) name: String,
    /// What is wrong with this kernel, one sentence.
    pub(crate) fault: String,
    /// Subject of the patch of the series that it attacks.
    pub(crate) attacks: String,
    /// Filters of the cases that are expected to notice; they run first.
    pub(crate) cases: Vec<String>,
    /// Configs beside `base` without which the fault does not show.
    pub(crate) config: Vec<String>,
    /// Whether containment alone has to notice.
    pub(crate) contain: bool,
    /// All before the diff, with its last line end.
    pub(crate) header: String,
    /// The diff, from `diff --git` on.
    pub(crate) diff: String,
}

/// What is wrong with a mutant's header.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("mutant {mutant}: {problem}; kernel-patches/mutants/README.md tells the format")]
pub(crate) struct BadHeader {
    mutant: String,
    problem: Problem,
}

#[derive(Debug, Error, PartialEq, Eq)]
enum Problem {
    #[error("its name has other characters than small letters, digits and hyphens")]
    Name,
    #[error("no line `{0}: …`")]
    Missing(&'static str),
    #[error("`{0}:` stands there twice")]
    Twice(&'static str),
    #[error("header line {number} is neither `key: value` nor continues one: {line:?}")]
    Line { number: usize, line: String },
    #[error(
        "header line {number}: no such key {key:?}; there are Fault, Attacks, Cases, Config, Judge"
    )]
    Key { number: usize, key: String },
    #[error("no line starts with `diff --git`")]
    NoDiff,
    #[error("it attacks {0:?}, and no patch of the series has this subject")]
    Attacks(String),
    #[error("Cases: {0}")]
    Cases(String),
    #[error("Judge: there is none of the name {0:?}, but containment")]
    Judge(String),
    #[error("Config: images/kernel has neither {0}.config nor {0}.toml")]
    Config(String),
}

impl Mutant {
    /// Reads a mutant from the text of its file.
    ///
    /// # Errors
    ///
    /// [`BadHeader`].
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, BadHeader> {
        Self::read(name, text).map_err(|problem| BadHeader { mutant: name.to_owned(), problem })
    }

    fn read(name: &str, text: &str) -> Result<Self, Problem> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || !name.chars().all(fits) {
            return Err(Problem::Name);
        }
        let start = if text.starts_with("diff --git ") {
            0
        } else {
            text.find("\ndiff --git ").ok_or(Problem::NoDiff)? + 1
        };
        let (header, diff) = text.split_at(start);
        let mut values: [Option<String>; KEYS.len()] = Default::default();
        let mut last = None;
        // What follows the first empty line is for people.
        for (at, line) in header.lines().take_while(|line| !line.is_empty()).enumerate() {
            let number = at + 1;
            if line.starts_with([' ', '\t'])
                && let Some(value) = last.and_then(|key: usize| values[key].as_mut())
            {
                value.push(' ');
                value.push_str(line.trim());
                continue;
            }
            let (key, value) = line
                .split_once(": ")
                .ok_or_else(|| Problem::Line { number, line: line.to_owned() })?;
            let index = KEYS
                .iter()
                .position(|known| *known == key)
                .ok_or_else(|| Problem::Key { number, key: key.to_owned() })?;
            if values[index].replace(value.trim().to_owned()).is_some() {
                return Err(Problem::Twice(KEYS[index]));
            }
            last = Some(index);
        }
        let [fault, attacks, cases, config, judge] = values;
        let contain = match judge.as_deref() {
            None => false,
            Some(CONTAINMENT) => true,
            Some(other) => return Err(Problem::Judge(other.to_owned())),
        };
        let words = |value: Option<String>| -> Vec<String> {
            value.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
        };
        let stated = |value: Option<String>, key| {
            value.filter(|value| !value.is_empty()).ok_or(Problem::Missing(key))
        };
        Ok(Self {
            name: name.to_owned(),
            fault: stated(fault, FAULT)?,
            attacks: stated(attacks, ATTACKS)?,
            cases: words(cases),
            config: words(config),
            contain,
            header: header.to_owned(),
            diff: diff.to_owned(),
        })
    }

    /// Checks what the header refers to: the patch, the cases, the configs in the folder `fragments`.
    ///
    /// # Errors
    ///
    /// [`BadHeader`].
    pub(crate) fn check(
        &self,
        series: &Series,
        cases: &[&str],
        fragments: &Path,
    ) -> Result<(), BadHeader> {
        let bad = |problem| Err(BadHeader { mutant: self.name.clone(), problem });
        let known = |attacks| series.patches.iter().any(|patch| patch.subject() == attacks);
        if self.attacks != MAINLINE && !known(self.attacks.as_str()) {
            return bad(Problem::Attacks(self.attacks.clone()));
        }
        for filter in &self.cases {
            match RegexSet::new([filter]) {
                Err(error) => return bad(Problem::Cases(error.to_string())),
                Ok(set) if !cases.iter().any(|case| set.is_match(case)) => {
                    return bad(Problem::Cases(format!("no case matches {filter}")));
                }
                Ok(_) => {}
            }
        }
        for name in &self.config {
            let known = |extension| fragments.join(name).with_extension(extension).is_file();
            if !known("config") && !known("toml") {
                return bad(Problem::Config(name.clone()));
            }
        }
        Ok(())
    }

    /// The fault as a patch on top of the series. The header is not part of it: words change no
    /// kernel.
    pub(crate) fn patch(&self) -> Patch {
        let content = format!(
            "From: bpf-indirect <bpf-indirect@localhost>\nDate: Thu, 1 Jan 1970 00:00:00 +0000\n\
             Subject: mutant {}\n\n---\n{}",
            self.name, self.diff
        );
        Patch { name: format!("mutant {}", self.name), content: content.into_bytes() }
    }

    /// The series with the fault on top.
    pub(crate) fn on(&self, series: &Series) -> Series {
        let mut mutated = series.clone();
        mutated.patches.push(self.patch());
        mutated
    }
}

/// The folder with the mutants of the series `series`: `7.3`.
pub(crate) fn folder(series: &str) -> PathBuf {
    paths::repository().join("kernel-patches/mutants").join(series)
}

/// The file of the mutant `name` in `folder`.
pub(crate) fn file(folder: &Path, name: &str) -> PathBuf {
    folder.join(name).with_extension("patch")
}

/// All mutants of a folder, by name; none when there is no such folder.
///
/// # Errors
///
/// When a file cannot be read, or [`BadHeader`] for the first mutant that has one.
pub(crate) fn load(folder: &Path) -> Result<Vec<Mutant>> {
    let mut mutants = Vec::new();
    for path in patch_files(folder)? {
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        mutants.push(Mutant::parse(&name, &text)?);
    }
    Ok(mutants)
}

/// Keeps the mutants whose name, or subject of the attacked patch, matches any of the filters;
/// without filters, all.
///
/// # Errors
///
/// [`Stop::Usage`] when a filter is not a regular expression or when nothing is left.
pub(crate) fn select(mutants: Vec<Mutant>, filters: &[String]) -> Result<Vec<Mutant>, Stop> {
    let set = RegexSet::new(filters)
        .map_err(|error| Stop::Usage(format!("a filter is not a regular expression: {error}")))?;
    let matches = |mutant: &Mutant| {
        filters.is_empty() || set.is_match(&mutant.name) || set.is_match(&mutant.attacks)
    };
    let selected: Vec<Mutant> = mutants.into_iter().filter(matches).collect();
    if selected.is_empty() {
        return Err(Stop::Usage(format!(
            "no mutant matches {}; `cargo xtask mutate --list` lists them all",
            filters.join(" ")
        )));
    }
    Ok(selected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness_kernel::testing::series_of;

    const DIFF: &str = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n";

    fn parse(header: &str) -> Result<Mutant, BadHeader> {
        Mutant::parse("a-fault", &format!("{header}{DIFF}"))
    }

    fn error(header: &str) -> String {
        parse(header).unwrap_err().to_string()
    }

    #[test]
    fn a_header_tells_fault_patch_cases_and_configuration() {
        let mutant = parse(
            "Fault: the interpreter jumps one\n  too far\nAttacks: bpf: Run it\n\
             Cases: gotox/a gotox/b\nConfig: hardened\n\nNote: for people.\n\n",
        )
        .unwrap();
        assert_eq!(mutant.name, "a-fault");
        assert_eq!(mutant.fault, "the interpreter jumps one too far");
        assert_eq!(mutant.attacks, "bpf: Run it");
        assert_eq!(mutant.cases, ["gotox/a", "gotox/b"]);
        assert_eq!(mutant.config, ["hardened"]);
        assert_eq!(mutant.diff, DIFF);
        assert!(mutant.header.ends_with("Note: for people.\n\n"));
        let short = parse("Fault: x\nAttacks: y\n").unwrap();
        assert!(short.cases.is_empty() && short.config.is_empty());
    }

    #[test]
    fn what_is_wrong_with_a_header_is_said() {
        for (header, said) in [
            ("Attacks: y\n", "no line `Fault: …`"),
            ("Fault: \nAttacks: y\n", "no line `Fault: …`"),
            ("Fault: x\n", "no line `Attacks: …`"),
            ("Fault: x\nFault: y\n", "`Fault:` stands there twice"),
            ("Fault: x\nCase: y\n", "header line 2: no such key \"Case\""),
            ("  Fault: x\n", "header line 1: no such key \"  Fault\""),
            ("Fault: x\nodd\n", "header line 2 is neither"),
            ("", "no line `Fault: …`"),
        ] {
            let error = error(header);
            assert!(error.starts_with("mutant a-fault: "), "{error}");
            assert!(error.contains(said), "{error}");
        }
        let no_diff = Mutant::parse("a", "Fault: x\nAttacks: y\n").unwrap_err();
        assert!(no_diff.to_string().contains("`diff --git`"), "{no_diff}");
        for name in ["", "A", "a.b", "../a", "a b"] {
            assert_eq!(Mutant::parse(name, DIFF).unwrap_err().problem, Problem::Name);
        }
    }

    #[test]
    fn what_a_header_refers_to_must_be_there() {
        let fragments = tempfile::tempdir().unwrap();
        fs::write(fragments.path().join("hardened.config"), "").unwrap();
        fs::write(fragments.path().join("its.toml"), "").unwrap();
        let series = series_of(&[("bpf: Run it", DIFF)]);
        let check = |rest: &str| {
            let mutant = parse(&format!("Fault: x\n{rest}")).unwrap();
            mutant.check(&series, &["gotox/a"], fragments.path()).map_err(|error| error.to_string())
        };
        assert_eq!(check("Attacks: bpf: Run it\nCases: gotox/.*\nConfig: hardened its\n"), Ok(()));
        let error = |rest: &str| check(rest).unwrap_err();
        assert!(error("Attacks: bpf: Walk it\n").contains("\"bpf: Walk it\""));
        let attacks = "Attacks: bpf: Run it\n";
        assert!(error(&format!("{attacks}Cases: gotox/a callx\n")).contains("matches callx"));
        assert!(error(&format!("{attacks}Cases: (\n")).contains("Cases: "));
        assert!(error(&format!("{attacks}Config: debug\n")).contains("neither debug.config"));
    }

    #[test]
    fn words_of_the_header_change_no_kernel() {
        let one = parse("Fault: x\nAttacks: y\n").unwrap();
        let two = parse("Fault: z\nAttacks: y\n\nMore.\n").unwrap();
        assert_eq!(one.patch(), two.patch());
        assert_eq!(one.on(&series_of(&[("p", DIFF)])).patches.len(), 2);
    }

    #[test]
    fn mutants_are_selected_by_name_or_attacked_patch() {
        let mutants = || {
            [("one", "bpf: A"), ("two", "bpf: B")]
                .map(|(name, attacks)| {
                    let text = format!("Fault: x\nAttacks: {attacks}\n{DIFF}");
                    Mutant::parse(name, &text).unwrap()
                })
                .into()
        };
        let names = |filters: &[&str]| -> Vec<String> {
            let filters: Vec<String> = filters.iter().map(|filter| (*filter).into()).collect();
            select(mutants(), &filters).unwrap().into_iter().map(|mutant| mutant.name).collect()
        };
        assert_eq!(names(&[]), ["one", "two"]);
        assert_eq!(names(&["bpf: B", "^t"]), ["two"]);
        for wrong in ["three", "("] {
            assert!(matches!(select(mutants(), &[wrong.into()]), Err(Stop::Usage(_))));
        }
    }

    #[test]
    fn a_folder_is_read_by_name_and_may_be_missing() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b", "a"] {
            fs::write(file(dir.path(), name), format!("Fault: x\nAttacks: y\n{DIFF}")).unwrap();
        }
        fs::write(dir.path().join("README.md"), "").unwrap();
        let names: Vec<_> = load(dir.path()).unwrap().into_iter().map(|m| m.name).collect();
        assert_eq!(names, ["a", "b"]);
        assert!(load(&dir.path().join("none")).unwrap().is_empty());
    }
}
