//! Call chains that use as much of the kernel stack as the verifier allows, generated from a seed.
//!
//! The first function stores its frame pointer in a map. The last one subtracts its own: the
//! difference is the kernel stack between them, because r10 is the machine's frame pointer in JITed
//! code, and otherwise points into the interpreter's C frame. The program itself then checks that
//! this is less than 4096.

use std::fmt::Write as _;

use crate::builder::{Accepted, accepts, errno};
use crate::{Case, Feature};

/// `MAX_BPF_KERNEL_STACK` (`include/linux/bpf_verifier.h`).
pub(super) const KERNEL_STACK: u32 = 4096;
/// `BPF_JIT_FRAME_SIZE`.
const JIT_FRAME: u32 = 128;
/// `BPF_CALLBACK_FRAME_SIZE`.
const CALLBACK_FRAME: u32 = 192;
/// `MAX_BPF_STACK` (`include/linux/filter.h`).
const BPF_STACK: u32 = 512;
/// `BPF_PRIV_STACK_MIN_SIZE`.
const PRIVATE_STACK: u32 = 64;
/// `MAX_CALL_FRAMES`.
const CALL_FRAMES: u32 = 16;
/// The patch that sums up the stack of the interpreter in any case.
const INTERPRETER: &str = "bpf: Do not count on private stacks in the interpreter";
/// Number of programs in the suite.
const PROGRAMS: u64 = 32;

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// By name, static.
    Static,
    /// By name, global.
    Global,
    /// Through `bpf_loop`, which is not inlined: the verifier does not know its flags.
    Loop,
    /// Through a register.
    Indirect,
}

/// A frame of a chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) call: Call,
    /// Bytes of BPF stack, a multiple of 8.
    pub(super) stack: u32,
    /// Whether it uses r6 to r9, which the JIT must save.
    pub(super) saves: bool,
}

/// A chain of calls.
#[derive(Clone, Debug, Default)]
pub struct Deep {
    /// A tracing program, whose functions have private stacks.
    private: bool,
    frames: Vec<Frame>,
}

impl Deep {
    pub(super) fn new(private: bool, frames: Vec<Frame>) -> Self {
        Self { private, frames }
    }

    /// A chain to which nothing can be added, selected by the seed.
    pub fn from_seed(seed: u64) -> Self {
        const CALLS: [Call; 4] = [Call::Static, Call::Global, Call::Loop, Call::Indirect];
        let mut rng = Rng(seed);
        let kinds = 1 + rng.below(15);
        let (private, saves) = (rng.below(3) == 0, rng.below(4) != 0);
        let stacks = [[0, 0, 0, 8], [0, 8, 16, 24], [8, 32, 56, 64], [64, 104, 200, 400]];
        let stacks = stacks[rng.below(4) as usize];
        let mut deep = Self { private, frames: Vec::new() };
        for _ in 0..1000 {
            let call = rng.below(4) as usize;
            let stack = stacks[rng.below(4) as usize];
            // Frame pointers are compared between the first frame and the last one.
            let stack = if deep.frames.is_empty() { stack.min(48) } else { stack };
            if kinds >> call & 1 == 1 {
                deep.push_if_accepted(Frame { call: CALLS[call], stack, saves });
            }
        }
        if let Some(last) = deep.frames.last_mut() {
            last.stack = last.stack.min(48);
        }
        deep
    }

    fn push_if_accepted(&mut self, frame: Frame) {
        self.frames.push(frame);
        let of_section = |frames: &[Frame]| {
            let globals = frames.iter().rposition(|frame| frame.call == Call::Global);
            frames.len() - globals.unwrap_or(0)
        };
        if self.charged() > KERNEL_STACK
            || self.bpf_stack(16) > BPF_STACK
            || of_section(&self.frames) > CALL_FRAMES as usize
            || !self.has(Call::Loop) && !self.private && self.bpf_stack(32) > BPF_STACK
        {
            self.frames.pop();
        }
    }

    fn has(&self, call: Call) -> bool {
        self.frames.iter().skip(1).any(|frame| frame.call == call)
    }

    /// Bytes of non-private BPF stack, rounded up to 16 by the JIT, to 32 by the interpreter.
    fn bpf_stack(&self, step: u32) -> u32 {
        let least = if step == 32 { 32 } else { 0 };
        let private = |stack: u32| self.private && step == 16 && stack >= PRIVATE_STACK;
        let stacks = self.frames.iter().map(|frame| frame.stack.next_multiple_of(step).max(least));
        stacks.filter(|stack| !private(*stack)).sum()
    }

