//! The agent's own memory.

#![expect(unsafe_code, reason = "no crate wraps malloc_trim(3)")]

/// Returns memory cached by the allocator to the kernel: up to twice the largest block ever freed,
/// which would distort the counts.
pub(crate) fn trim() {
    // SAFETY: takes no pointer and locks the allocator itself. The return value (whether memory was
    // released) does not matter.
    unsafe { libc::malloc_trim(0) };
}
