//! `bpf(2)`, one safe function per command; those on maps are in [`super::map`].
//!
//! The kernel reads and writes memory by sizes that it keeps itself; the types here keep the same
//! sizes, so no call accesses memory past a buffer, whatever the host requests.

#![expect(unsafe_code, reason = "bpf(2) takes addresses as numbers")]

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use nix::errno::Errno;

use super::uapi::{
    BPF_PROG_TYPE_RAW_TRACEPOINT, BPF_PROG_TYPE_SYSCALL, BtfLoad, InfoByFd, NAME_LEN, ProgInfo,
    ProgLoad, TestRun, cmd,
};

/// Limit for packet data returned by a test run; a record cannot hold more.
const MAX_DATA_OUT: u32 = 64 << 20;

/// Why a call failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CallError {
    /// The kernel's `errno`, which need not have a name in user space (`ENOTSUPP`, 524).
    Kernel(i32),
    /// The call was not made because its arguments are invalid.
    Misuse(String),
}

impl From<Errno> for CallError {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno as i32)
    }
}

impl From<RawErrno> for CallError {
    fn from(RawErrno(errno): RawErrno) -> Self {
        Self::Kernel(errno)
    }
}

/// An `errno` with or without a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RawErrno(pub(super) i32);

/// Calls `bpf(2)`.
///
/// # Safety
///
/// `T` must be a prefix of the attribute of `command`, and every address in it must be valid for
/// what the command does with it.
pub(super) unsafe fn bpf<T>(command: u32, attr: &mut T) -> Result<RawFd, RawErrno> {
    // SAFETY: `attr` has the given size; the caller promises the rest.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, ptr::from_mut(attr), size_of::<T>()) };
    match result {
        -1 => Err(RawErrno(Errno::last_raw())),
        result => Ok(result as RawFd),
    }
}

/// Calls a command that returns a descriptor.
///
/// # Safety
///
/// As for [`bpf`].
pub(super) unsafe fn bpf_fd<T>(command: u32, attr: &mut T) -> Result<OwnedFd, RawErrno> {
    // SAFETY: the caller's promise.
    let fd = unsafe { bpf(command, attr)? };
    // SAFETY: the kernel created this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

pub(super) fn number(fd: &impl AsRawFd) -> u32 {
    fd.as_raw_fd().cast_unsigned()
}

/// The address of the bytes; the kernel requires 0 if there are none.
pub(super) fn address(bytes: &[u8]) -> u64 {
    if bytes.is_empty() { 0 } else { bytes.as_ptr().expose_provenance() as u64 }
}

pub(super) fn address_mut<T>(items: &mut [T]) -> u64 {
    if items.is_empty() { 0 } else { items.as_mut_ptr().expose_provenance() as u64 }
}

fn length(bytes: &[u8]) -> Result<u32, CallError> {
    u32::try_from(bytes.len())
        .map_err(|_| CallError::Misuse(format!("{} bytes are too many for bpf(2)", bytes.len())))
}

/// The first 15 bytes and a NUL.
pub(super) fn object_name(name: &str) -> [u8; NAME_LEN] {
    let mut bytes = [0; NAME_LEN];
    let valid = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.');
    for (to, from) in bytes[..NAME_LEN - 1].iter_mut().zip(name.chars()) {
        *to = if valid(from) { from as u8 } else { b'_' };
    }
    bytes
}

/// `BPF_BTF_LOAD`. With a log buffer, `log_level` 1.
pub(crate) fn load_btf(data: &[u8], log: &mut [u8]) -> Result<OwnedFd, CallError> {
    let mut attr = BtfLoad {
        btf: address(data),
        btf_log_buf: address_mut(log),
        btf_size: length(data)?,
        btf_log_size: length(log)?,
        btf_log_level: u32::from(!log.is_empty()),
        btf_log_true_size: 0,
    };
    // SAFETY: both buffers outlive the call and have the given sizes.
    Ok(unsafe { bpf_fd(cmd::BTF_LOAD, &mut attr)? })
}

/// The arguments of a program load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProgramSpec<'a> {
    /// Name, truncated to 15 bytes.
    pub(crate) name: &'a str,
    /// `enum bpf_prog_type`.
    pub(crate) prog_type: u32,
    /// `enum bpf_attach_type`.
    pub(crate) expected_attach_type: u32,
    /// `BPF_F_*`.
    pub(crate) flags: u32,
    /// License.
    pub(crate) license: &'a CStr,
    /// Instruction slots.
    pub(crate) insns: &'a [[u8; 8]],
    /// BTF object, if any.
    pub(crate) btf: Option<BorrowedFd<'a>>,
    /// `struct bpf_func_info`.
    pub(crate) func_info: &'a [[u8; 8]],
    /// `struct bpf_line_info`.
    pub(crate) line_info: &'a [[u8; 16]],
}

