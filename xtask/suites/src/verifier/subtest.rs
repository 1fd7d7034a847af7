//! One annotated test: one way to load one program of an object, as steps for the agent, and the
//! judgement of the outcome.
//!
//! As `run_subtest()` of `tools/testing/selftests/bpf/test_loader.c`.

use std::collections::BTreeSet;

use bpf_isa::Insn;
use bpf_isa::opcode::CALL_IMM;
use bpf_object::{LoadPlan, MapPlan};
use bpf_wire::{BatchReport, Failure, Mode, Output, Step};

use super::spec::{Expectation, Returns, Spec, TEST_DATA_LEN};
use super::xlated;
use crate::judge::{describe, sysctls};
use crate::lower::{Lowered, Lowering, Role};
use crate::problem::Problem;
use harness_results::notation::errno_name;
use harness_results::record::FailureClass;

const CAP_SYS_ADMIN: u8 = 21;
const CAP_BPF: u8 = 39;

/// `BPF_PROG_TYPE_SYSCALL`, which is run on nothing.
const SYSCALL: u32 = 31;

/// First of the numbers that libbpf calls a helper by in place of loading the address of a map that
/// it did not create (`bpf_object__poison_map()` of `tools/lib/bpf/libbpf.c`).
const POISON_MAP: i32 = 2_001_000_000;

/// Offset of `data_end` in `struct __sk_buff`, by which a test run is told how much of the packet
/// lies in the linear part of its buffer.
const SKB_DATA_END: usize = 80;
/// Bytes of `struct __sk_buff`.
const SKB: usize = 192;

/// A test.
#[derive(Clone, Debug)]
pub struct Subtest {
    /// Name of the program, with ` @unpriv` after it where it is loaded without privileges.
    pub name: String,
    /// The program, with those that are loaded along with it.
    plan: LoadPlan,
    /// Index of the program in the plan.
    program: usize,
    flags: u32,
    log_level: u32,
    linear_size: u32,
    jited: (bool, bool),
    expectation: Expectation,
    /// What is written before a run: map and value.
    before_run: Option<(String, Vec<u8>)>,
}

/// The object that tests are taken from.
#[derive(Clone, Debug)]
pub struct Tests<'a> {
    /// All that the object holds.
    pub plan: &'a LoadPlan,
    /// What is said of each program of the plan.
    pub specs: &'a [Result<Spec, String>],
    /// Whether privileged tests do without `CAP_SYS_ADMIN`, as most do
    /// (`run_tests_aux()` of `prog_tests/verifier.c`).
    pub without_sys_admin: bool,
    /// Value of the element 0 of a map, written before a run.
    pub before_run: Option<(String, Vec<u8>)>,
}

impl Tests<'_> {
    /// The tests of one program of the plan: with privileges, without.
    pub fn of(&self, program: usize) -> Vec<Subtest> {
        let Some(Ok(spec)) = self.specs.get(program) else { return Vec::new() };
        if spec.auxiliary || !spec.arch {
            return Vec::new();
        }
        let privileged = spec.privileged.iter().map(|it| self.subtest(program, spec, it, false));
        let unprivileged = spec.unprivileged.iter().map(|it| self.subtest(program, spec, it, true));
        privileged.chain(unprivileged).collect()
    }

    fn subtest(
        &self,
        program: usize,
        spec: &Spec,
        expectation: &Expectation,
        unprivileged: bool,
    ) -> Subtest {
        let goes_along = |spec: &Spec| {
            let way = if unprivileged { &spec.unprivileged } else { &spec.privileged };
            spec.auxiliary && way.is_some()
        };
        let loaded: Vec<usize> = (0..self.plan.programs.len())
            .filter(|&at| {
                at == program
                    || self.specs.get(at).is_some_and(|it| it.as_ref().is_ok_and(goes_along))
            })
            .collect();
        let mut expectation = expectation.clone();
        if !unprivileged && self.without_sys_admin {
            expectation.without_caps = vec![CAP_SYS_ADMIN];
        }
        let mut plan = self.plan.restricted_to(&loaded);
        let program = loaded.iter().position(|&at| at == program).unwrap_or_default();
        let name = plan.programs[program].name.clone();
        if unprivileged {
            leave_out_maps(&mut plan);
        }
        // BTF is refused without CAP_BPF, which libbpf takes for a kernel that has none.
        if expectation.without_caps.contains(&CAP_BPF) {
            plan.btf = Vec::new();
            plan.maps.iter_mut().for_each(|map| map.types = None);
            for program in &mut plan.programs {
                program.func_info = Vec::new();
                program.line_info = Vec::new();
            }
        }
        Subtest {
            name: if unprivileged { format!("{name} @unpriv") } else { name },
            plan,
            program,
            flags: spec.flags,
            log_level: spec.log_level,
            linear_size: spec.linear_size,
            jited: spec.jited,
            expectation,
            before_run: self.before_run.clone(),
        }
    }
}

