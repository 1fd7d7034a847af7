//! Generated programs as tests of a session: nobody has stated what the kernel has to say of them.
//!
//! What it accepts has to do what the model does, must not trap there, and has to be contained in what
//! the verifier printed ([`super::contain`]). What it rejects must not be called a bug of the verifier's.
//! The modes have to agree. A program runs in [`FIRST`] first; in the [`others`] only if it is accepted
//! there.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bpf_case::builder::accepts;
use bpf_case::{Case, Run};
use bpf_isa::Insn;
use bpf_model::{Input, Machine, Outcome, Trap};
use bpf_object::LoadPlan;
use bpf_wire::{BatchReport, Mode, Output, Response, Step};

use super::contain::{self, Tally};
use super::explore::{Explorer, longer_context};
use super::judge::judge;
use super::lower::{Role, is_data, lower};
use super::model::{Expected, is_the_kernels_choice};
use super::problem::{Problem, Subject};
use super::soundness::reason;
use harness_results::event::Sort;
use harness_results::record::{FailureClass, Record};
use harness_session::test::{Found, Judge, Lowered, Plan, Test};

/// The mode that every program runs in. There the verifier is asked for its log.
pub const FIRST: Mode = Mode::Jit;

/// The modes that accepted programs run in after that.
pub fn others() -> Vec<Mode> {
    Mode::ALL.into_iter().filter(|mode| *mode != FIRST).collect()
}

/// `BPF_JMP | BPF_CALL`.
const CALL: u8 = 0x85;
/// `BPF_FUNC_loop`.
const LOOP: i32 = 181;

/// Steps that the model makes in a run.
const BUDGET: u64 = 1 << 18;

/// What the verifier says of what is its own fault.
const OWN_FAULTS: [&str; 3] =
    ["verifier bug", "REG INVARIANTS VIOLATION", "poisoned by dead code elimination"];

/// What the verifier says of programs that only the JIT can run.
const NEEDS_JIT: [&str; 4] = [
    "non-JITed programs",
    "Too large",
    "mixing of tail_calls and bpf-to-bpf calls",
    "program requires BPF JIT compiler",
];

/// Instructions that the verifier may go through for each one of a program, and for a program of any
/// length.
const COST: (u64, u64) = (4_000, 100_000);

/// A generated program.
#[derive(Debug)]
pub struct Generated {
    case: Case,
    plan: LoadPlan,
    expected: Expected,
    tally: Option<Tally>,
    seen: Mutex<Vec<(Mode, Seen)>>,
}

/// What the kernel made of a program in a mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It was loaded and run; so many instructions the verifier went through.
    Accepted {
        /// Of all programs of the plan.
        verified: u64,
    },
    /// A program, or something that it needs, was refused.
    Rejected {
        /// The line of the log that says why, or the step.
        reason: String,
        /// The `errno`.
        errno: i32,
    },
    /// The guest did not survive it.
    Lost,
}

impl Generated {
    /// Compiles a program, to be loaded with these `BPF_F_*` flags, and computes what it has to do on
    /// these inputs.
    ///
    /// # Errors
    ///
    /// Why it is no program.
    pub fn new(
        name: &str,
        source: &str,
        flags: u32,
        inputs: &[Input],
        tally: Option<Tally>,
    ) -> Result<Self, String> {
        let blank: Case = accepts(name, "generated", source).into();
        let plan = blank.plan().map_err(|error| error.to_string())?;
        let mut runs: Vec<Result<Outcome, Box<Trap>>> = Vec::new();
        let mut machine = Machine::new(&plan).map_err(|error| error.to_string())?;
        let prog_type = plan.programs.first().map_or(0, |program| program.prog_type);
        let mut cut = false;
        for input in inputs {
            let ran = machine.run(0, input, BUDGET);
            // What lies behind a short context the kernel does not run on it.
            let too_short =
                |trap: &Trap| longer_context(&trap.kind, prog_type, input.ctx.len()).is_some();
            if ran.as_ref().is_err_and(|trap| too_short(trap)) {
                cut = true;
                break;
            }
            let goes_on = ran.as_ref().is_ok_and(|outcome| !is_the_kernels_choice(outcome));
            runs.push(ran);
            if !goes_on {
                break;
            }
        }
        // What the kernel is given: the runs whose results are known.
        let known = |ran: &&Result<Outcome, _>| matches!(ran, Ok(outcome) if !is_the_kernels_choice(outcome));
        let stated: Vec<Run> = runs
            .iter()
            .take_while(known)
            .zip(inputs)
            .filter_map(|(ran, input)| {
                Some(Run {
                    ctx: input.ctx.clone(),
                    packet: input.packet.clone(),
                    returns: ran.as_ref().ok()?.r0 as u32,
                    ctx_after: None,
                    packet_after: None,
                })
            })
            .collect();
        if cut || stated.len() < runs.len() {
            // Without what the last run has left in the maps.
            runs.retain(Result::is_err);
            machine = Machine::new(&plan).map_err(|error| error.to_string())?;
            let again = inputs.iter().take(stated.len());
            let again: Vec<_> = again.map(|input| machine.run(0, input, BUDGET)).collect();
            runs.splice(0..0, again);
        }
        let maps = plan.maps.iter().enumerate().map(|(index, map)| {
            is_data(map).then(|| machine.map(index).map(|map| map.elements()))?
        });
        let expected = Expected { runs, maps: maps.collect(), refused: None };
        let accepted = accepts(name, "generated", source).flags(flags);
        let case = stated.into_iter().fold(accepted, |case, run| case.run_giving(run)).into();
        Ok(Self { case, plan, expected, tally, seen: Mutex::default() })
    }

