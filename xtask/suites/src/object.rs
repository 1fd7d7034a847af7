//! Anyone's program, executed in each mode and by the model: nothing is stated about it, so the
//! executions are compared with each other.

pub mod assign;
pub mod input;
pub mod lacking;

use std::path::{Path, PathBuf};

use bpf_model::{Input, Machine};
use bpf_object::{Globals, LinkError, Linked, Linking, LoadPlan, MapPlan};
use bpf_wire::{Failure, Mode, Output, Response};

use super::judge::{describe, sysctls};
use super::lower::{Lowering, Role, is_data, test_run};
use super::model::{BUDGET, kernels_choice};
use harness_results::event::Sort;
use harness_results::notation::errno_name;
use harness_results::object::MODEL;
pub use harness_results::object::{Contents, Execution, ObjectRun, Outcome, Ran, Written};
use harness_results::record::{FailureClass, Record, Verdict};
use harness_session::test::{Found, Judge, Plan, Test, Unmet};

/// `ENOTSUPP`: the kernel has no test run for programs of a type.
const ENOTSUPP: i32 = 524;

/// A program of an object.
#[derive(Clone, Debug)]
pub struct ObjectTest {
    /// The object it is from.
    pub file: PathBuf,
    /// Its name.
    pub program: String,
    /// A plan with the program first; or why there is none, or none for this kernel.
    pub plan: Result<LoadPlan, String>,
    /// Context and packet.
    pub input: Input,
    /// `BPF_LOG_*` of the load; 0 for a log of refusals alone.
    pub log_level: u32,
}

/// What programs are given, where it is anything.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Context.
    pub ctx: Option<Vec<u8>>,
    /// Fields of the context by name, where it is not given: `NAME=VALUE,…`.
    pub fields: Option<String>,
    /// Packet.
    pub packet: Option<Vec<u8>>,
    /// `BPF_LOG_*` of the load.
    pub log_level: u32,
}

/// `BPF_MAP_TYPE_ARENA`.
const ARENA: u32 = 33;
/// Memory that the kernel keeps of each arena, in MiB: the page tables of the 4 GiB that it may have
/// (`arena_map_alloc()` of `kernel/bpf/arena.c`).
const KEPT_OF_ARENA: u32 = 9;

/// Memory that the kernel keeps of tests in so many modes, in MiB.
pub fn keeps(tests: &[ObjectTest], modes: usize) -> u32 {
    let plans = tests.iter().filter_map(|test| test.plan.as_ref().ok());
    let arenas = plans.flat_map(|plan| &plan.maps).filter(|map| map.map_type == ARENA).count();
    u32::try_from(arenas * modes).unwrap_or(u32::MAX).saturating_mul(KEPT_OF_ARENA)
}

/// Links an object as its user would have it: functions are global where they have to be.
///
/// # Errors
///
/// If it cannot be read at all.
pub fn link(bytes: &[u8]) -> Result<Linked, LinkError> {
    bpf_object::link_each(
        bytes,
        Linking { globals: Globals::Static, weak_zero: true, ..Linking::default() },
    )
}

/// The programs of an object whose names are wanted, first those that cannot be linked.
pub fn tests(
    file: &Path,
    linked: &Linked,
    given: &Given,
    wanted: &dyn Fn(&str) -> bool,
) -> Vec<ObjectTest> {
    let test = |program: &str, plan, input| ObjectTest {
        file: file.to_owned(),
        program: program.to_owned(),
        plan,
        input,
        log_level: given.log_level,
    };
    let refused = linked.refused.iter().filter(|(name, _)| wanted(name));
    let refused = refused
        .map(|(name, error)| test(name, Err(format!("not linked: {error}")), Input::default()));
    let programs = linked.plan.programs.iter().enumerate();
    let programs = programs.filter(|(_, program)| wanted(&program.name));
    let programs = programs.map(|(index, program)| {
        let mut input = input::input(program, given.ctx.clone(), given.packet.clone());
        let mut plan = Ok(with_tail_calls(&linked.plan, index));
        if let (Some(fields), Ok(of)) = (&given.fields, &plan) {
            match assign::context(of, std::mem::take(&mut input.ctx), &input.packet, fields) {
                Ok(ctx) => input.ctx = ctx,
                Err(error) => plan = Err(format!("not run: {error}")),
            }
        }
        test(&program.name, plan, input)
    });
    refused.chain(programs).collect()
}

