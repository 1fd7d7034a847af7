//! What was found: told apart by cause, kept in a folder each.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bpf_generate::Sample;
use harness_host::files::write_whole;
use harness_results::record::{FailureClass, Record};

use crate::tally::kind_of;

/// The file with the minimised program and its inputs.
pub const PROGRAM: &str = "program.bpf";

/// Something that is wrong with the kernel, or with who judges it.
#[derive(Clone, Debug)]
pub struct Find {
    /// What finds of one cause have in common.
    pub cause: String,
    /// The mode that shows it, if one does.
    pub mode: &'static str,
    /// One line each.
    pub problems: Vec<String>,
    /// The verifier's log, where it says something.
    pub log: String,
    /// The guest's console.
    pub console: Vec<String>,
    /// Whether the guest died of it.
    pub deadly: bool,
    /// The variant of the program that has another verdict, where that is the find.
    pub other: Option<Box<Sample>>,
}

impl Find {
    /// What is wrong according to a record, if something is.
    pub fn of(record: &Record) -> Option<Self> {
        record.is_bad().then(|| Self {
            cause: cause(record),
            mode: record.mode,
            problems: record.problems.clone(),
            log: record.log.clone(),
            console: record.console.clone(),
            deadly: record.guest.is_some(),
            other: None,
        })
    }

    /// The first problem.
    pub fn title(&self) -> &str {
        self.problems
            .first()
            .and_then(|problem| problem.lines().next())
            .unwrap_or("no reason given")
    }
}

/// What finds of one cause have in common: what is wrong, without numbers and without what depends on
/// the program.
fn cause(record: &Record) -> String {
    let first = record.problems.first().and_then(|problem| problem.lines().next());
    let first = first.unwrap_or_default();
    // Before it stands the instruction, behind it the claim; the path comes last.
    let contained = "not contained in what the verifier printed";
    let text = if first.contains(contained) {
        let what = first.split("; the way there").next().unwrap_or_default();
        let what = what.split(" (line ").next().unwrap_or_default();
        let last = what.rsplit_once("outside of").map_or_else(
            || what.rsplit_once(": ").map_or(what, |(_, last)| last).to_owned(),
            |(_, part)| format!("outside of{}", part.split(['=', '(']).next().unwrap_or_default()),
        );
        format!("not contained: {last}")
    } else if let Some((_, trap)) = first.split_once("the model traps on: ") {
        format!("unsound: {}", after_insn(trap))
    } else if let Some((_, trap)) = first.split_once("the model traps ") {
        format!("unsound: {}", after_insn(trap))
    } else {
        first.to_owned()
    };
    match record.failure {
        // Where a kernel comes to grief says little about what led it there.
        Some(FailureClass::Guest) => {
            let what = text.split(", while running").next().unwrap_or_default();
            let words: Vec<&str> = what.split_whitespace().take(4).collect();
            format!("guest: {} in {}", words.join(" "), record.mode)
        }
        _ => kind_of(&text),
    }
}

/// A trap without the place: `slot 3 \`insn\`: why (registers)`.
fn after_insn(trap: &str) -> &str {
    let why = trap.rsplit_once("`: ").map_or(trap, |(_, why)| why);
    why.split(" (r").next().unwrap_or(why)
}

/// The finds of a campaign.
#[derive(Debug)]
pub struct Finds {
    folder: PathBuf,
    /// How often each cause was found.
    pub causes: BTreeMap<String, u64>,
}

