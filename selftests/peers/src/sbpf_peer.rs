//! `solana-sbpf`: has its own address space, translated by region at each access.

use std::ptr::NonNull;
use std::sync::Arc;

use bpf_isa::{Insn, opcode};
use solana_sbpf::aligned_memory::AlignedMemory;
use solana_sbpf::ebpf::{self, HOST_ALIGN};
use solana_sbpf::elf::Executable;
use solana_sbpf::error::EbpfError;
use solana_sbpf::memory_region::{MemoryMapping, MemoryRegion};
use solana_sbpf::program::{
    BuiltinFunctionDefinition, BuiltinProgram, FunctionRegistry, SBPFVersion,
};
use solana_sbpf::verifier::RequisiteVerifier;
use solana_sbpf::vm::{CallFrame, Config, ContextObject, EbpfVm, ExecutionMode};

use crate::program::{Function, PeerError, Program, encode};
use crate::{Peer, Run};

/// The newest; up to version 3 calls and 32-bit jumps are missing or have another encoding, or
/// addresses are translated by a search.
const VERSION: SBPFVersion = SBPFVersion::V4;
/// Step limit of a run.
const BUDGET: u64 = 1 << 32;
/// Helper calls refer to a hash of this name.
const HELPER: &str = "helper";

/// A program in `solana-sbpf`.
pub(crate) struct Sbpf<'p> {
    program: &'p Program,
    loader: Arc<BuiltinProgram<Context>>,
    executable: Executable<Context>,
    stack: AlignedMemory<HOST_ALIGN>,
    frames: Vec<CallFrame>,
}

impl<'p> Sbpf<'p> {
    /// Prepares a program that passed [`Program::check`].
    pub(crate) fn new(program: &'p Program) -> Result<Self, PeerError> {
        let refused = |why: &dyn std::error::Error| PeerError::Refused {
            peer: Peer::Sbpf.name(),
            why: why.to_string(),
        };
        let mut builtins = BuiltinProgram::new_loader(Config::default());
        CallHelper::register(&mut builtins, HELPER).map_err(|why| refused(&why))?;
        let loader = Arc::new(builtins);
        let hash = ebpf::hash_symbol_name(HELPER.as_bytes()) as i32;
        let insns: Vec<Insn> = program
            .insns
            .iter()
            .map(|&insn| match insn {
                Insn { code: opcode::CALL_IMM, src: 0, .. } => Insn { imm: hash, ..insn },
                other => other,
            })
            .collect();
        let executable = Executable::from_text_bytes(
            &encode(&insns),
            Arc::clone(&loader),
            VERSION,
            FunctionRegistry::default(),
        )
        .map_err(|why| refused(&why))?;
        executable.verify::<RequisiteVerifier>().map_err(|why| refused(&why))?;
        let config = executable.get_config();
        let stack = AlignedMemory::zero_filled(config.stack_size());
        let frames = vec![CallFrame::default(); config.max_call_depth];
        Ok(Self { program, loader, executable, stack, frames })
    }
}

impl Run for Sbpf<'_> {
    fn run(&mut self, memory: &mut [u8]) -> Result<u64, PeerError> {
        self.program.check_memory(memory)?;
        let failed =
            |why: EbpfError| PeerError::Failed { peer: Peer::Sbpf.name(), why: why.to_string() };
        let stack_len = self.stack.len();
        let regions = vec![
            self.executable.get_ro_region(),
            MemoryRegion::new(&mut self.stack, ebpf::MM_STACK_START),
            MemoryRegion::new(&raw mut *memory, ebpf::MM_INPUT_START),
        ];
        let config = self.executable.get_config();
        #[expect(unsafe_code, reason = "the crate has no safe way to make a mapping")]
        // SAFETY: the regions are the executable's read-only data, the stack and `memory`. All are
        // borrowed by this call and outlive the mapping, which is dropped with `context` at its
        // end; nothing else accesses them until then. Stack and memory are plain bytes.
        let mapping = unsafe { MemoryMapping::new(regions, config, VERSION) };
        let mut context = Context {
            mapping: mapping.map_err(failed)?,
            remaining: BUDGET,
            helper: self.program.helper.map(|helper| helper.function),
        };
        let mut vm = EbpfVm::new(Arc::clone(&self.loader), VERSION, &mut context, stack_len);
        vm.registers[1] = ebpf::MM_INPUT_START;
        vm.registers[2] = u64::from(self.program.memory_len);
        let mut mode = ExecutionMode::Interpreted;
        let (_, result) = vm.execute_program(&self.executable, &mut mode, &mut self.frames);
        Result::from(result).map_err(failed)
    }
}

/// State of a run besides the machine.
struct Context {
    mapping: MemoryMapping,
    /// Steps left.
    remaining: u64,
    helper: Option<Function>,
}

impl ContextObject for Context {
    fn consume(&mut self, amount: u64) {
        self.remaining = self.remaining.saturating_sub(amount);
    }

    fn get_remaining(&self) -> u64 {
        self.remaining
    }

    fn active_mapping_ptr(&mut self) -> NonNull<MemoryMapping> {
        NonNull::from_mut(&mut self.mapping)
    }
}

/// Calls the program's helper.
struct CallHelper;

impl BuiltinFunctionDefinition<Context> for CallHelper {
    type Error = EbpfError;

    fn rust(
        context: &mut Context,
        a: u64,
        b: u64,
        c: u64,
        d: u64,
        e: u64,
    ) -> Result<u64, EbpfError> {
        match context.helper {
            Some(function) => Ok(function(a, b, c, d, e)),
            None => Err(EbpfError::UnsupportedInstruction),
        }
    }
}