/// Outcome of one `BPF_PROG_LOAD`.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The program's descriptor, or why there is none.
    pub(crate) fd: Result<OwnedFd, CallError>,
    /// Size of the whole log, with its NUL; 0 if the kernel did not report it.
    pub(crate) log_true_size: u32,
}

/// `BPF_PROG_LOAD`, with a log if `log_level` is not 0.
pub(crate) fn load_program(spec: &ProgramSpec<'_>, log_level: u32, log: &mut [u8]) -> Loaded {
    let mut attempt = || -> Result<(Result<OwnedFd, RawErrno>, u32), CallError> {
        let insns = spec.insns.as_flattened();
        let func_info = spec.func_info.as_flattened();
        let line_info = spec.line_info.as_flattened();
        let mut attr = ProgLoad {
            prog_type: spec.prog_type,
            insn_cnt: length(insns)? / 8,
            insns: address(insns),
            license: spec.license.as_ptr().expose_provenance() as u64,
            log_level,
            log_size: length(log)?,
            log_buf: address_mut(log),
            prog_flags: spec.flags,
            prog_name: object_name(spec.name),
            expected_attach_type: spec.expected_attach_type,
            prog_btf_fd: spec.btf.map_or(0, |btf| number(&btf)),
            func_info_rec_size: if func_info.is_empty() { 0 } else { 8 },
            func_info: address(func_info),
            func_info_cnt: length(func_info)? / 8,
            line_info_rec_size: if line_info.is_empty() { 0 } else { 16 },
            line_info: address(line_info),
            line_info_cnt: length(line_info)? / 16,
            ..ProgLoad::default()
        };
        // SAFETY: all buffers outlive the call and have the given sizes; the license is
        // NUL-terminated.
        let fd = unsafe { bpf_fd(cmd::PROG_LOAD, &mut attr) };
        Ok((fd, attr.log_true_size))
    };
    match attempt() {
        Ok((fd, log_true_size)) => Loaded { fd: fd.map_err(CallError::from), log_true_size },
        Err(error) => Loaded { fd: Err(error), log_true_size: 0 },
    }
}

/// What the kernel reports about a program.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Info {
    /// Bytes of machine code of all subprograms, 0 in the interpreter.
    pub(crate) jited_len: u32,
    /// Bytes of xlated instructions.
    pub(crate) xlated_len: u32,
    /// Instructions that the verifier processed.
    pub(crate) verified_insns: u32,
    /// Xlated instructions, if dumped and exposed by the kernel.
    pub(crate) xlated: Vec<u8>,
    /// Machine code, if dumped and exposed by the kernel.
    pub(crate) jited: Vec<u8>,
    /// Address and length of each function in `jited`.
    pub(crate) jited_funcs: Vec<(u64, u32)>,
}

/// `BPF_OBJ_GET_INFO_BY_FD` of a program, twice if there is something to dump.
pub(crate) fn program_info(program: &OwnedFd, dump: bool) -> Result<Info, CallError> {
    // SAFETY: it contains no address.
    let lengths = unsafe { raw_info(program, ProgInfo::default())? };
    let mut info = Info {
        jited_len: lengths.jited_prog_len,
        xlated_len: lengths.xlated_prog_len,
        verified_insns: lengths.verified_insns,
        ..Info::default()
    };
    if dump {
        let mut xlated = vec![0; info.xlated_len as usize];
        let mut jited = vec![0; info.jited_len as usize];
        let mut ksyms = vec![0_u64; lengths.nr_jited_ksyms as usize];
        let mut func_lens = vec![0_u32; lengths.nr_jited_func_lens as usize];
        let wanted = ProgInfo {
            xlated_prog_len: info.xlated_len,
            xlated_prog_insns: address_mut(&mut xlated),
            jited_prog_len: info.jited_len,
            jited_prog_insns: address_mut(&mut jited),
            nr_jited_ksyms: lengths.nr_jited_ksyms,
            jited_ksyms: address_mut(&mut ksyms),
            nr_jited_func_lens: lengths.nr_jited_func_lens,
            jited_func_lens: address_mut(&mut func_lens),
            ..ProgInfo::default()
        };
        // SAFETY: the buffers outlive the call and have the given sizes.
        let dumped = unsafe { raw_info(program, wanted)? };
        // The kernel clears the address of what it does not expose (kernel/bpf/syscall.c:
        // bpf_prog_get_info_by_fd()).
        if dumped.xlated_prog_insns != 0 {
            info.xlated = xlated;
        }
        if dumped.jited_prog_insns != 0 {
            info.jited = jited;
            if dumped.jited_ksyms != 0 && dumped.jited_func_lens != 0 {
                info.jited_funcs = ksyms.into_iter().zip(func_lens).collect();
            }
        }
    }
    Ok(info)
}