impl Finds {
    /// Keeps finds in this folder.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, causes: BTreeMap::new() }
    }

    /// How many causes there are.
    pub fn count(&self) -> usize {
        self.causes.len()
    }

    /// Counts a find; whether its cause is new.
    pub fn is_new(&mut self, find: &Find) -> bool {
        let count = self.causes.entry(find.cause.clone()).or_default();
        *count += 1;
        *count == 1
    }

    /// Writes a find, over what was written of it before. Gives its folder.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write(&self, find: &Find, sample: &Sample, about: &str) -> Result<PathBuf> {
        let folder = self.folder.join(file_name(&find.cause));
        fs::create_dir_all(&folder)
            .with_context(|| format!("failed to create {}", folder.display()))?;
        write_whole(&folder.join(PROGRAM), sample.to_text().as_bytes())?;
        write_whole(&folder.join("report.txt"), report(find, sample, about).as_bytes())?;
        Ok(folder)
    }

    /// Writes a program that was meant to be accepted, as an example of why it was not.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write_rejected(&self, reason: &str, sample: &Sample) -> Result<()> {
        let folder = self.folder.join("rejected");
        fs::create_dir_all(&folder)
            .with_context(|| format!("failed to create {}", folder.display()))?;
        let path = folder.join(file_name(reason)).with_extension("bpf");
        write_whole(&path, sample.to_text().as_bytes())
    }

    /// Writes the program as it was found.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write_original(&self, folder: &Path, sample: &Sample) -> Result<()> {
        write_whole(&folder.join("original.bpf"), sample.to_text().as_bytes())
    }
}

fn report(find: &Find, sample: &Sample, about: &str) -> String {
    let mut text = format!("{about}\nmode {}\n", find.mode);
    for problem in &find.problems {
        let _ = writeln!(text, "{problem}");
    }
    let _ = writeln!(text, "\n{}", sample.to_text());
    for (what, lines) in [("verifier log", find.log.clone()), ("console", find.console.join("\n"))]
    {
        if !lines.is_empty() {
            let _ = writeln!(text, "{what}:\n{lines}\n");
        }
    }
    text
}

/// A cause as the name of a folder.
fn file_name(cause: &str) -> String {
    let mut name = String::new();
    for c in cause.chars() {
        match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9') => name.push(c),
            _ if name.ends_with('-') || name.is_empty() => {}
            _ => name.push('-'),
        }
    }
    name.truncate(80);
    name.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bpf_wire::Mode;
    use harness_results::record::Verdict;

    fn record(problem: &str) -> Record {
        Record {
            verdict: Verdict::Failed,
            failure: Some(FailureClass::Unsound),
            problems: vec![problem.to_owned()],
            ..Record::new("fuzz/1", Mode::Jit)
        }
    }

    #[test]
    fn finds_of_one_cause_are_one() {
        let claim = |value: &str| {
            record(&format!(
                "unsound: not contained in what the verifier printed: `(bf) r0 = r2` program 0, before \
                 slot 7, frame 0: R2=scalar(smin=1,var_off=(0x1; 0x0)) is {value}, outside of \
                 var_off=(0x1; 0x100000000) (line 38 of the log); the way there: 0 1 2"
            ))
        };
        let mut finds = Finds::new(PathBuf::new());
        let find = Find::of(&claim("0x2")).unwrap();
        assert_eq!(find.cause, "not contained: outside of var_off");
        assert!(finds.is_new(&find));
        assert!(!finds.is_new(&Find::of(&claim("0x77")).unwrap()));
        let trap = "unsound: the kernel accepted program 0, the model traps on context [00]: slot 8 \
                    `(79) r0 = *(u64 *)(r1 +8)`: 8 bytes at offset 8 of map 0, which has 8 (r1=0x2)";
        let find = Find::of(&record(trap)).unwrap();
        // The first eight words.
        assert_eq!(find.cause, "unsound: N bytes at offset N of map");
        assert_eq!(file_name(&find.cause), "unsound-n-bytes-at-offset-n-of-map");
        assert!(Find::of(&Record::new("fuzz/2", Mode::Jit)).is_none());
    }

    #[test]
    fn a_find_is_written_with_its_program() {
        let folder = tempfile::tempdir().unwrap();
        let finds = Finds::new(folder.path().to_owned());
        let sample = Sample { source: "exit\n".into(), ..Sample::default() };
        let find = Find::of(&record("run 0: returned 0x1, the model computes 0x2")).unwrap();
        let at = finds.write(&find, &sample, "seed 1, program 2").unwrap();
        assert_eq!(Sample::parse(&fs::read_to_string(at.join(PROGRAM)).unwrap()), Ok(sample));
        assert!(fs::read_to_string(at.join("report.txt")).unwrap().contains("seed 1, program 2"));
    }
}
