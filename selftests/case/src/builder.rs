//! Builder for cases, so that one case fits on a screen.
//!
//! A case starts with [`accepts`] or [`rejects`], continues with method calls, and ends with
//! `.into()`. The two are separate types: a rejected case has no result, and an accepted one no
//! `errno`.

use std::sync::Arc;

use bpf_object::{BtfUse, LoadPlan};
use bpf_programs::Program;

use crate::case::{
    Act, Blinding, Case, Check, Expect, Feature, LoadOptions, RejectedAt, Rejection, Run, Source,
    Words,
};

/// `errno` values that cases expect (from `asm-generic/errno-base.h` unless noted, the same on
/// every architecture).
pub mod errno {
    /// Operation not permitted.
    pub const EPERM: i32 = 1;
    /// Argument list too long.
    pub const E2BIG: i32 = 7;
    /// Permission denied.
    pub const EACCES: i32 = 13;
    /// Bad address.
    pub const EFAULT: i32 = 14;
    /// Device or resource busy.
    pub const EBUSY: i32 = 16;
    /// Invalid argument.
    pub const EINVAL: i32 = 22;
    /// Numerical result out of range.
    pub const ERANGE: i32 = 34;
    /// Operation is not supported: internal to the kernel (`include/linux/errno.h`), in no user
    /// space header.
    pub const ENOTSUPP: i32 = 524;
}

/// Capability numbers (`linux/capability.h`).
pub mod cap {
    /// Implies both `BPF` and `PERFMON`, so a case that drops one of them drops this too.
    pub const SYS_ADMIN: u8 = 21;
    /// Exposes kernel pointers, and disables the Spectre v1 mitigation for programs.
    pub const PERFMON: u8 = 38;
    /// Loading programs and creating maps.
    pub const BPF: u8 = 39;
}

/// Flags of `BPF_PROG_LOAD` (`linux/bpf.h`).
pub mod load_flag {
    /// `BPF_F_TEST_RND_HI32`: the upper halves of 32-bit results are overwritten with garbage.
    pub const TEST_RND_HI32: u32 = 1 << 2;
    /// `BPF_F_TEST_STATE_FREQ`: the verifier saves a state at every pruning point.
    pub const TEST_STATE_FREQ: u32 = 1 << 3;
}

/// Flags of `BPF_MAP_CREATE` (`linux/bpf.h`).
pub mod map_flag {
    /// `BPF_F_RDONLY_PROG`: programs only read.
    pub const RDONLY_PROG: u32 = 1 << 7;
    /// `BPF_F_MMAPABLE`: user space may map the values.
    pub const MMAPABLE: u32 = 1 << 10;
}

/// A case that the kernel must load and run. Created by [`accepts`].
#[derive(Clone, Debug)]
pub struct Accepted {
    case: Case,
    runs: Vec<Run>,
}

/// A case that the kernel must reject. Created by [`rejects`].
#[derive(Clone, Debug)]
pub struct Rejected {
    case: Case,
    rejection: Rejection,
}

/// Starts a case that must load; state results with [`Accepted::run`].
///
/// `name` is `suite/case`, `about` describes in one line what the case shows, `source` is the
/// program.
pub fn accepts(
    name: impl Into<String>,
    about: impl Into<String>,
    source: impl Into<String>,
) -> Accepted {
    Accepted { case: blank(name.into(), about.into(), assembly(source)), runs: Vec::new() }
}

/// Like [`accepts`], for a program in Rust.
pub fn accepts_rust(name: impl Into<String>, program: &'static Program) -> Accepted {
    let case = blank(name.into(), program.about.to_owned(), Source::Rust(program));
    Accepted { case, runs: Vec::new() }
}

/// Starts a case that must be rejected: by default the load of the first program fails with
/// `EINVAL`.
pub fn rejects(
    name: impl Into<String>,
    about: impl Into<String>,
    source: impl Into<String>,
) -> Rejected {
    Rejected {
        case: blank(name.into(), about.into(), assembly(source)),
        rejection: Rejection {
            at: RejectedAt::LoadProgram(0),
            errno: errno::EINVAL,
            log: Vec::new(),
        },
    }
}