/// `BPF_OBJ_GET_INFO_BY_FD` of a program.
///
/// # Safety
///
/// Every address in `info` must be 0 or refer to a buffer of the size given next to it.
pub(super) unsafe fn raw_info(program: &OwnedFd, mut info: ProgInfo) -> Result<ProgInfo, RawErrno> {
    let mut attr = InfoByFd {
        bpf_fd: number(program),
        info_len: size_of::<ProgInfo>() as u32,
        info: ptr::from_mut(&mut info).expose_provenance() as u64,
    };
    // SAFETY: `info` outlives the call; the caller promises the validity of its pointers.
    unsafe { bpf(cmd::OBJ_GET_INFO_BY_FD, &mut attr)? };
    Ok(info)
}

/// The input of a test run.
#[derive(Debug)]
pub(crate) struct RunArgs {
    /// Packet data in.
    pub(crate) data: Vec<u8>,
    /// Context in.
    pub(crate) ctx: Vec<u8>,
    /// Bytes of packet data to return.
    pub(crate) data_out: u32,
    /// Whether to return the context.
    pub(crate) ctx_out: bool,
}

/// The output of a test run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RunResult {
    /// Low 32 bits of r0.
    pub(crate) retval: u32,
    /// Packet data afterwards.
    pub(crate) data: Vec<u8>,
    /// Context afterwards.
    pub(crate) ctx: Vec<u8>,
}

/// `BPF_PROG_TEST_RUN`, once.
pub(crate) fn test_run(
    program: &OwnedFd,
    prog_type: u32,
    mut args: RunArgs,
) -> Result<RunResult, CallError> {
    if args.data_out > MAX_DATA_OUT {
        return Err(CallError::Misuse(format!(
            "cannot take {} bytes of packet data back, at most {MAX_DATA_OUT}",
            args.data_out
        )));
    }
    // A syscall program's context is written back to the input buffer (net/bpf/test_run.c:
    // bpf_prog_test_run_syscall()); an output address is rejected. A raw tracepoint's arguments are
    // not changed, and packets are rejected (bpf_prog_test_run_raw_tp()).
    let raw_tp = prog_type == BPF_PROG_TYPE_RAW_TRACEPOINT;
    let in_place = prog_type == BPF_PROG_TYPE_SYSCALL || raw_tp;
    let mut data_out = vec![0; args.data_out as usize];
    let mut ctx_out = vec![0; if args.ctx_out && !in_place { args.ctx.len() } else { 0 }];
    let mut attr = TestRun {
        prog_fd: number(program),
        data_size_in: length(&args.data)?,
        data_size_out: args.data_out,
        data_in: if raw_tp { 0 } else { address(&args.data) },
        data_out: if raw_tp { 0 } else { address_mut(&mut data_out) },
        ctx_size_in: length(&args.ctx)?,
        ctx_size_out: length(&ctx_out)?,
        ctx_in: address_mut(&mut args.ctx),
        ctx_out: address_mut(&mut ctx_out),
        ..TestRun::default()
    };
    // SAFETY: all buffers outlive the call, have the given sizes, and are writable where the kernel
    // writes.
    unsafe { bpf(cmd::PROG_TEST_RUN, &mut attr)? };
    data_out.truncate(attr.data_size_out as usize);
    let ctx = match (args.ctx_out, in_place) {
        (false, _) => Vec::new(),
        (true, true) => args.ctx,
        (true, false) => {
            ctx_out.truncate(attr.ctx_size_out as usize);
            ctx_out
        }
    };
    Ok(RunResult { retval: attr.retval, data: data_out, ctx })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_to_what_the_kernel_takes() {
        assert_eq!(&object_name("table"), b"table\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(&object_name("a_name_that_is_too_long"), b"a_name_that_is_\0");
        assert_eq!(&object_name("pr\u{fc}fe$1"), b"pr_fe_1\0\0\0\0\0\0\0\0\0");
    }

    #[test]
    fn no_bytes_have_no_address() {
        assert_eq!(address(&[]), 0);
        assert_eq!(address_mut::<u8>(&mut []), 0);
        assert_ne!(address(&[0]), 0);
    }
}