impl Subtest {
    /// Why it is not for a mode, if so.
    pub fn skipped(&self, mode: Mode) -> Option<&'static str> {
        match (mode == Mode::Interp, self.jited) {
            (false, (false, _)) => Some("it is for kernels without the JIT"),
            (true, (_, false)) => Some("it is for kernels with the JIT"),
            _ => None,
        }
    }

    /// What is not judged, if there is something.
    pub fn beyond(&self) -> Option<&'static str> {
        self.expectation.states_jited.then_some("machine code in LLVM's notation")
    }

    /// The steps for the agent.
    pub fn lower(&self) -> Lowered {
        let caps = &self.expectation.without_caps;
        let runs = self.expectation.returns.is_some() && !self.expectation.fails;
        Lowering {
            plan: &self.plan,
            load: &|index, load| {
                load.without_caps.clone_from(caps);
                if index == self.program {
                    load.flags |= self.flags;
                    load.log_level = self.log_level;
                }
            },
            without_caps: caps,
            runs: if runs { self.run() } else { Vec::new() },
            reads: false,
        }
        .lower()
    }

    /// The run, which is made with all privileges.
    fn run(&self) -> Vec<(Role, Step)> {
        let mut steps = Vec::new();
        if let Some((name, value)) = &self.before_run
            && let Some(map) = self.plan.maps.iter().position(|map| map.name == *name)
        {
            let key = vec![0; self.plan.maps[map].key_size as usize];
            let step = Step::UpdateElem { map: map as u32, key, value: value.clone(), flags: 0 };
            steps.push((Role::UpdateElem(map), step));
        }
        let bare = self.plan.programs[self.program].prog_type == SYSCALL;
        let mut ctx = Vec::new();
        if self.linear_size > 0 {
            ctx = vec![0; SKB];
            ctx[SKB_DATA_END..SKB_DATA_END + 4].copy_from_slice(&self.linear_size.to_le_bytes());
        }
        let step = Step::TestRun {
            prog: self.program as u32,
            data: if bare { Vec::new() } else { vec![0; TEST_DATA_LEN] },
            ctx,
            data_out: if bare { 0 } else { TEST_DATA_LEN as u32 * 4 },
            ctx_out: false,
        };
        steps.push((Role::Run(0), step));
        steps
    }

    /// What is wrong with what the kernel did; nothing when the test passes.
    pub fn judge(&self, mode: Mode, roles: &[Role], report: &BatchReport) -> Vec<Problem> {
        let mut problems = Vec::new();
        sysctls(mode, report, &mut problems);
        for (role, step) in roles.iter().zip(&report.steps) {
            match step {
                Ok(output) => self.output(mode, *role, output, &mut problems),
                Err(failure) => self.failure(*role, failure, &mut problems),
            }
        }
        if report.steps.len() < roles.len() && report.steps.iter().all(Result::is_ok) {
            problems.push(Problem::result("the agent left out steps and reported no failure"));
        }
        problems
    }

    fn output(&self, mode: Mode, role: Role, output: &Output, problems: &mut Vec<Problem>) {
        match (role, output) {
            (Role::Load(at), Output::Loaded { log, jited_len, xlated, .. })
                if at == self.program =>
            {
                if self.expectation.fails {
                    problems.push(verifier("was accepted, its load has to fail", log));
                    return;
                }
                if (*jited_len == 0) != (mode == Mode::Interp) {
                    problems.push(Problem::new(FailureClass::Mode, format!(
                        "ran in another mode than asked: {} and {jited_len} bytes of machine code",
                        mode.name()
                    )));
                }
                if let Some(text) = self.expectation.log.judge(log, "verifier log") {
                    problems.push(verifier(text, log));
                }
                let translated = xlated::text(xlated);
                if let Some(text) = self.expectation.xlated.judge(&translated, "translated program")
                {
                    problems.push(Problem {
                        log: translated,
                        ..Problem::new(FailureClass::Code, text)
                    });
                }
            }
            (Role::Run(_), Output::Ran { retval, .. }) => {
                let stated = self.expectation.returns.unwrap_or(Returns::Pointer);
                if let Returns::Value(value) = stated
                    && !stated.allows(*retval)
                {
                    problems.push(Problem::result(format!(
                        "returned {}, the test states {value}",
                        retval.cast_signed()
                    )));
                }
            }
            _ => {}
        }
    }

    fn failure(&self, role: Role, failure: &Failure, problems: &mut Vec<Problem>) {
        let Failure { errno, log } = failure;
        if role == Role::Load(self.program) && self.expectation.fails {
            if let Some(text) = self.expectation.log.judge(log, "verifier log") {
                problems.push(verifier(text, log));
            }
            return;
        }
        let mut text = format!("{} failed with {}", describe(role), errno_name(*errno));
        if let Role::CreateMap(map) = role
            && let Some(map) = self.plan.maps.get(map)
        {
            text.push_str(&format!(": map {} of type {}", map.name, map.map_type));
        }
        problems.push(verifier(text, log));
    }
}

