//! `rbpf`: bounds are ranges of host addresses, checked at each access.

use std::any::Any;

use rbpf::EbpfVmRaw;

use crate::program::{FRAME_SIZE, PeerError, Program};
use crate::{Peer, Run};

/// A program in `rbpf`.
pub(crate) struct Rbpf<'p> {
    vm: EbpfVmRaw<'p>,
    program: &'p Program,
}

impl<'p> Rbpf<'p> {
    /// Prepares a program that passed [`Program::check`].
    pub(crate) fn new(program: &'p Program) -> Result<Self, PeerError> {
        let refused = |why: std::io::Error| PeerError::Refused {
            peer: Peer::Rbpf.name(),
            why: why.to_string(),
        };
        let mut vm = EbpfVmRaw::new(Some(&program.with_length)).map_err(refused)?;
        vm.set_stack_usage_calculator(frame_size, Box::new(())).map_err(refused)?;
        if let Some(helper) = program.helper {
            vm.register_helper(helper.id as u32, helper.function).map_err(refused)?;
        }
        Ok(Self { vm, program })
    }
}

fn frame_size(_program: &[u8], _slot: usize, _data: &mut dyn Any) -> u16 {
    FRAME_SIZE
}

impl Run for Rbpf<'_> {
    fn run(&mut self, memory: &mut [u8]) -> Result<u64, PeerError> {
        self.program.check_memory(memory)?;
        self.vm
            .execute_program(memory)
            .map_err(|why| PeerError::Failed { peer: Peer::Rbpf.name(), why: why.to_string() })
    }
}