/// One program, first in its plan, with those that the prog arrays it uses hold.
fn with_tail_calls(plan: &LoadPlan, program: usize) -> LoadPlan {
    let mut wanted = vec![program];
    let mut next = 0;
    while let Some(&at) = wanted.get(next) {
        next += 1;
        for reference in &plan.programs[at].map_refs {
            for &(_, held) in plan.maps.get(reference.map).map_or(&[][..], |map| &map.programs) {
                if !wanted.contains(&held) {
                    wanted.push(held);
                }
            }
        }
    }
    plan.restricted_to(&wanted)
}

impl Test for ObjectTest {
    fn name(&self) -> &str {
        &self.program
    }

    fn unmet(&self, _: Mode) -> Option<Unmet> {
        self.plan.as_ref().err().map(|reason| Unmet { reason: reason.clone(), declared: false })
    }

    fn plan(&self, mode: Mode) -> Result<Plan, String> {
        let lowering = Lowering {
            plan: self.plan.as_ref().map_err(String::clone)?,
            load: &|_, load| load.log_level = self.log_level,
            without_caps: &[],
            runs: vec![(Role::Run(0), test_run(&self.input.ctx, &self.input.packet))],
            reads: true,
        };
        Ok(Plan::batch(self.name(), mode, lowering.lower()))
    }

    fn judge(&self) -> Box<dyn Judge + '_> {
        Box::new(Executions { test: self, all: Vec::new() })
    }
}

struct Executions<'a> {
    test: &'a ObjectTest,
    all: Vec<Execution>,
}

impl Judge for Executions<'_> {
    fn judge(&mut self, mode: Mode, plan: &Plan, seen: &[Response], found: &mut Found<'_>) {
        let ([Response::Batch(report)], Ok(of)) = (seen, &self.test.plan) else { return };
        let mut execution = Execution::of(mode.name(), Outcome::Ran(Ran::default()));
        let mut problems = Vec::new();
        sysctls(mode, report, &mut problems);
        execution.problems.extend(problems.into_iter().map(|problem| problem.text));
        let mut ran = Ran::default();
        let mut refused = false;
        for (role, step) in plan.roles.iter().zip(&report.steps) {
            match (role, step) {
                (_, Ok(output)) => gather(of, mode, *role, output, &mut ran, &mut execution),
                // It has run, whether or not its maps can be read.
                (Role::DumpMap(_) | Role::DumpTable(_) | Role::Drain(_), Err(failure)) => {
                    let what = failed(of, *role, failure);
                    found.record.notes.push(what);
                }
                (_, Err(failure)) => {
                    self::refused(of, mode, *role, failure, &mut execution);
                    refused = true;
                    break;
                }
            }
        }
        if !refused {
            execution.outcome = Outcome::Ran(ran);
        }
        found.push(FailureClass::Mode, execution.problems.iter().cloned());
        match &execution.outcome {
            Outcome::Refused { what, load } => {
                let class = if *load { FailureClass::Verifier } else { FailureClass::Result };
                found.push(class, [what.clone()]);
                found.record.log.clone_from(&execution.log);
            }
            Outcome::Skipped { reason } => {
                found.record.verdict = Verdict::Skipped;
                found.record.problems.push(reason.clone());
            }
            _ => {}
        }
        self.all.push(execution);
    }

    fn lost(&mut self, mode: Mode, record: &mut Record) {
        let why = record.problems.join("\n");
        self.all.push(Execution::of(mode.name(), Outcome::Died { why }));
    }

    fn end(self: Box<Self>, records: &mut Vec<Record>) -> Sort {
        let Self { test, mut all } = *self;
        // Splats are found after the judgement.
        for (execution, record) in all.iter_mut().zip(records.iter()) {
            let splats = record.problems.iter().filter(|problem| problem.starts_with("splat: "));
            execution.problems.extend(splats.cloned());
        }
        let mut run = ObjectRun {
            file: test.file.clone(),
            program: test.name().to_owned(),
            prog_type: 0,
            left_out: test.plan.as_ref().err().cloned(),
            executions: Vec::new(),
            problems: Vec::new(),
            slots: 0,
            functions: 0,
            ctx: test.input.ctx.clone(),
            packet: test.input.packet.clone(),
        };
        if let Ok(plan) = &test.plan {
            all.push(model(plan, &test.input));
            run.problems = compare(&all);
            if let Some(program) = plan.programs.first() {
                run.prog_type = program.prog_type;
                (run.slots, run.functions) = (program.insns.len(), program.functions.len());
            }
        }
        if let Some(last) = records.last_mut().filter(|_| !run.problems.is_empty())
            && matches!(last.verdict, Verdict::Passed | Verdict::Skipped)
        {
            last.verdict = Verdict::Failed;
            last.failure = Some(FailureClass::Result);
            last.problems.extend(run.problems.iter().cloned());
        }
        run.executions = all;
        Sort::Object(Box::new(run))
    }
}

