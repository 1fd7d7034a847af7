//! What the programs share, compiled for BPF and for the host: contexts, packets, entries.
//!
//! The programs know it as the crate `bpf`. On the host it is a part of `bpf-programs`.

#![cfg_attr(target_arch = "bpf", no_std, feature(asm_experimental_arch))]
#![cfg_attr(not(target_arch = "bpf"), expect(unsafe_code, reason = "contexts are bytes"))]

/// Types for which any bytes are a value, and which have no padding.
///
/// # Safety
///
/// That is so, and their alignment is 8 at most.
pub unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($type:ty)*) => {
        // SAFETY: integers.
        $(unsafe impl Plain for $type {})*
    };
}
plain!(u8 u16 u32 u64 i8 i16 i32 i64);
// SAFETY: elements lie side by side.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// Declares a struct of plain fields, as it lies in a context or in a packet.
#[macro_export]
macro_rules! plain {
    ($(#[$meta:meta])* struct $name:ident { $($(#[$of:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy)]
        #[repr(C)]
        struct $name { $($(#[$of])* $field: $type,)* }

        const _: () = {
            const fn is_plain<T: $crate::Plain>() -> usize {
                size_of::<T>()
            }
            // An array of a negative length where there is padding.
            let _: [(); 0] = [(); size_of::<$name>() - (0 $(+ is_plain::<$type>())*)];
        };
        // SAFETY: plain fields without padding, as was just checked.
        unsafe impl $crate::Plain for $name {}
    };
}

/// Whether a loop may go on: always, but the verifier does not know (`may_goto`).
///
/// Where the program asks, the verifier keeps a state, and it prunes a path that comes there with
/// nothing new. In a loop that has many ways through, and goes on without asking, it would follow
/// each sequence of them.
#[inline(always)]
pub fn can_loop() -> bool {
    #[cfg(target_arch = "bpf")]
    // SAFETY: it goes on behind or at the label, and touches no register.
    unsafe {
        core::arch::asm!("may_goto {}", label { return false }, options(nostack));
    }
    true
}

/// Reads a place anew, whatever the program has in registers.
///
/// The verifier follows every path with the numbers that it knows, and it knows none of the context.
/// A loop whose state lies there and is read like this looks the same to it in each round.
#[inline(always)]
pub fn fresh<T: Plain>(place: &T) -> T {
    // SAFETY: a reference is valid for reads.
    unsafe { core::ptr::read_volatile(place) }
}

/// Makes a function the entry of a `syscall` program: it gets the context and returns the result.
#[macro_export]
macro_rules! syscall {
    ($context:ty, $run:ident) => {
        /// The entry.
        #[cfg(target_arch = "bpf")]
        #[unsafe(no_mangle)]
        #[unsafe(link_section = "syscall")]
        extern "C" fn main(context: &mut $context) -> u32 {
            $run(context)
        }

        /// Runs the program on the bytes of a context.
        #[cfg(not(target_arch = "bpf"))]
        pub(crate) fn native(bytes: &mut [u8], _packet: &mut [u8]) -> u32 {
            $crate::with_context::<$context>(bytes, $run)
        }
        /// Bytes of the context.
        #[cfg(not(target_arch = "bpf"))]
        pub(crate) const CONTEXT: usize = size_of::<$context>();
    };
}

/// Makes a function the entry of an XDP program: it gets the packet and returns the action.
#[macro_export]
macro_rules! xdp {
    ($run:ident) => {
        /// The entry.
        #[cfg(target_arch = "bpf")]
        #[unsafe(no_mangle)]
        #[unsafe(link_section = "xdp")]
        extern "C" fn main(context: &$crate::XdpMd) -> u32 {
            $run(context.packet())
        }

        /// Runs the program on a packet.
        #[cfg(not(target_arch = "bpf"))]
        pub(crate) fn native(_context: &mut [u8], packet: &mut [u8]) -> u32 {
            $run($crate::Packet::of(packet))
        }
        /// Bytes of the context: it is the kernel's to fill.
        #[cfg(not(target_arch = "bpf"))]
        pub(crate) const CONTEXT: usize = 0;
    };
}

/// What an XDP program says of a packet (`enum xdp_action` of `include/uapi/linux/bpf.h`).
pub mod action {
    /// The program went wrong.
    pub const ABORTED: u32 = 0;
    /// It is dropped.
    pub const DROP: u32 = 1;
    /// It goes on to the network stack.
    pub const PASS: u32 = 2;
    /// It goes back where it came from.
    pub const TX: u32 = 3;
}

/// `struct xdp_md` of `include/uapi/linux/bpf.h`, as far as the programs use it.
#[cfg(target_arch = "bpf")]
#[repr(C)]
pub struct XdpMd {
    data: u32,
    data_end: u32,
}

#[cfg(target_arch = "bpf")]
impl XdpMd {
    /// The packet.
    #[inline(always)]
    pub fn packet(&self) -> Packet {
        Packet { start: self.data as usize as *mut u8, end: self.data_end as usize as *mut u8 }
    }
}

/// A packet: every access is checked against its end, as the verifier demands.
#[derive(Clone, Copy)]
pub struct Packet {
    start: *mut u8,
    end: *mut u8,
}

impl Packet {
    /// The value at an offset, if the packet has all its bytes.
    #[inline(always)]
    pub fn read<T: Plain>(&self, offset: usize) -> Option<T> {
        let at = self.start.wrapping_add(offset);
        if at.wrapping_add(size_of::<T>()) > self.end {
            return None;
        }
        // SAFETY: the bytes lie in the packet, and any bytes are a `T`.
        Some(unsafe { at.cast::<T>().read_unaligned() })
    }

    /// Writes a value at an offset; false where the packet has not all its bytes.
    #[inline(always)]
    pub fn write<T: Plain>(&self, offset: usize, value: T) -> bool {
        let at = self.start.wrapping_add(offset);
        if at.wrapping_add(size_of::<T>()) > self.end {
            return false;
        }
        // SAFETY: the bytes lie in the packet.
        unsafe { at.cast::<T>().write_unaligned(value) };
        true
    }
}

#[cfg(not(target_arch = "bpf"))]
mod host {
    use super::{Packet, Plain};

    impl Packet {
        /// The packet in these bytes, which it must not outlive.
        pub(crate) fn of(bytes: &mut [u8]) -> Self {
            let range = bytes.as_mut_ptr_range();
            Self { start: range.start, end: range.end }
        }
    }

    /// Calls a program with a context of these bytes, which are written back; 0 where they are not
    /// as many as the context has.
    pub(crate) fn with_context<T: Plain>(bytes: &mut [u8], run: impl FnOnce(&mut T) -> u32) -> u32 {
        if bytes.len() != size_of::<T>() {
            return 0;
        }
        // SAFETY: as many bytes as a `T` has, any of which are one; alignment does not matter here.
        let mut context = unsafe { bytes.as_ptr().cast::<T>().read_unaligned() };
        let result = run(&mut context);
        // SAFETY: as before; a plain type has no padding.
        unsafe { bytes.as_mut_ptr().cast::<T>().write_unaligned(context) };
        result
    }
}
#[cfg(not(target_arch = "bpf"))]
pub(crate) use host::with_context;
