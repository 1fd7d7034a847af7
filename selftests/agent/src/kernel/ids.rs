//! Counts the programs, maps and BTF objects in the kernel: each has an id, whoever holds it.

#![expect(unsafe_code, reason = "bpf(2) takes addresses as numbers")]

use super::bpf::{RawErrno, bpf};
use super::uapi::{GetId, cmd};

/// Limit for counted objects: a cyclic list of ids must not loop forever.
const LIMIT: u32 = 1 << 20;

/// Objects with their own id space.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Programs.
    Program,
    /// Maps.
    Map,
    /// BTF objects, including those of the kernel and its modules.
    Btf,
}

/// The number of objects of a kind in the kernel, or the errno if counting fails.
pub(crate) fn count(kind: Kind) -> Result<u32, i32> {
    let command = match kind {
        Kind::Program => cmd::PROG_GET_NEXT_ID,
        Kind::Map => cmd::MAP_GET_NEXT_ID,
        Kind::Btf => cmd::BTF_GET_NEXT_ID,
    };
    count_by(|id| {
        let mut attr = GetId { start_id: id, ..GetId::default() };
        // SAFETY: the command accesses only `attr`.
        unsafe { bpf(command, &mut attr)? };
        Ok(attr.next_id)
    })
}

fn count_by(mut next: impl FnMut(u32) -> Result<u32, RawErrno>) -> Result<u32, i32> {
    let mut id = 0;
    for found in 0..LIMIT {
        id = match next(id) {
            Ok(id) => id,
            Err(RawErrno(libc::ENOENT)) => return Ok(found),
            Err(RawErrno(errno)) => return Err(errno),
        };
    }
    Ok(LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_followed_to_their_end() {
        let ids = [2, 3, 9];
        let next = |id| ids.into_iter().find(|next| *next > id).ok_or(RawErrno(libc::ENOENT));
        assert_eq!(count_by(next), Ok(3));
        assert_eq!(count_by(|_| Err(RawErrno(libc::ENOENT))), Ok(0));
        assert_eq!(count_by(|_| Err(RawErrno(libc::EPERM))), Err(libc::EPERM));
    }
}