fn gather(
    plan: &LoadPlan,
    mode: Mode,
    role: Role,
    output: &Output,
    ran: &mut Ran,
    execution: &mut Execution,
) {
    match (role, output) {
        (Role::Load(0), Output::Loaded { log, jited_len, .. }) => {
            execution.log.clone_from(log);
            execution.jited_len = *jited_len;
            if (*jited_len == 0) != (mode == Mode::Interp) {
                execution.problems.push(format!(
                    "ran in another mode than asked: {} and {jited_len} bytes of machine code",
                    mode.name()
                ));
            }
        }
        (Role::Run(_), Output::Ran { retval, data, ctx }) => {
            ran.returned = *retval;
            ran.ctx.clone_from(ctx);
            ran.packet.clone_from(data);
        }
        (Role::DumpMap(index), Output::Elements(elements)) => {
            let mut elements = elements.clone();
            elements.sort();
            let name = plan.maps.get(index).map_or_else(String::new, |map| map.name.clone());
            ran.maps.push(Contents { name, elements });
        }
        (Role::Drain(index), Output::Records(records)) => {
            let name = plan.maps.get(index).map_or_else(String::new, |map| map.name.clone());
            ran.written.push(Written { name, records: records.clone() });
        }
        _ => {}
    }
}

/// What the verifier says of programs that need the JIT (`kernel/bpf/verifier.c`, `fixups.c`).
const NEED_JIT: [&str; 3] = [
    "in non-JITed programs",
    "JIT is required",
    "mixing of tail_calls and bpf-to-bpf calls is not supported",
];

fn refused(plan: &LoadPlan, mode: Mode, role: Role, failure: &Failure, execution: &mut Execution) {
    let Failure { errno, log } = failure;
    let needs_jit = |line: &&str| NEED_JIT.iter().any(|text| line.contains(text));
    execution.outcome = match (role, log.lines().find(needs_jit)) {
        (Role::Run(_), _) if *errno == ENOTSUPP => Outcome::Loaded {
            reason: "the kernel has no test run for programs of this type".to_owned(),
        },
        (Role::Load(_), Some(reason)) if mode == Mode::Interp => {
            Outcome::Skipped { reason: reason.to_owned() }
        }
        _ => Outcome::Refused {
            what: failed(plan, role, failure),
            load: matches!(role, Role::Load(_)),
        },
    };
    if !log.is_empty() {
        execution.log.clone_from(log);
    }
}