    /// Kernel stack that the verifier charges if the program is JITed.
    pub fn charged(&self) -> u32 {
        let callbacks = self.frames.iter().skip(1).filter(|frame| frame.call == Call::Loop).count();
        let frames = u32::try_from(self.frames.len()).unwrap_or(u32::MAX);
        let callbacks = u32::try_from(callbacks).unwrap_or(u32::MAX);
        self.bpf_stack(16) + frames * JIT_FRAME + callbacks * CALLBACK_FRAME
    }

    /// Number of frames.
    pub fn frames(&self) -> usize {
        self.frames.len()
    }

    /// The program. `end` computes its result from the bytes between the frames, in r0.
    pub fn source(&self, end: &str) -> String {
        let mut text = format!(
            ".prog main {}\nr1 = r10\nw1 -= 0\nr2 = use ll\n*(u64 *)(r2 +0) = r1\n",
            if self.private { "raw_tp" } else { "syscall" }
        );
        for (number, frame) in self.frames.iter().enumerate() {
            if number > 0 {
                let kind = if frame.call == Call::Global { "global" } else { "func" };
                let _ = writeln!(text, ".{kind} f{number}");
            }
            if frame.stack > 0 {
                let _ = writeln!(text, "*(u64 *)(r10 -{}) = 1", frame.stack);
            }
            if frame.saves {
                text.push_str("r6 = 1\nr7 = 2\nr8 = 3\nr9 = 4\n");
            }
            match self.frames.get(number + 1) {
                Some(callee) => text.push_str(&call(number + 1, callee.call)),
                None => text.push_str(
                    "r1 = r10\nw1 -= 0\nr2 = use ll\nr3 = *(u64 *)(r2 +0)\nw3 -= w1\n\
                     *(u64 *)(r2 +8) = r3\n",
                ),
            }
            let end = if number == 0 { end } else { "r0 = 0" };
            let _ = writeln!(text, "{end}\nexit");
        }
        text + ".map use array key=4 value=24 entries=1\n"
    }

    /// The case: the verifier accepts the program, and it uses less than 4096 bytes.
    pub(super) fn accepted(&self, name: &str, about: &str) -> Accepted {
        let end = format!("r1 = use ll\nr0 = *(u64 *)(r1 +8)\nr0 -= {KERNEL_STACK}\nr0 >>= 63");
        let mut case = accepts(name, about, self.source(&end)).runs(&[(0, 1)]);
        if self.has(Call::Indirect) {
            case = case.needs(Feature::Callx);
        }
        let in_interp = self.charged() - self.bpf_stack(16) + self.bpf_stack(32);
        if self.bpf_stack(32) > BPF_STACK || in_interp > KERNEL_STACK {
            case = case.interp_refuses_with(errno::EACCES, "Too large");
            // Without the patch, the interpreter's stack is not summed up for private stacks, and
            // callbacks are what is refused.
            if self.private || self.has(Call::Loop) {
                case = case.fixed_by(INTERPRETER);
            }
        } else if self.has(Call::Loop) {
            case = case.interp_refuses("callbacks are not allowed in non-JITed programs");
        }
        case
    }
}

fn call(number: usize, call: Call) -> String {
    match call {
        Call::Static => format!("call f{number}\n"),
        Call::Global => format!("r1 = 0\ncall f{number}\n"),
        Call::Loop => format!(
            "r1 = use ll\nr4 = *(u64 *)(r1 +16)\nr1 = 1\nr2 = f{number} ll\nr3 = 0\ncall bpf_loop\n"
        ),
        Call::Indirect => format!("r2 = f{number} ll\ncallx r2\n"),
    }
}

/// SplitMix64.
struct Rng(u64);

impl Rng {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ word >> 31) % end
    }
}

/// The programs of the suite.
pub fn deepest() -> Vec<Deep> {
    (0..PROGRAMS).map(Deep::from_seed).collect()
}

pub(super) fn cases() -> Vec<Case> {
    let about = "a chain of calls at a limit takes less than 4096 bytes of the kernel's stack";
    let deep = deepest().into_iter().enumerate();
    deep.map(|(seed, deep)| deep.accepted(&format!("stack/deep_{seed}"), about).into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_at_a_limit_and_not_over_it() {
        for deep in deepest() {
            assert!(deep.charged() <= KERNEL_STACK, "{deep:?}");
            assert!(deep.frames() > 1, "{deep:?}");
        }
        assert!(deepest().iter().any(|deep| deep.charged() > KERNEL_STACK - JIT_FRAME));
    }
}
