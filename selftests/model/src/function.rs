//! Functions that no kernel calls: bare instructions that get a piece of memory.
//!
//! This is how implementations in user space (uBPF, rbpf, the plug-ins of `bpf_conformance`) call a
//! program: r1 is the memory's address and r2 its length in bytes.

use bpf_isa::Insn;
use bpf_object::{FunctionStart, LoadPlan, ProgramPlan};

use crate::machine::{Entry, Machine, Outcome};
use crate::maps::ModelError;
use crate::memory::{Memory, Region};
use crate::trace::Tracer;
use crate::trap::Trap;
use crate::value::Value;

impl Machine {
    /// A machine without maps whose program 0 is these instructions. It has no program type:
    /// [`Machine::run_function`] runs it, [`Machine::run`] does not.
    ///
    /// # Errors
    ///
    /// As [`Machine::new`]; without maps nothing fails.
    pub fn of_insns(insns: &[Insn]) -> Result<Self, ModelError> {
        let program = ProgramPlan {
            name: "main".into(),
            prog_type: 0,
            expected_attach_type: 0,
            flags: 0,
            license: String::new(),
            insns: insns.to_vec(),
            functions: vec![FunctionStart { name: "main".into(), slot: 0, global: true }],
            map_refs: Vec::new(),
            func_info: Vec::new(),
            line_info: Vec::new(),
        };
        Self::new(&LoadPlan { programs: vec![program], ..LoadPlan::default() })
    }

    /// Runs the program with this index for at most `budget` steps as a function of memory, of
    /// whatever type the program is: r1 is the address of `memory`, r2 its length in bytes; both
    /// are the number 0 where it is empty. The memory can be read and written, at any alignment.
    ///
    /// [`Outcome::ctx`] is the memory afterwards.
    ///
    /// # Errors
    ///
    /// The trap that stopped it. Maps keep what was written before.
    pub fn run_function(
        &mut self,
        program: usize,
        memory: &[u8],
        budget: u64,
    ) -> Result<Outcome, Box<Trap>> {
        let mut tracer = Tracer::new(0);
        self.execute::<false, _>(program, Entry::Function(memory), budget, &mut tracer)
    }
}

/// Sets up the memory; gives r1 and r2.
pub(crate) fn set_up(memory: &mut Memory, argument: &[u8]) -> (Value, Value) {
    let address = memory.add_for_run(argument, Region::Argument);
    let r1 = if argument.is_empty() { Value::scalar(0) } else { address };
    (r1, Value::scalar(argument.len() as u64))
}