/// The step that failed, and how. Maps are named.
fn failed(plan: &LoadPlan, role: Role, Failure { errno, .. }: &Failure) -> String {
    let errno = errno_name(*errno);
    let map = match role {
        Role::CreateMap(index) => plan.maps.get(index).map(|map| {
            let MapPlan { key_size, value_size, max_entries, flags, extra, .. } = map;
            format!(
                "BPF_MAP_CREATE of {} (type {}, key {key_size}, value {value_size}, {max_entries} \
                 entries, flags {flags:#x}, extra {extra})",
                map.name, map.map_type
            )
        }),
        Role::UpdateElem(index)
        | Role::Freeze(index)
        | Role::UpdateProgArray(index)
        | Role::OpenEvents(index)
        | Role::DumpMap(index)
        | Role::DumpTable(index)
        | Role::Drain(index) => plan.maps.get(index).map(|map| {
            let step = describe(role);
            let step = step.split(" of ").next().unwrap_or_default();
            format!("{step} of {}", map.name)
        }),
        _ => None,
    };
    format!("{} failed with {errno}", map.unwrap_or_else(|| describe(role)))
}

/// Executes the first program of a plan by the model.
fn model(plan: &LoadPlan, input: &Input) -> Execution {
    let outcome = match Machine::new(plan) {
        Err(error) => Outcome::Trapped { why: error.to_string(), unsound: false },
        Ok(mut machine) => match machine.run(0, input, BUDGET) {
            Err(trap) => {
                Outcome::Trapped { why: trap.to_string(), unsound: trap.kind.is_unsound() }
            }
            Ok(outcome) => Outcome::Ran(Ran {
                returned: outcome.r0 as u32,
                kernels_choice: kernels_choice(&outcome),
                maps: contents(plan, &machine),
                written: Vec::new(),
                ctx: outcome.ctx,
                packet: outcome.packet,
            }),
        },
    };
    Execution::of(MODEL, outcome)
}

fn contents(plan: &LoadPlan, machine: &Machine) -> Vec<Contents> {
    let maps = plan.maps.iter().enumerate().filter(|(_, map)| is_data(map));
    maps.map(|(index, map)| {
        let mut elements = machine.map(index).map(|map| map.elements()).unwrap_or_default();
        elements.sort();
        Contents { name: map.name.clone(), elements }
    })
    .collect()
}

/// What is wrong with the executions of a program, the model's last: one line each.
fn compare(executions: &[Execution]) -> Vec<String> {
    let mut problems = Vec::new();
    for execution in executions {
        let by = execution.by;
        problems.extend(execution.problems.iter().map(|problem| format!("{by}: {problem}")));
        match &execution.outcome {
            Outcome::Refused { what, .. } => problems.push(format!("{by}: {what}")),
            Outcome::Died { why } => problems.push(format!("{by}: {why}")),
            Outcome::Ran(_)
            | Outcome::Loaded { .. }
            | Outcome::Skipped { .. }
            | Outcome::Trapped { .. } => {}
        }
    }
    let ran = |execution: &Execution| match &execution.outcome {
        Outcome::Ran(ran) => Some((execution.by, ran.clone())),
        _ => None,
    };
    let runs: Vec<(&str, Ran)> = executions.iter().filter_map(ran).collect();
    if let Some(Execution { outcome: Outcome::Trapped { why, unsound: true }, .. }) =
        executions.last()
        && !runs.is_empty()
    {
        problems.push(format!("unsound: the kernel accepted what the model traps on: {why}"));
    }
    if runs.iter().any(|(_, ran)| ran.kernels_choice.is_some()) {
        return problems;
    }
    if let Some(((last, reference), others)) = runs.split_last() {
        for (by, ran) in others {
            problems.extend(
                difference(ran, reference).map(|what| format!("{by} and {last} differ in {what}")),
            );
        }
    }
    // The model does not write records.
    let mut written = runs.iter().filter(|(by, _)| *by != MODEL);
    if let Some((first, reference)) = written.next() {
        for (by, _) in written.filter(|(_, ran)| ran.written != reference.written) {
            problems.push(format!("{by} and {first} differ in what they wrote"));
        }
    }
    problems
}

fn difference(one: &Ran, other: &Ran) -> Option<&'static str> {
    if one.returned != other.returned {
        Some("what they return")
    } else if one.ctx != other.ctx {
        Some("the context")
    } else if one.packet != other.packet {
        Some("the packet")
    } else if one.maps != other.maps {
        Some("the maps")
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
