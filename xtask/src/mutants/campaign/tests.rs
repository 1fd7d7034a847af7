//! The campaign's verdicts, with a lab that does as it is told.

use std::collections::VecDeque;

use bpf_case::builder::accepts;
use bpf_wire::Mode;

use super::*;
use harness_kernel::make::MakeFailed;
use harness_suites::cases::prepare;

/// What the lab does with one kernel.
enum Does {
    /// It is green.
    Holds,
    /// These cases fail in these modes.
    Fails(&'static [(&'static str, &'static str)]),
    /// The guest goes silent in this case.
    Silent(&'static str),
    /// This case cannot be judged.
    Breaks(&'static str),
    /// It does not build.
    BuildFails,
    /// Its build is stopped by this.
    BuildStops(fn() -> anyhow::Error),
    /// The guest ends in this before any case.
    RunFails(fn() -> anyhow::Error),
}

#[derive(Default)]
struct Fake {
    does: VecDeque<Does>,
    built: Vec<String>,
    /// Names of cases in the order asked for, and whether the first failure was to be the last.
    ran: Vec<(Vec<String>, bool)>,
}

impl Lab for Fake {
    fn build(&mut self, config: &[String], mutant: Option<&Mutant>) -> Result<PathBuf> {
        let name = mutant.map_or("none", |mutant| &mutant.name);
        self.built.push(format!("{name} on {}", config.join("+")));
        match self.does.front().expect("no more is built than was foreseen") {
            Does::BuildFails => {
                self.does.pop_front();
                let error = "a.c:1:1: error: broken".into();
                bail!(MakeFailed { what: "building".into(), error, log: PathBuf::new() })
            }
            Does::BuildStops(error) => Err(error()),
            _ => Ok(PathBuf::new()),
        }
    }

    fn run(
        &mut self,
        _: Option<&Mutant>,
        _: &Path,
        cases: &[Prepared],
        fail_fast: bool,
    ) -> Result<Vec<Record>> {
        let names: Vec<String> = cases.iter().map(|case| case.case.name.clone()).collect();
        self.ran.push((names.clone(), fail_fast));
        let does = self.does.pop_front().expect("what was built is run");
        if let Does::RunFails(error) = does {
            return Err(error());
        }
        let mut records = Vec::new();
        for name in names {
            let mut stop = false;
            for mode in ["interp", "jit"] {
                let verdict = match does {
                    Does::Fails(list) if list.contains(&(name.as_str(), mode)) => Verdict::Failed,
                    Does::Silent(silent) if silent == name => Verdict::Failed,
                    Does::Breaks(broken) if broken == name => Verdict::Error,
                    _ => Verdict::Passed,
                };
                stop |= verdict != Verdict::Passed;
                let problems = vec![format!("{name} is red\nand more")];
                let guest = matches!(does, Does::Silent(_)).then_some(FailureKind::Silent);
                records.push(Record {
                    mode,
                    verdict,
                    problems,
                    guest,
                    ..Record::new(&name, Mode::Jit)
                });
            }
            if stop && fail_fast {
                break;
            }
        }
        Ok(records)
    }
}

fn mutant(name: &str, rest: &str) -> Mutant {
    Mutant::parse(name, &format!("Fault: x\nAttacks: y\n{rest}diff --git a/x b/x\n")).unwrap()
}

fn cases() -> Vec<Prepared> {
    let case = |name: &str| accepts(name, "x", "r0 = 0\nexit").run(vec![], 0).into();
    ["t/b", "t/a", "t/c"].map(|name| prepare(case(name))).into()
}

fn campaign(mutants: &[Mutant], all: bool, fake: &mut Fake) -> Result<Vec<MutantRecord>> {
    run(mutants, cases(), all, fake, |_| {})
}

/// What comes of one mutant after a green baseline.
fn one(mutant: Mutant, all: bool, does: Does) -> (MutantRecord, Fake) {
    let mut fake = Fake { does: [Does::Holds, does].into(), ..Fake::default() };
    let mut records = campaign(&[mutant], all, &mut fake).unwrap();
    (records.remove(0), fake)
}

#[test]
fn a_case_that_fails_kills() {
    let fails = Does::Fails(&[("t/a", "interp"), ("t/a", "jit"), ("t/c", "jit")]);
    let (record, fake) = one(mutant("m", ""), false, fails);
    assert_eq!(record.outcome, Outcome::Killed);
    let problem = "t/a is red".to_owned();
    let killer = Killer { case: "t/a".into(), modes: vec!["interp", "jit"], problem };
    assert_eq!(record.by, [killer]);
    assert_eq!((record.cases, record.note.as_str()), (2, ""));
    assert_eq!(fake.built, ["none on ", "m on "]);
    let fail_fast: Vec<bool> = fake.ran.iter().map(|(_, fail_fast)| *fail_fast).collect();
    assert_eq!(fail_fast, [false, true]);
}

#[test]
fn with_all_every_case_that_fails_is_listed() {
    let (record, _) = one(mutant("m", ""), true, Does::Fails(&[("t/a", "jit"), ("t/c", "jit")]));
    assert_eq!(
        record.by.iter().map(|killer| killer.case.as_str()).collect::<Vec<_>>(),
        ["t/a", "t/c"]
    );
    assert_eq!(record.cases, 3);
}

#[test]
fn a_mutant_that_no_case_notices_survives() {
    let (record, _) = one(mutant("m", ""), false, Does::Holds);
    assert_eq!((record.outcome, record.cases), (Outcome::Survived, 3));
}

#[test]
fn the_expected_cases_run_first_and_the_others_in_their_order() {
    let mut fake = Fake {
        does: [Does::Holds, Does::Holds, Does::Fails(&[("t/b", "jit")])].into(),
        ..Fake::default()
    };
    let mutants = [mutant("m", "Cases: t/c\n"), mutant("n", "Cases: ^t/a$\n")];
    let records = campaign(&mutants, false, &mut fake).unwrap();
    let names: Vec<Vec<&str>> =
        fake.ran.iter().map(|(names, _)| names.iter().map(String::as_str).collect()).collect();
    assert_eq!(names, [["t/b", "t/a", "t/c"], ["t/c", "t/b", "t/a"], ["t/a", "t/b", "t/c"]]);
    assert_eq!(records[1].outcome, Outcome::Killed);
    assert!(records[1].note.contains("expects"), "{:?}", records[1].note);
}

#[test]
fn a_kernel_that_does_not_reach_the_cases_is_killed_and_says_how() {
    let panics =
        || Does::RunFails(|| Stop::CaseFailed("guest failed (panic): not syncing".into()).into());
    let does = [Does::Holds, panics(), Does::Holds, panics()];
    let mut fake = Fake { does: does.into(), ..Fake::default() };
    let record = campaign(&[mutant("m", "")], false, &mut fake).unwrap().remove(0);
    assert_eq!(record.outcome, Outcome::Killed);
    assert!(record.note.contains("not syncing"), "{}", record.note);
}

#[test]
fn silence_kills_only_if_it_is_the_mutants() {
    let outcome = |does: Vec<Does>| {
        let mut fake = Fake { does: does.into(), ..Fake::default() };
        let record = campaign(&[mutant("m", "")], false, &mut fake).unwrap().remove(0);
        assert!(fake.does.is_empty());
        (record.outcome, record.by.len(), record.note, fake.ran)
    };
    let silent = || Does::Silent("t/a");
    let (killed, by, _, ran) = outcome(vec![Does::Holds, silent(), Does::Holds, silent()]);
    assert_eq!((killed, by), (Outcome::Killed, 1));
    assert_eq!((&ran[2].0, &ran[3].0), (&vec!["t/a".to_owned()], &vec!["t/a".to_owned()]));
    let (busy, by, note, _) = outcome(vec![Does::Holds, silent(), silent()]);
    assert_eq!((busy, by), (Outcome::Trouble, 0));
    assert!(note.contains("t/a: ") && note.contains("the host is busy"), "{note}");
    let (once, _, note, _) = outcome(vec![Does::Holds, silent(), Does::Holds, Does::Holds]);
    assert_eq!(once, Outcome::Trouble);
    assert!(note.contains("repeated"), "{note}");
    // A guest that does not start may have been too slow as well.
    let late = || Does::RunFails(|| Stop::CaseFailed("no agent".into()).into());
    let (killed, ..) = outcome(vec![Does::Holds, late(), Does::Holds, late()]);
    assert_eq!(killed, Outcome::Killed);
    let (once, ..) = outcome(vec![Does::Holds, late(), Does::Holds, Does::Holds]);
    assert_eq!(once, Outcome::Trouble);
}

#[test]
fn what_says_nothing_of_the_kernel_is_trouble_and_never_a_kill() {
    let odd = || anyhow::anyhow!("the agent is in trouble");
    let red = || Stop::CaseFailed("of a build".into()).into();
    for (does, said) in [
        (Does::BuildFails, "a.c:1:1: error: broken"),
        (Does::BuildStops(red), "of a build"),
        (Does::RunFails(odd), "the agent is in trouble"),
        (Does::Breaks("t/a"), "t/a (interp) could not be judged: t/a is red"),
    ] {
        let (record, _) = one(mutant("m", ""), false, does);
        assert_eq!(record.outcome, Outcome::Trouble);
        assert!(record.note.contains(said), "{}", record.note);
    }
}

#[test]
fn trouble_with_one_mutant_does_not_keep_the_next_from_being_judged() {
    let mut fake = Fake {
        does: [Does::Holds, Does::BuildFails, Does::Fails(&[("t/b", "jit")])].into(),
        ..Fake::default()
    };
    let mut told = Vec::new();
    let mutants = [mutant("m", ""), mutant("n", "")];
    let records = run(&mutants, cases(), false, &mut fake, |record| told.push(record.outcome));
    let outcomes: Vec<Outcome> = records.unwrap().iter().map(|record| record.outcome).collect();
    assert_eq!(outcomes, [Outcome::Trouble, Outcome::Killed]);
    assert_eq!(told, outcomes);
}

#[test]
fn what_ends_the_campaign_is_no_mutants_outcome() {
    for error in [|| Stop::Interrupted.into(), || Stop::HostLacks("no make".into()).into()]
        as [fn() -> anyhow::Error; 2]
    {
        for does in [Does::BuildStops(error), Does::RunFails(error)] {
            let mut fake = Fake { does: [Does::Holds, does].into(), ..Fake::default() };
            let ended = campaign(&[mutant("m", "")], false, &mut fake).unwrap_err();
            assert!(stop_of(&ended).is_some());
        }
    }
}

#[test]
fn no_mutant_is_judged_where_the_series_is_not_green() {
    let mut fake = Fake { does: [Does::Fails(&[("t/a", "jit")])].into(), ..Fake::default() };
    let error = campaign(&[mutant("m", "")], false, &mut fake).unwrap_err();
    assert!(matches!(stop_of(&error), Some(Stop::CaseFailed(_))));
    assert!(error.to_string().contains("t/a (jit): t/a is red"), "{error}");
    assert_eq!(fake.built, ["none on "]);

    let mut fake = Fake { does: [Does::Breaks("t/a")].into(), ..Fake::default() };
    let error = campaign(&[mutant("m", "")], false, &mut fake).unwrap_err();
    assert!(stop_of(&error).is_none(), "a harness that breaks is no red case");
}

#[test]
fn each_configuration_has_its_own_baseline() {
    let mut fake = Fake {
        does: [Does::Holds, Does::Holds, Does::Holds, Does::Holds, Does::Holds].into(),
        ..Fake::default()
    };
    let mutants = [mutant("m", ""), mutant("h", "Config: hardened\n"), mutant("n", "")];
    campaign(&mutants, false, &mut fake).unwrap();
    assert_eq!(fake.built, ["none on ", "m on ", "n on ", "none on hardened", "h on hardened"]);
}
