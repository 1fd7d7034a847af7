//! Anyone's program, executed in each mode and by the model: nothing is stated about it, so the
//! executions are compared with each other.

use anyhow::Result;
use bpf_model::{Input, Machine};
use bpf_object::LoadPlan;
use bpf_wire::{Failure, Mode, Output, Step};
use serde::{Serialize, Serializer};

use super::judge::{describe, sysctls};
use super::lower::{Lowered, PACKET_HEADROOM, Role, create_map, is_data, load_program};
use super::model::{BUDGET, is_the_kernels_choice};
use super::session::{Answer, Executor};
use harness_results::notation::{errno_name, hex};
use harness_vm::FailureKind;

/// `ENOTSUPP`: the kernel has no test run for programs of a type.
const ENOTSUPP: i32 = 524;

/// Keys and values of a map.
type Elements = Vec<(Vec<u8>, Vec<u8>)>;

/// What a program is run on, and how it is loaded.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Context and packet.
    pub input: Input,
    /// `BPF_LOG_*` of the load; 0 for a log of refusals alone.
    pub log_level: u32,
}

/// What came of one execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It ran to its end.
    Ran(Ran),
    /// It was loaded, and the kernel cannot run programs of its type by request.
    Loaded {
        /// Why it was not run.
        reason: String,
    },
    /// The kernel refused a step.
    Refused {
        /// Which step, and its errno.
        what: String,
        /// Whether it was the load itself.
        load: bool,
    },
    /// The model cannot say anything, or says that the program must not be accepted.
    Trapped {
        /// Where and why.
        why: String,
        /// Whether no verifier may accept a program that does this.
        unsound: bool,
    },
    /// The guest did not survive it.
    Died {
        /// What the console says.
        why: String,
    },
}

/// What a run gave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ran {
    /// The low 32 bits of r0.
    pub returned: u32,
    /// The context afterwards, in hexadecimal.
    #[serde(serialize_with = "as_hex")]
    pub ctx: Vec<u8>,
    /// The packet afterwards, in hexadecimal.
    #[serde(serialize_with = "as_hex")]
    pub packet: Vec<u8>,
    /// Maps with data, by name.
    pub maps: Vec<Contents>,
    /// Whether something depends on an address or on time, so that executions may differ.
    pub kernels_choice: bool,
}

/// What a map holds, ordered by key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contents {
    /// The map's name.
    pub name: String,
    /// Keys and values in hexadecimal.
    #[serde(serialize_with = "pairs_as_hex")]
    pub elements: Elements,
}

/// One execution.
#[derive(Clone, Debug, Serialize)]
pub struct Execution {
    /// `interp`, `jit`, `jit-hardened`, or `model`.
    pub by: &'static str,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Bytes of machine code; 0 in the interpreter and in the model.
    pub jited_len: u32,
    /// The verifier's log, where there is one.
    pub log: String,
    /// What is wrong beside: splats, another mode than asked.
    pub problems: Vec<String>,
}

fn as_hex<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex(bytes))
}

fn pairs_as_hex<S: Serializer>(pairs: &Elements, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(pairs.iter().map(|(key, value)| (hex(key), hex(value))))
}

/// Executes the first program of a plan in a mode.
///
/// # Errors
///
/// When the guest cannot be started or the session was interrupted.
pub fn execute(
    plan: &LoadPlan,
    options: &Options,
    mode: Mode,
    executor: &mut dyn Executor,
) -> Result<Execution> {
    let lowered = lower(plan, options);
    let name = plan.programs.first().map_or("program", |program| program.name.as_str());
    let mut execution = Execution {
        by: mode.name(),
        outcome: Outcome::Ran(Ran::default()),
        jited_len: 0,
        log: String::new(),
        problems: Vec::new(),
    };
    let (report, splats) = match executor.execute(name, mode, lowered.steps.clone())? {
        Answer::Report { report, splats } => (report, splats),
        Answer::Dead(failure) if failure.kind == FailureKind::Interrupted => {
            return Err(failure.into_error());
        }
        Answer::Dead(failure) => {
            execution.outcome = Outcome::Died { why: failure.to_string() };
            return Ok(execution);
        }
    };
    execution.problems.extend(splats.into_iter().map(|title| format!("splat: {title}")));
    let mut problems = Vec::new();
    sysctls(mode, &report, &mut problems);
    execution.problems.extend(problems.into_iter().map(|problem| problem.text));
    let mut ran = Ran::default();
    for (role, step) in lowered.roles.iter().zip(report.steps) {
        match step {
            Ok(output) => gather(plan, mode, *role, output, &mut ran, &mut execution),
            Err(failure) => {
                refused(*role, failure, &mut execution);
                return Ok(execution);
            }
        }
    }
    execution.outcome = Outcome::Ran(ran);
    Ok(execution)
}