fn assembly(source: impl Into<String>) -> Source {
    Source::Assembly(source.into())
}

fn blank(name: String, about: String, source: Source) -> Case {
    Case {
        name,
        about,
        source,
        needs: Vec::new(),
        btf: BtfUse::Auto,
        adjust: None,
        load: LoadOptions::default(),
        fixed_by: None,
        blinding: Blinding::Works,
        interp_refuses: None,
        xlated: Vec::new(),
        xlated_mitigated: Vec::new(),
        checks: Vec::new(),
        expect: Expect::Accepted(Vec::new()),
    }
}

/// The methods that accepted and rejected cases share.
macro_rules! shared_words {
    ($builder:ty) => {
        impl $builder {
            /// Requires a kernel feature; without it the case is skipped.
            #[must_use]
            pub fn needs(mut self, feature: Feature) -> Self {
                self.case.needs.push(feature);
                self
            }

            /// Sets which programs get BTF, if not those that need it.
            #[must_use]
            pub fn btf(mut self, btf: BtfUse) -> Self {
                self.case.btf = btf;
                self
            }

            /// Modifies the plan after linking, for what an object file cannot express.
            #[must_use]
            pub fn adjust(mut self, change: fn(&mut LoadPlan)) -> Self {
                self.case.adjust = Some(change);
                self
            }

            /// Drops capabilities (see [`cap`]) while loading programs.
            #[must_use]
            pub fn without_caps(mut self, caps: &[u8]) -> Self {
                self.case.load.without_caps.extend_from_slice(caps);
                self
            }

            /// Names the patch, by its subject, without which the kernel gets the case wrong.
            #[must_use]
            pub fn fixed_by(mut self, subject: &'static str) -> Self {
                self.case.fixed_by = Some(subject);
                self
            }

            /// The program needs the JIT: in the mode `interp` its load must fail with `EINVAL` and
            /// this log, whatever the other modes do.
            #[must_use]
            pub fn interp_refuses(self, log: &'static str) -> Self {
                self.interp_refuses_with(errno::EINVAL, log)
            }

            /// Like [`Self::interp_refuses`], with another errno.
            pub fn interp_refuses_with(mut self, errno: i32, log: &'static str) -> Self {
                self.case.interp_refuses = Some((errno, log));
                self
            }

            /// Adds flags of `BPF_PROG_LOAD` (see [`load_flag`]).
            #[must_use]
            pub fn flags(mut self, flags: u32) -> Self {
                self.case.load.flags |= flags;
                self
            }
        }
    };
}

shared_words!(Accepted);
shared_words!(Rejected);

impl Accepted {
    /// Blinding of the constants must fail, and the interpreter take over.
    #[must_use]
    pub fn blinding_fails(mut self) -> Self {
        self.case.blinding = Blinding::FallsBack;
        self
    }

    /// Blinding of the constants must fail and the interpreter cannot take over: if blinding is
    /// tried, the load fails with this `errno`.
    #[must_use]
    pub fn blinding_refused(mut self, errno: i32) -> Self {
        self.case.blinding = Blinding::Refused(errno);
        self
    }

    /// Runs the program on a context (`syscall` programs); it must return this 32-bit result.
    #[must_use]
    pub fn run(self, ctx: Vec<u8>, returns: u32) -> Self {
        self.push(ctx, Vec::new(), returns, None)
    }

    /// Like [`Accepted::run`], also with the context's bytes afterwards.
    #[must_use]
    pub fn run_writing(self, ctx: Vec<u8>, returns: u32, ctx_after: Vec<u8>) -> Self {
        self.push(ctx, Vec::new(), returns, Some(ctx_after))
    }

    /// Runs the program on a packet (`socket`, `tc`, `xdp`); it must return this 32-bit result.
    #[must_use]
    pub fn run_packet(self, packet: Vec<u8>, returns: u32) -> Self {
        self.push(Vec::new(), packet, returns, None)
    }

