//! Loads a program: map descriptors in the instructions, the verifier log, capabilities.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd};

use bpf_wire::{Failure, Output, ProgramLoad};

use super::StepError;
use super::slots::{Objects, Program};
use crate::kernel::Kernel;
use crate::kernel::bpf::{self, CallError, Loaded, ProgramSpec};
use crate::kernel::caps::Dropped;

/// Initial size of the log buffer, enough for all but the longest.
const FIRST_LOG_SIZE: usize = 1 << 20;

/// Maximum size of the log buffer. The kernel keeps the end of a longer log.
const MAX_LOG_SIZE: usize = 16 << 20;

/// `BPF_LOG_LEVEL1`: requested to learn why a load failed.
const LOG_OF_FAILURE: u32 = 1;

/// `ENOSPC`: the log was truncated.
const ENOSPC: i32 = libc::ENOSPC;

/// `BPF_PROG_LOAD`, as the step requests.
pub(super) fn load(
    kernel: &mut Kernel,
    objects: &mut Objects,
    load: ProgramLoad,
) -> Result<Output, StepError> {
    let (fd, log) = attempt(kernel, objects, &load, |spec| {
        with_log(load.log_level, |level, buffer| bpf::load_program(spec, level, buffer))
    })?;
    let fd = match fd {
        Ok(fd) => fd,
        Err(CallError::Kernel(errno)) => {
            return Err(StepError::Refused(Failure { errno, log }));
        }
        Err(error) => return Err(error.into()),
    };
    let info = bpf::program_info(&fd, load.dump)
        .map_err(|e| format!("the program was loaded, but its info cannot be had: {e:?}"))?;
    objects.programs.add(Program { fd, prog_type: load.prog_type });
    Ok(Output::Loaded {
        log,
        jited_len: info.jited_len,
        xlated_len: info.xlated_len,
        verified_insns: info.verified_insns,
        xlated: info.xlated,
        jited: info.jited,
        jited_funcs: info.jited_funcs,
    })
}

/// The same, once, without a log and without querying the program.
pub(super) fn load_bare(
    kernel: &mut Kernel,
    objects: &mut Objects,
    load: ProgramLoad,
) -> Result<(), StepError> {
    let loaded = attempt(kernel, objects, &load, |spec| bpf::load_program(spec, 0, &mut []))?;
    objects.programs.add(Program { fd: loaded.fd?, prog_type: load.prog_type });
    Ok(())
}

