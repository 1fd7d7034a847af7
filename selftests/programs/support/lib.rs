//! Code shared by the programs, compiled for BPF and for the host: contexts, packets, entries.
//!
//! The programs use it as the crate `bpf`. On the host it is part of `bpf-programs`.

#![cfg_attr(target_arch = "bpf", no_std, feature(asm_experimental_arch))]
#![cfg_attr(not(target_arch = "bpf"), expect(unsafe_code, reason = "contexts are bytes"))]

/// Types for which any bytes are a value, and which have no padding.
///
/// # Safety
///
/// The type must satisfy this, and have an alignment of at most 8.
pub unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($type:ty)*) => {
        // SAFETY: integers.
        $(unsafe impl Plain for $type {})*
    };
}
plain!(u8 u16 u32 u64 i8 i16 i32 i64);
// SAFETY: elements are contiguous.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// Declares a struct of plain fields, for a context or a packet.
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
            // An array of negative length if there is padding.
            let _: [(); 0] = [(); size_of::<$name>() - (0 $(+ is_plain::<$type>())*)];
        };
        // SAFETY: plain fields without padding, as was just checked.
        unsafe impl $crate::Plain for $name {}
    };
}

/// Whether a loop may continue: always, but the verifier does not know this (`may_goto`).
///
/// The verifier keeps a state at this point, and prunes paths that reach it with nothing new. In a
/// loop with many paths and without this call, it would explore every combination of them.
#[inline(always)]
pub fn can_loop() -> bool {
    #[cfg(target_arch = "bpf")]
    // SAFETY: it continues after or at the label, and changes no register.
    unsafe {
        core::arch::asm!("may_goto {}", label { return false }, options(nostack));
    }
    true
}

/// Reads a value from memory again, whatever the program has in registers.
///
/// The verifier follows every path with the numbers it knows, and it knows nothing about the
/// contents of the context. A loop that keeps its state there and reads it this way looks the same
/// to the verifier in each iteration.
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
        /// Size of the context in bytes.
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
        /// Size of the context in bytes: the kernel fills it.
        #[cfg(not(target_arch = "bpf"))]
        pub(crate) const CONTEXT: usize = 0;
    };
}

/// Result of an XDP program (`enum xdp_action` of `include/uapi/linux/bpf.h`).
pub mod action {
    /// The program failed.
    pub const ABORTED: u32 = 0;
    /// Drop the packet.
    pub const DROP: u32 = 1;
    /// Pass it to the network stack.
    pub const PASS: u32 = 2;
    /// Send it back out of the same interface.
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

/// A packet: every access is checked against its end, as the verifier requires.
#[derive(Clone, Copy)]
pub struct Packet {
    start: *mut u8,
    end: *mut u8,
}

impl Packet {
    /// The value at an offset, if it is inside the packet.
    #[inline(always)]
    pub fn read<T: Plain>(&self, offset: usize) -> Option<T> {
        let at = self.start.wrapping_add(offset);
        if at.wrapping_add(size_of::<T>()) > self.end {
            return None;
        }
        // SAFETY: the bytes are in the packet, and any bytes are a `T`.
        Some(unsafe { at.cast::<T>().read_unaligned() })
    }

    /// Writes a value at an offset; returns false if it is not inside the packet.
    #[inline(always)]
    pub fn write<T: Plain>(&self, offset: usize, value: T) -> bool {
        let at = self.start.wrapping_add(offset);
        if at.wrapping_add(size_of::<T>()) > self.end {
            return false;
        }
        // SAFETY: the bytes are in the packet.
        unsafe { at.cast::<T>().write_unaligned(value) };
        true
    }
}

#[cfg(not(target_arch = "bpf"))]
mod host {
    use super::{Packet, Plain};

    impl Packet {
        /// A packet of these bytes, which it must not outlive.
        pub(crate) fn of(bytes: &mut [u8]) -> Self {
            let range = bytes.as_mut_ptr_range();
            Self { start: range.start, end: range.end }
        }
    }

    /// Calls a program with a context of these bytes, which are written back; returns 0 if their
    /// number is not the context's size.
    pub(crate) fn with_context<T: Plain>(bytes: &mut [u8], run: impl FnOnce(&mut T) -> u32) -> u32 {
        if bytes.len() != size_of::<T>() {
            return 0;
        }
        // SAFETY: the size is that of a `T`, for which any bytes are valid; alignment does not
        // matter here.
        let mut context = unsafe { bytes.as_ptr().cast::<T>().read_unaligned() };
        let result = run(&mut context);
        // SAFETY: as before; a plain type has no padding.
        unsafe { bytes.as_mut_ptr().cast::<T>().write_unaligned(context) };
        result
    }
}
#[cfg(not(target_arch = "bpf"))]
pub(crate) use host::with_context;
