//! The machine: a load plan brought to life, and its runs.

use bpf_isa::Insn;
use bpf_object::LoadPlan;

use crate::exec::{self, World};
use crate::function;
use crate::functions;
use crate::helpers::Scratch;
use crate::lower::{Program, lower};
use crate::maps::{MapLoader, MapView, Maps, ModelError};
use crate::memory::{Memory, Region};
use crate::packet;
use crate::state::State;
use crate::text::disassemble;
use crate::trace::Tracer;
use crate::trap::{Change, Trace, TraceEntry, Trap, TrapKind};
use crate::value::Value;
use crate::watch::{Observed, Observer, Watch};

/// `enum bpf_prog_type` (`include/uapi/linux/bpf.h`).
mod prog_type {
    pub(super) const SOCKET_FILTER: u32 = 1;
    pub(super) const SCHED_CLS: u32 = 3;
    pub(super) const SCHED_ACT: u32 = 4;
    pub(super) const XDP: u32 = 6;
    pub(super) const RAW_TRACEPOINT: u32 = 17;
    pub(super) const SYSCALL: u32 = 31;
}

/// What a program is run on, as `BPF_PROG_TEST_RUN` takes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// `syscall` programs: the memory behind r1. Others: `struct __sk_buff` or `struct xdp_md`,
    /// empty for none.
    pub ctx: Vec<u8>,
    /// The packet from its Ethernet header on, for program types that take one.
    pub packet: Vec<u8>,
}

/// What a run gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// All 64 bits of r0. `BPF_PROG_TEST_RUN` hands out the low 32.
    pub r0: u64,
    /// The context afterwards, as long as the one that went in.
    pub ctx: Vec<u8>,
    /// The packet afterwards, as a test run hands it out: behind a socket filter its Ethernet
    /// header is zero.
    pub packet: Vec<u8>,
    /// Instructions executed; a wide one counts once.
    pub steps: u64,
    /// The kernel's result may differ, because an address (or the result of a helper such as
    /// `bpf_ktime_get_ns`) is in r0, was written to memory that outlives the run, or decided a
    /// branch.
    pub address_leaked: bool,
    /// A `may_goto` has used up its 8,388,608 passes. Where the JIT counts time instead
    /// (`bpf_jit_supports_timed_may_goto`), the kernel's result may be another one.
    pub may_goto_spent: bool,
}

/// How a run starts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Entry<'a> {
    /// As the program's type demands.
    Program(&'a Input),
    /// As a function that gets this memory, see [`Machine::run_function`].
    Function(&'a [u8]),
}

/// A load plan ready to run: its maps created and filled, its programs decoded.
///
/// As in the kernel, maps keep their contents from run to run.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(crate) programs: Vec<Program>,
    insns: Vec<Vec<Insn>>,
    maps: Maps,
    pub(crate) memory: Memory,
    scratch: Scratch,
}

impl Machine {
    /// Creates the maps and decodes the programs.
    ///
    /// A program that the kernel would refuse is no error: it traps where it goes wrong.
    ///
    /// # Errors
    ///
    /// If a map cannot be created or filled.
    pub fn new(plan: &LoadPlan) -> Result<Self, ModelError> {
        let mut memory = Memory::new();
        let maps = Maps::create(&plan.maps, &mut memory)?;
        maps.hold_functions(functions::tables(plan), &mut memory);
        memory.seal();
        let loader = MapLoader { maps: &maps, memory: &memory };
        let programs = plan.programs.iter().map(|program| lower(program, &loader)).collect();
        let insns = plan.programs.iter().map(|program| program.insns.clone()).collect();
        Ok(Self { programs, insns, maps, memory, scratch: Scratch::default() })
    }

    /// Runs the program with this index for at most `budget` steps.
    ///
    /// # Errors
    ///
    /// The trap that stopped it. Maps keep what was written before.
    pub fn run(
        &mut self,
        program: usize,
        input: &Input,
        budget: u64,
    ) -> Result<Outcome, Box<Trap>> {
        let mut tracer = Tracer::new(0);
        self.execute::<false, _>(program, Entry::Program(input), budget, &mut tracer)
    }

    /// Like [`Machine::run`], keeping the last `keep` steps: beside the outcome, or in the trap.
    ///
    /// # Errors
    ///
    /// The trap that stopped it, with the trace.
    pub fn run_traced(
        &mut self,
        program: usize,
        input: &Input,
        budget: u64,
        keep: usize,
    ) -> Result<(Outcome, Trace), Box<Trap>> {
        let mut tracer = Tracer::new(keep);
        match self.execute::<true, _>(program, Entry::Program(input), budget, &mut tracer) {
            Ok(outcome) => Ok((outcome, self.trace(&tracer))),
            Err(mut trap) => {
                trap.trace = self.trace(&tracer);
                Err(trap)
            }
        }
    }

    /// Like [`Machine::run`], with an observer that sees each step. Slower, and no run is so
    /// unless it asks for it.
    ///
    /// # Errors
    ///
    /// The trap that stopped it. Maps keep what was written before.
    pub fn run_observed(
        &mut self,
        program: usize,
        input: &Input,
        budget: u64,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, Box<Trap>> {
        self.execute::<true, _>(program, Entry::Program(input), budget, &mut Observed(observer))
    }

    /// The contents of the map with this index.
    pub fn map(&self, index: usize) -> Option<MapView<'_>> {
        self.maps.0.get(index).map(|map| MapView { map, memory: &self.memory })
    }

