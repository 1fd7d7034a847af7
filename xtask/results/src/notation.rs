//! Bytes and error numbers, in the one notation of all reports.

use nix::errno::Errno;

/// `EINVAL (22)`; the kernel's own `ENOTSUPP` has a name only inside the kernel.
pub fn errno_name(errno: i32) -> String {
    match (errno, Errno::from_raw(errno)) {
        (524, _) => "ENOTSUPP (524)".to_owned(),
        (_, Errno::UnknownErrno) => format!("errno {errno}"),
        (_, name) => format!("{name:?} ({errno})"),
    }
}

/// Bytes in hexadecimal, in the order of memory.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}