/// The steps: maps, programs, the run, and what the maps hold after it.
fn lower(plan: &LoadPlan, options: &Options) -> Lowered {
    let mut steps = Vec::new();
    if !plan.btf.is_empty() {
        steps.push((Role::LoadBtf, Step::LoadBtf { data: plan.btf.clone() }));
    }
    for (index, map) in plan.maps.iter().enumerate() {
        create_map(index, map, &mut steps);
    }
    for (index, program) in plan.programs.iter().enumerate() {
        let mut load = load_program(program);
        load.log_level = options.log_level;
        steps.push((Role::Load(index), Step::LoadProgram(Box::new(load))));
    }
    for (index, map) in plan.maps.iter().enumerate() {
        for &(key, prog) in &map.programs {
            let step = Step::UpdateProgArray { map: index as u32, key, prog: prog as u32 };
            steps.push((Role::UpdateProgArray(index), step));
        }
    }
    let Input { ctx, packet } = &options.input;
    let step = Step::TestRun {
        prog: 0,
        data: packet.clone(),
        ctx: ctx.clone(),
        data_out: if packet.is_empty() { 0 } else { packet.len() as u32 + PACKET_HEADROOM },
        ctx_out: !ctx.is_empty(),
    };
    steps.push((Role::Run(0), step));
    for (index, map) in plan.maps.iter().enumerate() {
        if is_data(map) {
            steps.push((Role::DumpMap(index), Step::DumpMap { map: index as u32 }));
        }
    }
    let (roles, steps) = steps.into_iter().unzip();
    Lowered { steps, roles }
}

fn gather(
    plan: &LoadPlan,
    mode: Mode,
    role: Role,
    output: Output,
    ran: &mut Ran,
    execution: &mut Execution,
) {
    match (role, output) {
        (Role::Load(0), Output::Loaded { log, jited_len, .. }) => {
            execution.log = log;
            execution.jited_len = jited_len;
            if (jited_len == 0) != (mode == Mode::Interp) {
                execution.problems.push(format!(
                    "ran in another mode than asked: {} and {jited_len} bytes of machine code",
                    mode.name()
                ));
            }
        }
        (Role::Run(_), Output::Ran { retval, data, ctx }) => {
            ran.returned = retval;
            ran.ctx = ctx;
            ran.packet = data;
        }
        (Role::DumpMap(index), Output::Elements(mut elements)) => {
            elements.sort();
            let name = plan.maps.get(index).map_or_else(String::new, |map| map.name.clone());
            ran.maps.push(Contents { name, elements });
        }
        _ => {}
    }
}

fn refused(role: Role, failure: Failure, execution: &mut Execution) {
    let Failure { errno, log } = failure;
    let what = format!("{} failed with {}", describe(role), errno_name(errno));
    execution.outcome = match role {
        Role::Run(_) if errno == ENOTSUPP => Outcome::Loaded {
            reason: "the kernel has no test run for programs of this type".to_owned(),
        },
        _ => Outcome::Refused { what, load: matches!(role, Role::Load(_)) },
    };
    if !log.is_empty() {
        execution.log = log;
    }
}

/// Executes the first program of a plan by the model.
pub fn model(plan: &LoadPlan, options: &Options) -> Execution {
    let outcome = match Machine::new(plan) {
        Err(error) => Outcome::Trapped { why: error.to_string(), unsound: false },
        Ok(mut machine) => match machine.run(0, &options.input, BUDGET) {
            Err(trap) => {
                Outcome::Trapped { why: trap.to_string(), unsound: trap.kind.is_unsound() }
            }
            Ok(outcome) => Outcome::Ran(Ran {
                returned: outcome.r0 as u32,
                kernels_choice: is_the_kernels_choice(&outcome),
                maps: contents(plan, &machine),
                ctx: outcome.ctx,
                packet: outcome.packet,
            }),
        },
    };
    let (log, problems) = (String::new(), Vec::new());
    Execution { by: "model", outcome, jited_len: 0, log, problems }
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
pub fn compare(executions: &[Execution]) -> Vec<String> {
    let mut problems = Vec::new();
    for execution in executions {
        let by = execution.by;
        problems.extend(execution.problems.iter().map(|problem| format!("{by}: {problem}")));
        match &execution.outcome {
            Outcome::Refused { what, .. } => problems.push(format!("{by}: {what}")),
            Outcome::Died { why } => problems.push(format!("{by}: {why}")),
            Outcome::Ran(_) | Outcome::Loaded { .. } | Outcome::Trapped { .. } => {}
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
    if runs.iter().any(|(_, ran)| ran.kernels_choice) {
        return problems;
    }
    if let Some(((last, reference), others)) = runs.split_last() {
        for (by, ran) in others {
            problems.extend(
                difference(ran, reference).map(|what| format!("{by} and {last} differ in {what}")),
            );
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