    /// Runs the program once for each pair of a single 64-bit context word and a result.
    #[must_use]
    pub fn runs(self, pairs: &[(u64, u32)]) -> Self {
        pairs.iter().fold(self, |case, &(word, returns)| case.run(ctx_u64s(&[word]), returns))
    }

    /// Lines that the xlated program must contain, without their slots, such as `goto pc+0`. Calls
    /// accumulate.
    #[must_use]
    pub fn xlated(mut self, piece: &str) -> Self {
        self.case.xlated.push(piece.to_owned());
        self
    }

    /// Like [`Self::xlated`], on a kernel that mitigates Spectre v1.
    #[must_use]
    pub fn xlated_mitigated(mut self, piece: &str) -> Self {
        self.case.xlated_mitigated.push(piece.to_owned());
        self
    }

    /// Writing to this map from user space must fail with this error (see [`errno`]).
    #[must_use]
    pub fn update_fails(self, map: &str, errno: i32) -> Self {
        self.check(map, Act::UpdateFails(errno))
    }

    /// A batch look-up of this map must return the same as single look-ups.
    #[must_use]
    pub fn reads_in_batch(self, map: &str) -> Self {
        self.check(map, Act::LookupBatch)
    }

    /// This map, mapped into user space, must have the same contents as look-ups return. The map
    /// needs [`map_flag::MMAPABLE`], which [`Accepted::adjust`] can add to a section's map.
    #[must_use]
    pub fn reads_mapped(self, map: &str) -> Self {
        self.check(map, Act::Mmap)
    }

    /// Runs the program on an input with a complete expected result.
    #[must_use]
    pub fn run_giving(mut self, run: Run) -> Self {
        self.runs.push(run);
        self
    }

    /// The first element of this map must hold these words after all runs.
    #[must_use]
    pub fn holds(self, map: &str, words: Arc<Words>) -> Self {
        self.check(map, Act::Holds(words))
    }

    fn check(mut self, map: &str, act: Act) -> Self {
        self.case.checks.push(Check { map: map.to_owned(), act });
        self
    }

    fn push(
        mut self,
        ctx: Vec<u8>,
        packet: Vec<u8>,
        returns: u32,
        ctx_after: Option<Vec<u8>>,
    ) -> Self {
        self.runs.push(Run { ctx, packet, returns, ctx_after, packet_after: None });
        self
    }
}

impl Rejected {
    /// The step that fails, if not the load of the first program.
    #[must_use]
    pub fn at(mut self, step: RejectedAt) -> Self {
        self.rejection.at = step;
        self
    }

    /// The error (see [`errno`]), if not `EINVAL`.
    #[must_use]
    pub fn errno(mut self, errno: i32) -> Self {
        self.rejection.errno = errno;
        self
    }

    /// Text that the verifier's log must contain. Calls accumulate.
    #[must_use]
    pub fn log(mut self, piece: impl Into<String>) -> Self {
        self.rejection.log.push(piece.into());
        self
    }
}

impl From<Accepted> for Case {
    fn from(built: Accepted) -> Self {
        Self { expect: Expect::Accepted(built.runs), ..built.case }
    }
}

impl From<Rejected> for Case {
    fn from(built: Rejected) -> Self {
        Self { expect: Expect::Rejected(built.rejection), ..built.case }
    }
}

/// A context of 64-bit words, as a `syscall` program finds it at r1.
///
/// Little endian, like the targets of the suites (`bpfel`).
pub fn ctx_u64s(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// An Ethernet frame of `len` bytes (at least 14, as `BPF_PROG_TEST_RUN` requires): a header of
/// zeros with an unknown EtherType, then bytes that count up from `first`.
pub fn frame(len: usize, first: u8) -> Vec<u8> {
    const ETHERNET_HEADER: usize = 14;
    let mut frame = vec![0; ETHERNET_HEADER];
    frame[12] = 0x88;
    frame[13] = 0xb5;
    let mut byte = first;
    while frame.len() < len {
        frame.push(byte);
        byte = byte.wrapping_add(1);
    }
    frame
}