/// Calls `act` with the step's arguments, without the capabilities that it drops.
fn attempt<T>(
    kernel: &mut Kernel,
    objects: &Objects,
    load: &ProgramLoad,
    act: impl FnOnce(&ProgramSpec<'_>) -> T,
) -> Result<T, StepError> {
    let mut insns = slots("instructions", &load.insns)?;
    for &(slot, map) in &load.map_refs {
        refer(&mut insns, slot, objects.maps.get(map)?.as_raw_fd())?;
    }
    let func_info = slots("func_info", &load.func_info)?;
    let line_info = slots("line_info", &load.line_info)?;
    let license = CString::new(load.license.as_str())
        .map_err(|_| format!("the license {:?} holds a NUL", load.license))?;
    let spec = ProgramSpec {
        name: &load.name,
        prog_type: load.prog_type,
        expected_attach_type: load.expected_attach_type,
        flags: load.flags,
        license: &license,
        insns: &insns,
        btf: load.btf.map(|index| objects.btfs.get(index)).transpose()?.map(AsFd::as_fd),
        func_info: &func_info,
        line_info: &line_info,
    };
    let dropped = Dropped::new(&load.without_caps)?;
    if dropped.leaves_unprivileged() {
        kernel.allow_unprivileged()?;
    }
    Ok(dropped.during(|| act(&spec))?)
}

/// Instruction slots and `struct bpf_func_info` have 8 bytes, `struct bpf_line_info` 16.
fn slots<const SIZE: usize>(what: &str, bytes: &[u8]) -> Result<Vec<[u8; SIZE]>, String> {
    match bytes.as_chunks::<SIZE>() {
        (slots, []) => Ok(slots.to_vec()),
        _ => Err(format!("{} bytes of {what} are no multiple of {SIZE}", bytes.len())),
    }
}

/// Writes a descriptor into the immediate, the second half of the slot (`struct bpf_insn`).
fn refer(insns: &mut [[u8; 8]], slot: u32, fd: i32) -> Result<(), String> {
    let len = insns.len();
    let insn = insns
        .get_mut(slot as usize)
        .ok_or_else(|| format!("a map goes into slot {slot}, but there are {len} slots"))?;
    insn[4..].copy_from_slice(&fd.to_le_bytes());
    Ok(())
}

type Outcome = (Result<std::os::fd::OwnedFd, CallError>, String);

/// Loads with the requested log, or without one, which is much faster; after a failure it repeats
/// the load with a log to get the reason. The errno is that of the first load.
///
/// A failed load releases its jump tables (`kernel/bpf/verifier.c`: `release_insn_arrays()`), so it
/// can be repeated.
fn with_log(level: u32, mut attempt: impl FnMut(u32, &mut [u8]) -> Loaded) -> Outcome {
    if level != 0 {
        return with_growing_log(level, attempt);
    }
    match attempt(0, &mut []).fd {
        Err(CallError::Kernel(errno)) => {
            let (_, log) = with_growing_log(LOG_OF_FAILURE, attempt);
            (Err(CallError::Kernel(errno)), log)
        }
        fd => (fd, String::new()),
    }
}

fn with_growing_log(level: u32, mut attempt: impl FnMut(u32, &mut [u8]) -> Loaded) -> Outcome {
    let mut size = FIRST_LOG_SIZE;
    loop {
        let mut log = vec![0; size];
        let Loaded { fd, log_true_size } = attempt(level, &mut log);
        let needed = log_true_size as usize;
        // The verifier itself may return ENOSPC, with a log that fits.
        let cut = matches!(fd, Err(CallError::Kernel(ENOSPC))) && (needed == 0 || needed > size);
        if !cut {
            return (fd, text(&log));
        }
        if size == MAX_LOG_SIZE {
            // The log hides the verdict; the kernel kept its end.
            let end = format!("[the log has {needed} bytes; only its end is here]\n{}", text(&log));
            return (attempt(0, &mut []).fd, end);
        }
        size = needed.max(2 * size).next_power_of_two().min(MAX_LOG_SIZE);
    }
}

/// A log up to its NUL.
pub(super) fn text(log: &[u8]) -> String {
    let end = log.iter().position(|&byte| byte == 0).unwrap_or(log.len());
    String::from_utf8_lossy(&log[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A verifier that writes a log of `log` bytes and returns `verdict`, if any. Returns the
    /// outcome, and `(level, size)` of every attempt.
    fn verify(level: u32, log: usize, verdict: Option<i32>) -> (Outcome, Vec<(u32, usize)>) {
        let mut attempts = Vec::new();
        let outcome = with_log(level, |level, buffer| {
            attempts.push((level, buffer.len()));
            let needed = if level == 0 { 0 } else { log + 1 };
            let cut = needed > buffer.len();
            let kept = needed.min(buffer.len()).saturating_sub(1);
            buffer[..kept].fill(b'x');
            let fd = match verdict {
                _ if cut => Err(CallError::Kernel(ENOSPC)),
                Some(errno) => Err(CallError::Kernel(errno)),
                None => Ok(std::io::stdin().as_fd().try_clone_to_owned().unwrap()),
            };
            Loaded { fd, log_true_size: needed as u32 }
        });
        (outcome, attempts)
    }

    #[test]
    fn an_accepted_program_is_loaded_once_without_a_log() {
        let ((fd, log), attempts) = verify(0, 100, None);
        assert!(fd.is_ok());
        assert_eq!((log.as_str(), attempts), ("", vec![(0, 0)]));
    }

    #[test]
    fn a_refused_program_is_loaded_again_for_its_log() {
        let ((fd, log), attempts) = verify(0, 5, Some(libc::EACCES));
        assert_eq!(fd.unwrap_err(), CallError::Kernel(libc::EACCES));
        assert_eq!((log.as_str(), attempts), ("xxxxx", vec![(0, 0), (1, FIRST_LOG_SIZE)]));
    }

    #[test]
    fn a_long_log_gets_what_it_needs() {
        let ((fd, log), attempts) = verify(2, 3 << 20, None);
        assert!(fd.is_ok());
        assert_eq!(log.len(), 3 << 20);
        assert_eq!(attempts, [(2, FIRST_LOG_SIZE), (2, 4 << 20)]);
    }

    #[test]
    fn a_log_without_end_does_not_hide_the_verdict() {
        let ((fd, log), attempts) = verify(2, 40 << 20, Some(libc::E2BIG));
        assert_eq!(fd.unwrap_err(), CallError::Kernel(libc::E2BIG));
        assert!(log.starts_with("[the log has 41943041 bytes; only its end is here]\nxxx"));
        assert_eq!(attempts, [(2, FIRST_LOG_SIZE), (2, MAX_LOG_SIZE), (0, 0)]);
    }

    #[test]
    fn a_verdict_of_enospc_is_believed() {
        let ((fd, _), attempts) = verify(1, 10, Some(ENOSPC));
        assert_eq!(fd.unwrap_err(), CallError::Kernel(ENOSPC));
        assert_eq!(attempts.len(), 1);
    }

    #[test]
    fn a_descriptor_goes_into_the_immediate() {
        let mut insns = slots("instructions", &[1; 16]).unwrap();
        refer(&mut insns, 1, 0x0403_0201).unwrap();
        assert_eq!(insns, [[1; 8], [1, 1, 1, 1, 1, 2, 3, 4]]);
        assert_eq!(
            refer(&mut insns, 2, 5),
            Err("a map goes into slot 2, but there are 2 slots".to_owned())
        );
    }

    #[test]
    fn half_a_slot_is_refused() {
        assert_eq!(
            slots::<8>("instructions", &[0; 12]),
            Err("12 bytes of instructions are no multiple of 8".to_owned())
        );
    }
}
