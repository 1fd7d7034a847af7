//! The agent's own memory.

#![expect(unsafe_code, reason = "no crate wraps malloc_trim(3)")]

/// Gives back to the kernel what the allocator keeps for later: up to twice the largest block that
/// was ever freed, which says nothing of what is in use.
pub(crate) fn trim() {
    // SAFETY: takes no pointer and locks the allocator itself. Whether anything was given back, which
    // is what it returns, does not matter.
    unsafe { libc::malloc_trim(0) };
}
