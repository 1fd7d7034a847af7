//! Program fragments shared by many cases that are not about the jump itself.

/// Jumps through `table` with the low bits of the context's first word as index.
///
/// Clobbers r2 and r3; r1 stays the context. `mask` is one less than the number of entries, a power
/// of two.
pub(super) fn dispatch(table: &str, mask: u32) -> String {
    format!(
        "
            r2 = *(u64 *)(r1 +0)
            r2 &= {mask}
            r2 <<= 3
            r3 = {table} ll
            r3 += r2
            r3 = *(u64 *)(r3 +0)
            gotox r3
        "
    )
}