    /// Whether another one is loaded and run in the same way.
    pub fn is_same(&self, other: &Self) -> bool {
        self.plan == other.plan && self.steps() == other.steps()
    }

    /// Slots of all programs.
    pub fn slots(&self) -> u64 {
        self.plan.programs.iter().map(|program| program.insns.len() as u64).sum()
    }

    /// What the kernel made of it, mode by mode.
    pub fn seen(&self) -> Vec<(Mode, Seen)> {
        self.all().clone()
    }

    /// What the kernel made of it in the first mode.
    pub fn first(&self) -> Option<Seen> {
        self.all().first().map(|(_, seen)| seen.clone())
    }

    /// The steps that load and run it, for a bare loop.
    pub fn steps(&self) -> Vec<Step> {
        self.lowered().steps
    }

    /// Whether it has helpers call functions. Where these are printed, containment does not always find
    /// the chain of calls that they belong to.
    fn calls_back(&self) -> bool {
        let helper = |insn: &Insn| (insn.code, insn.src, insn.imm) == (CALL, 0, LOOP);
        self.plan.programs.iter().any(|program| program.insns.iter().any(helper))
    }

    fn lowered(&self) -> Lowered {
        let mut lowered = lower(&self.case, &self.plan);
        for step in &mut lowered.steps {
            if let Step::LoadProgram(load) = step {
                load.dump = false;
            }
        }
        lowered
    }

    fn all(&self) -> MutexGuard<'_, Vec<(Mode, Seen)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Test for Generated {
    fn name(&self) -> &str {
        &self.case.name
    }

    fn plan(&self, mode: Mode) -> Result<Plan, String> {
        let mut lowered = self.lowered();
        if self.tally.is_some() && mode == FIRST && !self.calls_back() {
            contain::ask(&mut lowered);
        }
        Ok(Plan::batch(&self.case.name, mode, lowered))
    }

    fn judge(&self) -> Box<dyn Judge + '_> {
        Box::new(GeneratedJudge { test: self, explorer: Explorer::default() })
    }
}

struct GeneratedJudge<'a> {
    test: &'a Generated,
    explorer: Explorer,
}

impl GeneratedJudge<'_> {
    /// Notes what was seen, and tells whether the modes agree.
    fn note(&self, mode: Mode, seen: Seen) -> Option<String> {
        let mut all = self.test.all();
        let first = all.first().cloned();
        all.push((mode, seen.clone()));
        let (before, first) = first?;
        let only_jit = |reason: &str| NEEDS_JIT.iter().any(|piece| reason.contains(piece));
        match (&first, &seen) {
            (Seen::Accepted { .. }, Seen::Rejected { reason, .. })
                if !mode.jits() && only_jit(reason) =>
            {
                None
            }
            (Seen::Accepted { .. }, Seen::Rejected { reason, .. }) => Some(format!(
                "accepted in {}, rejected in {}: {reason}",
                before.name(),
                mode.name()
            )),
            _ => None,
        }
    }
}