    pub(crate) fn execute<const TRACE: bool, W: Watch>(
        &mut self,
        number: usize,
        entry: Entry<'_>,
        budget: u64,
        watch: &mut W,
    ) -> Result<Outcome, Box<Trap>> {
        let Self { programs, insns, maps, memory, scratch } = self;
        let Some(program) = programs.get(number) else {
            return Err(Box::new(Trap {
                kind: TrapKind::Unsupported(format!("there is no program {number}").into()),
                program: number,
                slot: 0,
                insn: String::new(),
                regs: [Value::UNINIT; 11],
                shown: Vec::new(),
                steps: 0,
                trace: Trace::default(),
            }));
        };
        memory.begin_run(number);
        let arguments = match entry {
            Entry::Program(input) => {
                set_up(program.prog_type, memory, input).map(|r1| (r1, Value::UNINIT))
            }
            Entry::Function(argument) => Ok(function::set_up(memory, argument)),
        };
        let (r1, r2) = *arguments.as_ref().unwrap_or(&(Value::UNINIT, Value::UNINIT));
        let mut state = State::new(number, r1, memory);
        state.regs[2] = r2;
        state.one_stack = matches!(entry, Entry::Program(_)) && has_one_stack(program.prog_type);
        let world = World { programs, memory, maps, scratch };
        let ran = arguments.and_then(|_| exec::run::<TRACE, W>(world, &mut state, budget, watch));
        if let Err(kind) = ran {
            // A tail call may have led to another program.
            let slot_of = programs.get(state.program).map_or(&[][..], |program| &program.slot_of);
            let slot = slot_of.get(state.at).copied().unwrap_or_default() as usize;
            let mut regs = [Value::UNINIT; 11];
            regs.copy_from_slice(&state.regs[..11]);
            return Err(Box::new(Trap {
                insn: insns.get(state.program).map_or_else(String::new, |i| disassemble(i, slot)),
                kind,
                program: state.program,
                slot,
                shown: (0..)
                    .zip(regs)
                    .filter(|(_, value)| *value != Value::UNINIT)
                    .map(|(reg, value)| change(memory, reg, value))
                    .collect(),
                regs,
                steps: state.steps,
                trace: Trace::default(),
            }));
        }
        let (ctx, packet) = match entry {
            // What r1 points to is the first object of a run.
            Entry::Function(_) => (memory.first_of_run().to_vec(), Vec::new()),
            Entry::Program(input) => match program.prog_type {
                prog_type::SYSCALL | prog_type::RAW_TRACEPOINT => {
                    (memory.first_of_run().to_vec(), input.packet.clone())
                }
                _ => packet::results(memory, &input.ctx),
            },
        };
        let r0 = state.regs[0];
        let address_leaked = state.leaked || memory.leaked || r0.prov.is_address();
        Ok(Outcome {
            r0: r0.bits,
            ctx,
            packet,
            steps: state.steps,
            address_leaked,
            may_goto_spent: state.may_goto_spent,
        })
    }

    fn trace(&self, tracer: &Tracer) -> Trace {
        let mut entries = Vec::new();
        for (step, changed) in tracer.steps() {
            let (Some(program), Some(insns)) =
                (self.programs.get(step.program), self.insns.get(step.program))
            else {
                continue;
            };
            if program.is_marker(step.code) {
                continue;
            }
            let slot = program.slot_of.get(step.code).copied().unwrap_or_default() as usize;
            let changed = changed.into_iter().map(|(reg, value)| change(&self.memory, reg, value));
            entries.push(TraceEntry {
                program: step.program,
                slot,
                depth: step.depth,
                insn: disassemble(insns, slot),
                changed: changed.collect(),
            });
        }
        Trace { left_out: tracer.left_out(), entries }
    }
}

fn change(memory: &Memory, reg: u8, value: Value) -> Change {
    Change { reg, value, text: memory.show(value) }
}

/// Whether all frames of such a program lie on the kernel's stack: the JIT gives the other types a
/// stack for each function that has much (`bpf_enable_priv_stack()` in `kernel/bpf/verifier.c`).
fn has_one_stack(prog_type: u32) -> bool {
    matches!(
        prog_type,
        prog_type::SYSCALL
            | prog_type::SOCKET_FILTER
            | prog_type::SCHED_CLS
            | prog_type::SCHED_ACT
            | prog_type::XDP
    )
}

/// Sets up context and packet; gives r1.
fn set_up(prog_type: u32, memory: &mut Memory, input: &Input) -> Result<Value, TrapKind> {
    match prog_type {
        prog_type::SYSCALL | prog_type::RAW_TRACEPOINT => {
            Ok(memory.add_for_run(&input.ctx, Region::SyscallContext))
        }
        prog_type::SOCKET_FILTER => packet::set_up_skb(memory, &input.ctx, &input.packet, false),
        prog_type::SCHED_CLS | prog_type::SCHED_ACT => {
            packet::set_up_skb(memory, &input.ctx, &input.packet, true)
        }
        prog_type::XDP => packet::set_up_xdp(memory, &input.ctx, &input.packet),
        other => Err(TrapKind::Unsupported(format!("program type {other}").into())),
    }
}
