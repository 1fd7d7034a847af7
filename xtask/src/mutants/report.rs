//! What came of the mutants: for people on the terminal, for programs as JSON.

use std::fmt::Write;

use serde::Serialize;

use super::mutant::Mutant;

/// Version of the JSON report's shape; bumped when a field changes its meaning or goes.
pub(crate) const SCHEMA: u32 = 1;
/// Cases that a line for people names.
const SHOWN_KILLERS: usize = 3;

/// Everything that a campaign found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// [`SCHEMA`].
    pub(crate) schema: u32,
    /// Name of the base.
    pub(crate) base: String,
    /// Patches of the series.
    pub(crate) patches: usize,
    /// How the guests were executed: `kvm` or `tcg`.
    pub(crate) accel: String,
    /// Whether every case ran on each mutant, or those up to the first that noticed.
    pub(crate) all: bool,
    /// The mutants in the order in which they were judged.
    pub(crate) mutants: Vec<MutantRecord>,
    /// How they divide.
    pub(crate) counts: Counts,
}

/// One mutant.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct MutantRecord {
    /// The file's name without `.patch`.
    pub(crate) name: String,
    /// What was wrong with the kernel.
    pub(crate) fault: String,
    /// Subject of the patch that it attacks.
    pub(crate) attacks: String,
    /// Configs beside `base`.
    pub(crate) config: Vec<String>,
    /// What came of it.
    pub(crate) outcome: Outcome,
    /// The cases that noticed.
    pub(crate) by: Vec<Killer>,
    /// How many cases were run.
    pub(crate) cases: usize,
    /// Why it could not be judged; how it died where no case was running; else a remark, or empty.
    pub(crate) note: String,
    /// Milliseconds for its build and its cases.
    pub(crate) millis: u64,
}

/// What came of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// A case failed, or the kernel crashed or hung.
    Killed,
    /// Every case held.
    Survived,
    /// It does not apply, does not build, or could not be run: nothing is known.
    Trouble,
}

/// A case that noticed a mutant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Killer {
    /// `suite/case`.
    pub(crate) case: String,
    /// The modes in which it failed.
    pub(crate) modes: Vec<&'static str>,
    /// What it found in the first of them; a crash or splat with its title.
    pub(crate) problem: String,
}

/// How many mutants have each outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// [`Outcome::Killed`].
    pub(crate) killed: usize,
    /// [`Outcome::Survived`].
    pub(crate) survived: usize,
    /// [`Outcome::Trouble`].
    pub(crate) trouble: usize,
}

impl Counts {
    /// Counts records.
    pub(crate) fn of(records: &[MutantRecord]) -> Self {
        let count = |outcome| records.iter().filter(|record| record.outcome == outcome).count();
        Self {
            killed: count(Outcome::Killed),
            survived: count(Outcome::Survived),
            trouble: count(Outcome::Trouble),
        }
    }
}

impl MutantRecord {
    /// A record of a mutant that nothing has noticed yet.
    pub(crate) fn of(mutant: &Mutant) -> Self {
        Self {
            name: mutant.name.clone(),
            fault: mutant.fault.clone(),
            attacks: mutant.attacks.clone(),
            config: mutant.config.clone(),
            outcome: Outcome::Survived,
            by: Vec::new(),
            cases: 0,
            note: String::new(),
            millis: 0,
        }
    }

    /// It could not be judged.
    pub(super) fn trouble(&mut self, reason: anyhow::Error) {
        self.outcome = Outcome::Trouble;
        self.note = format!("{reason:#}");
    }
}

/// A mutant's lines.
pub(crate) fn lines(record: &MutantRecord) -> String {
    let MutantRecord { name, fault, attacks, by, cases, note, .. } = record;
    let mut text = match record.outcome {
        Outcome::Killed => format!("killed    {name}\n"),
        Outcome::Survived => format!(
            "SURVIVED  {name}\n          {fault}\n          attacks \"{attacks}\"; all {cases} \
             cases held\n"
        ),
        Outcome::Trouble => format!("TROUBLE   {name}\n"),
    };
    for Killer { case, modes, problem } in by.iter().take(SHOWN_KILLERS) {
        let _ = writeln!(text, "          {case} ({}): {problem}", modes.join(", "));
    }
    if by.len() > SHOWN_KILLERS {
        let _ = writeln!(text, "          and {} more cases", by.len() - SHOWN_KILLERS);
    }
    if !note.is_empty() {
        let _ = writeln!(text, "          {}", note.replace('\n', "\n          "));
    }
    text
}

/// The closing line.
pub(crate) fn summary(counts: Counts, seconds: f64) -> String {
    let Counts { killed, survived, trouble } = counts;
    let mut text = format!("{killed} killed, {survived} survived");
    if trouble > 0 {
        let _ = write!(text, ", {trouble} in trouble");
    }
    let _ = writeln!(text, " in {seconds:.1} s");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(outcome: Outcome, killers: usize, note: &str) -> MutantRecord {
        let text = "Fault: it forgets\nAttacks: bpf: Mend it\ndiff --git a/x b/x\n";
        let killer = |number| Killer {
            case: format!("t/{number}"),
            modes: vec!["interp", "jit"],
            problem: "returned 8".into(),
        };
        MutantRecord {
            outcome,
            by: (0..killers).map(killer).collect(),
            cases: 9,
            note: note.into(),
            ..MutantRecord::of(&Mutant::parse("forget", text).unwrap())
        }
    }

    #[test]
    fn a_killed_mutant_shows_the_first_cases_and_how_many_there_are() {
        let text = lines(&record(Outcome::Killed, 5, "a remark"));
        assert_eq!(
            text,
            "killed    forget\n          t/0 (interp, jit): returned 8\n          \
             t/1 (interp, jit): returned 8\n          t/2 (interp, jit): returned 8\n          \
             and 2 more cases\n          a remark\n"
        );
    }

    #[test]
    fn a_survivor_tells_its_fault_and_trouble_its_reason() {
        let text = lines(&record(Outcome::Survived, 0, ""));
        assert_eq!(
            text,
            "SURVIVED  forget\n          it forgets\n          attacks \"bpf: Mend it\"; all 9 \
             cases held\n"
        );
        let text = lines(&record(Outcome::Trouble, 0, "does not apply\n  x: hunk 1"));
        assert_eq!(text, "TROUBLE   forget\n          does not apply\n            x: hunk 1\n");
    }

    #[test]
    fn trouble_is_counted_apart() {
        let records = [
            record(Outcome::Killed, 1, ""),
            record(Outcome::Survived, 0, ""),
            record(Outcome::Trouble, 0, "x"),
        ];
        let counts = Counts::of(&records);
        assert_eq!(counts, Counts { killed: 1, survived: 1, trouble: 1 });
        assert_eq!(summary(counts, 1.25), "1 killed, 1 survived, 1 in trouble in 1.2 s\n");
        let counts = Counts { trouble: 0, ..counts };
        assert_eq!(summary(counts, 1.25), "1 killed, 1 survived in 1.2 s\n");
    }

    #[test]
    fn the_json_has_the_documented_fields() {
        let mutants = vec![record(Outcome::Killed, 1, "")];
        let report = Report {
            schema: SCHEMA,
            base: "7.3.4".into(),
            patches: 8,
            accel: "tcg".into(),
            all: false,
            counts: Counts::of(&mutants),
            mutants,
        };
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["schema"], 1);
        assert_eq!(json["mutants"][0]["outcome"], "killed");
        assert_eq!(json["mutants"][0]["by"][0]["modes"][1], "jit");
        assert_eq!(json["counts"]["killed"], 1);
    }
}