impl Judge for GeneratedJudge<'_> {
    fn judge(&mut self, mode: Mode, asked: &Plan, seen: &[Response], found: &mut Found<'_>) {
        let [Response::Batch(report)] = seen else { return };
        let Generated { case, plan, expected, tally, .. } = self.test;
        let failed = report
            .steps
            .iter()
            .zip(&asked.roles)
            .find_map(|(step, role)| Some((step.as_ref().err()?, *role)));
        let outcome = match failed {
            Some((failure, Role::Load(_))) => {
                let log = before_diagnosis(&failure.log);
                Seen::Rejected { reason: reason(case, log).to_owned(), errno: failure.errno }
            }
            Some((failure, role)) => {
                Seen::Rejected { reason: super::judge::describe(role), errno: failure.errno }
            }
            None => Seen::Accepted { verified: verified(report) },
        };
        if let Some(disagree) = self.note(mode, outcome.clone()) {
            found.push(FailureClass::Verifier, [disagree]);
        }
        match outcome {
            Seen::Rejected { reason, .. } => {
                let log = failed.map_or("", |(failure, _)| failure.log.as_str());
                if let Some(line) = own_fault(log) {
                    found.push(
                        FailureClass::Verifier,
                        [format!("the verifier's own fault: {line}")],
                    );
                } else {
                    found.record.notes.push(reason);
                }
                found.record.log = log.to_owned();
            }
            Seen::Accepted { verified } => {
                let roles = &asked.roles;
                let subject = Subject { case, plan, mode, roles, report, expected };
                let mut problems = judge(&subject, &mut self.explorer);
                problems.extend(tally.iter().flat_map(|it| contain::contained(&subject, it)));
                problems.extend(cost(verified, self.test.slots()));
                problems.into_iter().for_each(|problem| problem.tell(found));
            }
            Seen::Lost => {}
        }
    }

    fn lost(&mut self, mode: Mode, _: &mut Record) {
        self.note(mode, Seen::Lost);
    }

    fn end(self: Box<Self>, _: &mut Vec<Record>) -> Sort {
        Sort::Case(None)
    }
}

fn verified(report: &BatchReport) -> u64 {
    let of = |step: &Result<Output, _>| match step {
        Ok(Output::Loaded { verified_insns, .. }) => u64::from(*verified_insns),
        _ => 0,
    };
    report.steps.iter().map(of).sum()
}

/// What costs the verifier more than such a program may.
fn cost(verified: u64, slots: u64) -> Option<Problem> {
    let (each, least) = COST;
    (verified > least.max(each * slots)).then(|| {
        let text = format!("the verifier went through {verified} instructions for {slots}");
        Problem::new(FailureClass::Verifier, text)
    })
}

/// A log up to what the verifier has to explain: its message comes last then.
fn before_diagnosis(log: &str) -> &str {
    log.split_once("\nVerification failed: ").map_or(log, |(before, _)| before)
}

/// The line of a log, or the reason of a rejection, in which the verifier accuses itself.
pub fn own_fault(log: &str) -> Option<&str> {
    log.lines().find(|line| OWN_FAULTS.iter().any(|piece| line.contains(piece)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(word: u64) -> Input {
        Input { ctx: word.to_le_bytes().to_vec(), packet: Vec::new() }
    }

    fn stated(source: &str, words: &[u64]) -> (usize, Vec<bool>) {
        let inputs: Vec<Input> = words.iter().map(|word| input(*word)).collect();
        let test = Generated::new("t/t", source, 0, &inputs, None).unwrap();
        let runs = test.steps().iter().filter(|step| matches!(step, Step::TestRun { .. })).count();
        (runs, test.expected.runs.iter().map(Result::is_ok).collect())
    }

    #[test]
    fn the_kernel_is_not_given_what_traps() {
        let source = "r2 = *(u64 *)(r1 +0)\nif r2 == 7 goto +1\nr0 = 0\nexit";
        assert_eq!(stated(source, &[1, 2]), (2, vec![true, true]));
        assert_eq!(stated(source, &[1, 7, 2]), (1, vec![true, false]));
    }

    #[test]
    fn nor_what_needs_a_longer_context() {
        assert_eq!(stated("r0 = *(u64 *)(r1 +8)\nexit", &[1, 2]), (0, vec![]));
    }

    #[test]
    fn nor_what_depends_on_an_address() {
        assert_eq!(stated("r0 = r10\nexit", &[1, 2]), (0, vec![]));
    }

    #[test]
    fn the_verifiers_own_faults_are_found_in_the_log() {
        assert_eq!(own_fault("a\nverifier bug: x(1)\nb"), Some("verifier bug: x(1)"));
        assert_eq!(own_fault("R1 !read_ok"), None);
        assert_eq!(own_fault("access not supported without CONFIG_DEBUG_INFO_BTF"), None);
    }

    #[test]
    fn the_reason_comes_before_its_explanation() {
        let log = "1: (95) exit\nR0 !read_ok\n\nVerification failed: X: Y\n\nReason:\n  z\n";
        assert_eq!(before_diagnosis(log), "1: (95) exit\nR0 !read_ok\n");
        assert_eq!(before_diagnosis("R0 !read_ok"), "R0 !read_ok");
    }

    #[test]
    fn what_takes_too_many_instructions_is_a_problem() {
        assert!(cost(100_000, 10).is_none());
        assert!(cost(100_001, 10).is_some());
        assert!(cost(100_001, 100).is_none());
    }
}