/// What is wrong with a verdict of the verifier's, and its log.
fn verifier(text: impl Into<String>, log: &str) -> Problem {
    Problem { log: log.to_owned(), ..Problem::new(FailureClass::Verifier, text) }
}

/// Leaves out the maps that an unprivileged process is not given, as libbpf does: what refers to
/// them is made an instruction that the verifier refuses by name.
fn leave_out_maps(plan: &mut LoadPlan) {
    let left_out: BTreeSet<usize> =
        (0..plan.maps.len()).filter(|&index| !is_for_unprivileged(&plan.maps[index])).collect();
    if left_out.is_empty() {
        return;
    }
    for program in &mut plan.programs {
        let (gone, kept) = std::mem::take(&mut program.map_refs)
            .into_iter()
            .partition(|reference| left_out.contains(&reference.map));
        program.map_refs = kept;
        for reference in gone {
            let poison = Insn { code: CALL_IMM, dst: 0, src: 0, off: 0, imm: POISON_MAP };
            program.insns.iter_mut().skip(reference.slot).take(2).for_each(|insn| *insn = poison);
        }
    }
    *plan = plan.restricted_to(&(0..plan.programs.len()).collect::<Vec<_>>());
}

/// Whether an unprivileged test gets a map (`is_unpriv_capable_map()`). Jump tables are not asked:
/// libbpf creates them for the program and not for the object.
fn is_for_unprivileged(map: &MapPlan) -> bool {
    /// `BPF_F_ZERO_SEED`.
    const ZERO_SEED: u32 = 1 << 6;
    /// `enum bpf_map_type` of hashes, of what is made of arrays, and of storages and buffers; with
    /// `BPF_MAP_TYPE_INSN_ARRAY`.
    const HASHES: [u32; 3] = [1, 5, 13];
    const OTHERS: [u32; 11] = [2, 3, 4, 6, 8, 12, 19, 21, 27, 31, bpf_isa::MAP_TYPE_INSN_ARRAY];
    if HASHES.contains(&map.map_type) {
        return map.flags & ZERO_SEED == 0;
    }
    OTHERS.contains(&map.map_type)
}

#[cfg(test)]
mod tests;
